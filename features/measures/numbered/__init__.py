"""Customers by numbers: what measures read of large tables, looked up and narrowed once for all of them.

Imports `features` and `data`.
"""
