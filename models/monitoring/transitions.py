"""Transitions between segments, and between NPS categories, from one date to another, both under one model.

The published category flickers: a customer near a cut point changes class with the smallest change of behaviour. So the
counts of classes come with summed probabilities, the expected numbers of detractors, passives and promoters, which do
not flicker.

Probabilities are rounded to whole numbers of 2^-26 before they are summed. Such sums are exact up to 134 million
customers, so they do not depend on the order of the customers, nor on the parts that are counted at once.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from models.scoring.columns import CATEGORIES, PROBABILITIES
from models.stats.typing import Floats

# In brackets, because "new" is also the name of a segment.
NEW, GONE = "(new)", "(gone)"
_WHOLE = 2.0**26


def count_transitions(before: pd.Series, now: pd.Series, names: Sequence[str]) -> pd.DataFrame:
    """Count the customers of each pair of segments.

    Parameters
    ----------
    before, now : pandas.Series
        Segment at the two dates, indexed by customer_id; None for customers without a segment.
    names : sequence of str
        The segments, in the order of the table.

    Returns
    -------
    pandas.DataFrame
        Whole numbers of customers. Rows (``before``): the segments, and (new) for customers who were not in the base
        then. Columns (``now``): the segments, and (gone) for customers who are not in the base now. Customers of the
        base without a segment at one of the dates are left out.
    """
    K = len(names)
    was, is_now = (pd.Index(names).get_indexer(pd.Index(each)) for each in (before, now))
    # Row of today's customers in the earlier table, -1 for new customers. A segment of -1 is missing.
    place = before.index.get_indexer(now.index)
    came_from = np.where(place < 0, K, was[place]) if len(before) else np.full(len(now), K)
    both = (came_from >= 0) & (is_now >= 0)
    counts = np.zeros((K + 1, K + 1), dtype=np.int64)
    counts[:, :K] = np.bincount(K * came_from[both] + is_now[both], minlength=K * (K + 1)).reshape(K + 1, K)
    left = np.ones(len(before), dtype=bool)
    left[place[place >= 0]] = False
    counts[:K, K] = np.bincount(was[left & (was >= 0)], minlength=K)
    index, columns = pd.Index([*names, NEW], name="before"), pd.Index([*names, GONE], name="now")
    return pd.DataFrame(counts, index=index, columns=columns)


def moved_by_time(before: pd.DataFrame, now: pd.DataFrame, names: Sequence[str], days: int) -> pd.DataFrame:
    """Count who left each segment only because time passed, beside how many were to be expected.

    A customer who buys nothing grows older in recency, and leaves a segment of recent customers without any change of
    behaviour: customers who buy at random times are silent now and then. So of those who left a segment are counted
    those who bought nothing since, and beside them stands the expected number of such customers if everyone goes on
    buying as the purchase model says: the sum of the probabilities to buy nothing over all whose segment silence moves.

    Parameters
    ----------
    before : pandas.DataFrame
        As `models.population.earlier_scores.scores_of_earlier` gives it with `days`, indexed by customer_id.
    now : pandas.DataFrame
        Today's scores, indexed by customer_id: segment, T and recency.
    names : sequence of str
        The segments.
    days : int
        From the earlier date to today.

    Returns
    -------
    pandas.DataFrame
        One row per segment: `then` (customers), `left` (who are in another one now), `left_by_time` (of them, who
        bought nothing since) and `expected_by_time`.
    """
    today = now.reindex(before.index)
    is_here = today["segment"].notna().to_numpy()
    moved = is_here & (today["segment"].to_numpy() != before["segment_before"].to_numpy())
    days_since = (today["T"] - today["recency"]).to_numpy(float)
    silent = days_since == before["days_since_before"].to_numpy(float) + days
    would_move = (before["segment_if_silent"] != before["segment_before"]).to_numpy()
    counts = pd.DataFrame(
        {
            "then": 1.0,
            "left": moved.astype(float),
            "left_by_time": (moved & silent & would_move).astype(float),
            "expected_by_time": np.where(would_move, _summable(before["p_silent"].to_numpy(float)), 0.0),
        },
        index=before.index,
    )
    table = counts.groupby(before["segment_before"]).sum().reindex(list(names), fill_value=0.0)
    whole = dict.fromkeys(("then", "left", "left_by_time"), np.int64)
    return table.astype(whole).rename_axis("segment")


def expected_categories(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Sum the probabilities of each class at both dates.

    Parameters
    ----------
    before, now : pandas.DataFrame
        Probabilities at the two dates under one model, each p_detractor, p_passive and p_promoter, indexed by
        customer_id; null for customers without a prediction.

    Returns
    -------
    pandas.DataFrame
        Expected numbers of customers, one row per class (detractor, passive, promoter): ``before``, at the earlier
        date; ``stayed``, at the earlier date among the customers of both dates; ``changed``, the change of that number
        until now; ``new``, among the customers who came since; ``now``, stayed + changed + new.
    """
    then, today = _summable(_checked(before)), _summable(_checked(now))
    place = before.index.get_indexer(now.index)
    predicted_then, predicted_now = (np.asarray(~np.isnan(p).any(axis=1)) for p in (then, today))
    was_predicted = (place >= 0) & predicted_then[place] if len(before) else np.zeros(len(now), dtype=bool)
    both = was_predicted & predicted_now
    stayed, kept = then[place[both]].sum(axis=0), today[both].sum(axis=0)
    new = today[predicted_now & ~was_predicted].sum(axis=0)
    sums = {
        "before": then[predicted_then].sum(axis=0),
        "stayed": stayed,
        "changed": kept - stayed,
        "new": new,
        "now": kept + new,
    }
    return pd.DataFrame(sums, index=pd.Index(CATEGORIES, name="category"))


def _summable(probabilities: Floats) -> Floats:
    return np.round(probabilities * _WHOLE) / _WHOLE


def _checked(probabilities: pd.DataFrame) -> Floats:
    """Probabilities (n, 3), checked: one row a customer, null or summing to 1."""
    missing = [name for name in PROBABILITIES if name not in probabilities.columns]
    if missing:
        raise ValueError(
            f"probabilities must have the columns {', '.join(PROBABILITIES)}; missing: {', '.join(missing)}"
        )
    if not probabilities.index.is_unique:
        repeated = probabilities.index[probabilities.index.duplicated()][0]
        raise ValueError(f"each customer must have one row, got {repeated} twice; index by customer_id")
    p = probabilities[list(PROBABILITIES)].to_numpy(dtype=float, na_value=np.nan)
    predicted = ~np.isnan(p).any(axis=1)
    off = int(np.sum(np.abs(p[predicted].sum(axis=1) - 1.0) > 1e-6))
    if off:
        raise ValueError(f"probabilities of a customer must sum to 1; those of {off} customers do not")
    return np.asarray(p, dtype=float)
