"""What is seen of a customer before a date: one row of features, and labels.

Imports `data`.
"""
