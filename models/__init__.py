"""What is learned and what is made of it: fitted models, scores, the NPS of everyone, the registry.

Imports `features` and `data`.
"""
