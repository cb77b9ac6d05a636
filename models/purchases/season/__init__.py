"""The season of a shop: how a clock is estimated from its purchases, and whether it enters the scores.

Imports `recipe`, `stats` and `scoring`.
"""
