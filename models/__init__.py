"""What is learned, and what is made of it: scores, the NPS of everyone, lists.

Imports `features` and `data`.
"""
