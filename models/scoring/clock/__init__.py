"""The shop's clock: it runs faster in season, so that purchase models hold in its time.

Imports `arrays`.
"""
