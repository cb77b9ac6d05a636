"""What is learned, and what is made of it: scores, the NPS of everyone, lists.

Imports `features` and `data`.
"""

from models.registry.environment import set_defaults

# Python runs this file before any module of the package, so MLflow always finds its switches set.
set_defaults()
