"""A shop whose late deliveries drive customers away: when it is, and what tests of the second stage hold of it."""

from dataclasses import dataclass
from datetime import date, timedelta

import pandas as pd

from features.tables import Tables
from models.purchases.fit import PurchaseFit
from models.recipe import Recipe

START, DAYS, RECIPE = date(2023, 1, 1), 500, Recipe(horizon=90, seed=3)
CUTOFF = START + timedelta(days=DAYS - 90)
PREDICTED = ["p_purchase", "expected_purchases", "expected_spend", "expected_revenue"]


@dataclass(frozen=True)
class Shop:
    """A shop whose late deliveries drive customers away: its raw frames and its clean tables."""

    raw: dict[str, pd.DataFrame]
    tables: Tables


@dataclass(frozen=True)
class AtCutoff:
    """Everyone at the cutoff: features, the first stage, what they did afterwards."""

    described: pd.DataFrame
    fit: PurchaseFit
    first: pd.DataFrame
    realised: pd.DataFrame
