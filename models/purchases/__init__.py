"""Fitting BG/NBD, Gamma-Gamma, the season and the second stage.

Imports `recipe`, `segments`, `stats` and `scoring`.
"""
