"""The NPS of the base from those who answered, and whom to ask.

Imports `population` and what it imports.
"""
