"""How a file is written, found by evidence: names of columns, numbers, times, encodings, expressions.

Imports `data.contracts` and `data.errors`, and of the intake what names files and quotes SQL.
"""
