"""Who was asked and who answers: the probability of answering from behaviour, its candidate models, and its costs.

Imports `stats`, and for who was asked `release`, the features and the frame and samples of a survey.
"""
