"""Groups of customers: RFM segments, personas, topics of comments.

Imports `stats` and `scoring`.
"""
