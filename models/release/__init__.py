"""One version of the scorer, fitted together; its backtest and its gate.

Imports `purchases`, `nps` and what they import.
"""
