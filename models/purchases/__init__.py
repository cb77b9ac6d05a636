"""Fitting BG/NBD, Gamma-Gamma and the second stage of trees.

Imports `recipe`, `segments`, `stats` and `scoring`.
"""
