"""Everyone at one date: features, scores, segments and the table that is published.

Imports `release` and what it imports.
"""
