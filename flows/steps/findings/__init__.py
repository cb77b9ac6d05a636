"""What looks wrong in tables that were read without complaint, each with the lines that mend it.

Imports `data`, `features`, the settings, and the figures of `flows.steps.overview`.
"""
