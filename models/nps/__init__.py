"""The NPS category from behaviour: candidates, pool, calibration, attribution.

Imports `recipe`, `segments`, `stats` and `scoring`.
"""
