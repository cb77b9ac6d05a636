"""Fitting purchases and spend: BG/NBD, Gamma-Gamma and the second stage of trees.

Imports `recipe`, `stats`, `scoring`.
"""
