"""One version of the scorer, fitted together; its backtest and the gate before promotion.

Imports the rooms of fitting.
"""
