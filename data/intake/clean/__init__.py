"""Rows that passed: written as clean Parquet, and kept from one intake to the next for files that do not change.

Imports contracts, `reading` and the files of the intake.
"""
