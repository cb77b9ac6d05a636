"""Long texts, read in blocks and never held as a whole: records of CSV, and the values of a JSON array.

Imports errors, and how the intake matches names.
"""
