"""Files become clean Parquet tables; rows that break a contract are set aside.

Imports `data` alone.
"""
