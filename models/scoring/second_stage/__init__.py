"""The second stage as it is served: how trees and a regression correct the purchase and spend models.

Imports `parameters`, `bg_nbd`, `gamma_gamma`, `boosted`, `columns` and `arrays`.
"""
