"""What the app reads: the version that is current, its table of scores, and the shop's tables.

Imports `settings`, `steps` and what these import.
"""
