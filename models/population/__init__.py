"""Everyone at one date: scores, segments, the published table.

Imports `release` and what it imports.
"""
