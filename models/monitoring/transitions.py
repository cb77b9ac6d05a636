"""Moves between segments, and between NPS categories, from one date to another, both told by one model.

The published category is the median class, which flickers: a customer near a border changes class with the smallest
change of behaviour, though hardly anything has moved. So beside the counts of classes stand the summed probabilities,
which do not flicker and are what the numbers of detractors, passives and promoters are expected to be.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.scoring.columns import CATEGORIES, PROBABILITIES
from models.scoring.nps import median_category
from models.stats.typing import Floats

# In brackets, for "new" is a segment too.
NEW, GONE = "(new)", "(gone)"


def category_transitions(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Count the customers of each pair of categories.

    Parameters
    ----------
    before, now : pandas.DataFrame
        Probabilities at the two dates under one model, each p_detractor, p_passive and p_promoter, indexed by
        customer_id; null where nothing is predicted.

    Returns
    -------
    pandas.DataFrame
        Rows (``before``): detractor, passive, promoter, (new): no customer then. Columns (``now``): detractor, passive,
        promoter, (gone): no customer now (as where purchases were taken back). Whole numbers; all of them sum to the
        customers of either date. Customers of whom nothing is predicted at a date they were seen at are left out.

    Raises
    ------
    ValueError
        If a customer is repeated, a column is missing, or probabilities do not sum to 1.
    """
    names = np.array([*CATEGORIES, None], dtype=object)
    was, is_now = (pd.Series(names[_classes(each)], index=each.index) for each in (before, now))
    return count_transitions(was, is_now, CATEGORIES)


def count_transitions(before: pd.Series, now: pd.Series, names: Sequence[str]) -> pd.DataFrame:
    """Count the customers of each pair of segments.

    Parameters
    ----------
    before, now : pandas.Series
        Segment at the two dates, indexed by customer_id; None where it is not known.
    names : sequence of str
        The segments, in the order of the table.

    Returns
    -------
    pandas.DataFrame
        Rows (``before``): the segments and (new): no customer then. Columns (``now``): the segments and (gone): no
        customer now. Whole numbers; customers whose segment is not known at a date they were seen at are left out.
    """
    K = len(names)
    was, is_now = (pd.Index(names).get_indexer(pd.Index(each)) for each in (before, now))
    # Where today's customers stood before, -1 for the new; a segment of -1 is not known.
    place = before.index.get_indexer(now.index)
    came_from = np.where(place < 0, K, was[place]) if len(before) else np.full(len(now), K)
    known = (came_from >= 0) & (is_now >= 0)
    counts = np.zeros((K + 1, K + 1), dtype=np.int64)
    counts[:, :K] = np.bincount(K * came_from[known] + is_now[known], minlength=K * (K + 1)).reshape(K + 1, K)
    left = np.ones(len(before), dtype=bool)
    left[place[place >= 0]] = False
    counts[:K, K] = np.bincount(was[left & (was >= 0)], minlength=K)
    index, columns = pd.Index([*names, NEW], name="before"), pd.Index([*names, GONE], name="now")
    return pd.DataFrame(counts, index=index, columns=columns)


def expected_categories(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Sum the probabilities of each class at both dates.

    Parameters
    ----------
    before, now : pandas.DataFrame
        As for `category_transitions`.

    Returns
    -------
    pandas.DataFrame
        One row per class (detractor, passive, promoter): ``before``, the expected number of customers of that class at
        the earlier date; ``stayed``, the same of those of them who are customers still, as of then; ``moved``, how
        much that number has changed by now; ``new``, the expected number among the customers who came since; ``now``,
        stayed + moved + new.
    """
    then, today = _checked(before), _checked(now)
    place = before.index.get_indexer(now.index)
    known_then, known_now = (np.asarray(~np.isnan(p).any(axis=1)) for p in (then, today))
    was_known = (place >= 0) & known_then[place] if len(before) else np.zeros(len(now), dtype=bool)
    both = was_known & known_now
    stayed, kept = then[place[both]].sum(axis=0), today[both].sum(axis=0)
    new = today[known_now & ~was_known].sum(axis=0)
    sums = {
        "before": then[known_then].sum(axis=0),
        "stayed": stayed,
        "moved": kept - stayed,
        "new": new,
        "now": kept + new,
    }
    return pd.DataFrame(sums, index=pd.Index(CATEGORIES, name="category"))


def _classes(probabilities: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Median class of each customer, -1 where nothing is predicted."""
    p = _checked(probabilities)
    return np.where(np.isnan(p).any(axis=1), -1, median_category(p))


def _checked(probabilities: pd.DataFrame) -> Floats:
    """Probabilities (n, 3) of customers who are there once."""
    missing = [name for name in PROBABILITIES if name not in probabilities.columns]
    if missing:
        raise ValueError(
            f"probabilities must have the columns {', '.join(PROBABILITIES)}; missing: {', '.join(missing)}"
        )
    if not probabilities.index.is_unique:
        repeated = probabilities.index[probabilities.index.duplicated()][0]
        raise ValueError(f"each customer must be there once, got {repeated} twice; index by customer_id")
    p = probabilities[list(PROBABILITIES)].to_numpy(dtype=float, na_value=np.nan)
    known = ~np.isnan(p).any(axis=1)
    off = int(np.sum(np.abs(p[known].sum(axis=1) - 1.0) > 1e-6))
    if off:
        raise ValueError(f"probabilities of a customer must sum to 1; of {off} customers they do not")
    return np.asarray(p, dtype=float)
