"""Statistics that know nothing of a shop: metrics, folds, shrinkage.

Imports no other room of `models`.
"""
