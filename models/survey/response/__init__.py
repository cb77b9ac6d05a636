"""Who answers: the probability of answering from behaviour, its candidate models, and what estimating it costs.

Imports `stats` and no other room.
"""
