"""Asking the engine that holds the tables: SQL that is compiled once and run as of many dates.

Imports `data`.
"""
