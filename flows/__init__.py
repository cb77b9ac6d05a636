"""What runs: the flows retrain, score and backtest, and the settings.

Imports every other layer; it alone imports Prefect.
"""
