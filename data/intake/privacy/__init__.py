"""Customers who stay unknown: keyed hashes in the place of their ids, and the rows of those who are forgotten.

Imports the contracts, pseudonyms and the SQL of `intake`, and DuckDB.
"""
