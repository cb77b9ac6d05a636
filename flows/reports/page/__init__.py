"""The report as one page of HTML: the figures that each run keeps for it, and how a page is written from them.

Imports `reports.sections` of its own room, `steps`, and what these import.
"""
