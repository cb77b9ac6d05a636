"""What runs: the Prefect flows retrain, score and backtest, and their settings. Imports every other layer."""
