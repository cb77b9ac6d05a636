"""Rows that passed: written as clean Parquet, and kept from one intake to the next for files that do not change.

Imports contracts, `reading`, `privacy`, `sameness` and the files of the intake.
"""
