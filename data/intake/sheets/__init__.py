"""Sheets of workbooks, read by a process of its own that may take so much memory and time.

Imports the errors of `data` and the sources of `data.intake`.
"""
