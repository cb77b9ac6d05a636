"""Statistics that know nothing of a shop: metrics, folds, shrinkage, optimisation.

Imports no other room of `models`.
"""
