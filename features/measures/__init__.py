"""The measures of the field over windows and groups, with intervals.

Imports `features` and `data`.
"""
