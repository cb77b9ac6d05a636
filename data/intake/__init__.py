"""Files become clean Parquet tables; rows that break a contract are set aside with their reason.

Imports `data` alone.
"""
