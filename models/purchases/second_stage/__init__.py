"""How the second stage is learned: trees and a regression, their weights beside the first stage, and its levels.

Imports `recipe`, `stats`, `scoring` and the season.
"""
