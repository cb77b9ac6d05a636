"""What a flow does, step by step, as plain functions.

Imports the settings, `models`, `features` and `data`.
"""
