"""The NPS category from behaviour: candidates, their pool, calibration, attribution.

Imports `recipe`, `stats`, `scoring`.
"""
