"""Tables of PostgreSQL, SQLite and DuckDB become Parquet files that are taken in as others are.

Imports `data` alone.
"""
