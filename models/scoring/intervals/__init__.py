"""Intervals of what a customer spends, simulated from the uncertainty of the customer and of the parameters.

Imports `bg_nbd`, `gamma_gamma`, `clock`, `parameters` and `arrays`.
"""
