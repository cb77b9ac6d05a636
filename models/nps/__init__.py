"""The NPS category from behaviour: candidate models, their blend, calibration and attribution.

Imports `recipe`, `segments`, `stats` and `scoring`.
"""
