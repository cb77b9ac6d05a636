"""The commands about the privacy of customers: forget one, free what is past its retention, look after the key.

Imports data, models, and the settings and steps of flows.
"""
