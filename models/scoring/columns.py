"""The columns that the scorer reads and writes, and the check of a purchase history."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import pandas as pd

PURCHASE_COLUMNS = ("frequency", "recency", "T", "spend_frequency", "spend_value")
CATEGORIES = ("detractor", "passive", "promoter")
PROBABILITIES = ("p_detractor", "p_passive", "p_promoter")
FORECAST_COLUMNS = (
    "p_alive",
    "p_purchase",
    "expected_purchases",
    "p_churn",
    "expected_spend",
    "expected_revenue",
    "p_any_revenue",
    "revenue_low",
    "revenue_high",
    "clv",
    "clv_low",
    "clv_high",
    "next_purchase_index",
)
ENDS_OF_INTERVALS = ("revenue_low", "revenue_high", "clv_low", "clv_high")
SCORE_COLUMNS = (
    *FORECAST_COLUMNS,
    *PROBABILITIES,
    "nps_category",
    "nps_source",
    "p_satisfied",
)


def check_purchase_columns(features: pd.DataFrame) -> None:
    """Refuse a purchase history that cannot be, before a formula makes a number of it.

    Raises
    ------
    ValueError
        Naming the column, what it must be, and the first rows that are not.
    """
    missing = [name for name in PURCHASE_COLUMNS if name not in features]
    if missing:
        raise ValueError(f"the features table lacks {', '.join(missing)}; it has {', '.join(map(str, features))}")
    x, t_x, T, x_spend, m_spend = (features[name].to_numpy(float) for name in PURCHASE_COLUMNS)
    rules = {
        "frequency": (np.isfinite(x) & (x >= 0), "a number of repeat purchases, 0 or more"),
        "T": (np.isfinite(T) & (T >= 0), "an age in days, 0 or more"),
        "recency": ((t_x >= 0) & (t_x <= T) & ((x == 0) == (t_x == 0)), "between 0 and T, and 0 only without repeats"),
        "spend_frequency": ((x_spend >= 0) & (x_spend <= x), "between 0 and frequency"),
        "spend_value": (np.isfinite(m_spend) & (m_spend >= 0), "a mean value, 0 or more"),
    }
    for name, (right, must) in rules.items():
        if not right.all():
            rows = ", ".join(str(row) for row in features.index[~right][:3])
            raise ValueError(f"{name} must be {must}; it is not in {(~right).sum():,} rows, first: {rows}")
