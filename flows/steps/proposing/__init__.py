"""From files of unknown kind to a commented `revealed.toml`: what is proposed is tried until nothing is left.

Imports `data`, the settings, `flows.formats` and the findings of `flows.steps`.
"""
