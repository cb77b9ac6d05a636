"""Whom to do something about, and why.

Imports `population` and what it imports.
"""
