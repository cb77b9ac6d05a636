"""A base in few figures: how many customers, what is expected of all of them, and how the mean customer is."""

import numpy as np

from models.stats.population_stability import Columns

BASE_COLUMNS = ("next_purchase_index", "expected_revenue", "expected_purchases", "clv", "p_churn")


def base_totals(scores: Columns) -> dict[str, float | None]:
    """Describe a base by its scores.

    Parameters
    ----------
    scores : pandas.DataFrame or StoredTable
        One row per customer with the columns `BASE_COLUMNS`; without a forecast they are null.

    Returns
    -------
    dict of str to float or None
        customers; expected_purchases, expected_revenue and clv in total; next_purchase_index, p_churn and clv_mean as
        means over customers; None where nothing is forecast.
    """
    columns = {name: scores[name].to_numpy(dtype=float, na_value=np.nan) for name in BASE_COLUMNS}
    known = {name: values[~np.isnan(values)] for name, values in columns.items()}
    totals: dict[str, float | None] = {"customers": float(len(scores))}
    for name in ("expected_purchases", "expected_revenue", "clv"):
        totals[name] = float(known[name].sum()) if known[name].size else None
    for name, column in {"next_purchase_index": "next_purchase_index", "p_churn": "p_churn", "clv_mean": "clv"}.items():
        totals[name] = float(known[column].mean()) if known[column].size else None
    return totals
