"""Every picture, drawn on no screen.

Imports `population` and what it imports.
"""
