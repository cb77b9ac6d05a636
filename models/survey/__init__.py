"""The NPS of the base and of segments from those who answered, and whom to ask.

Imports `population` and what it imports.
"""
