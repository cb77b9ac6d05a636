"""Uncommon shops: a short history, one account that outweighs the others.

Imports `reports` and `models`.
"""
