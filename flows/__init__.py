"""What runs: the flows retrain, score and backtest, and the settings.

Imports every other layer; it alone imports Prefect.
"""

from flows.environment import set_defaults

# Python runs this file before any module of the package, so Prefect always finds its switches set.
set_defaults()
