"""Clusters of customers who behave alike: how many, who, and their names.

Imports `stats`.
"""
