"""What people do with published scores: look at them, take them along, compare two versions.

Imports data, models and the steps, settings and reports of flows.
"""
