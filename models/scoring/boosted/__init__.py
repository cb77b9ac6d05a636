"""Boosted trees: read from LightGBM's text, and evaluated.

Imports `arrays`.
"""
