"""Moves between NPS categories from one date to another, both predicted by one model.

The published category is the median class, which flickers: a customer near a border changes class with the smallest
change of behaviour, though hardly anything has moved. So beside the counts of classes stand the summed probabilities,
which do not flicker and are what the numbers of detractors, passives and promoters are expected to be.
"""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.customer_scorer import CATEGORIES, median_category

Array = npt.NDArray[np.float64]

PROBABILITIES = tuple(f"p_{name}" for name in CATEGORIES)
NEW, GONE = "new", "gone"


def category_moves(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Count the customers of each pair of categories.

    Parameters
    ----------
    before, now : pandas.DataFrame
        Probabilities at the two dates under one model, each p_detractor, p_passive and p_promoter, indexed by
        customer_id; null where nothing is predicted.

    Returns
    -------
    pandas.DataFrame
        Rows (``before``): detractor, passive, promoter, new (no customer then). Columns (``now``): detractor, passive,
        promoter, gone (no customer now, as where purchases were taken back). Whole numbers; all of them sum to the
        customers of either date. Customers of whom nothing is predicted at a date they were seen at are left out.

    Raises
    ------
    ValueError
        If a customer is repeated, a column is missing, or probabilities do not sum to 1.
    """
    was, is_now = _classes(before), _classes(now)
    # Where today's customers stood before, -1 for the new; a class of -1 is not known.
    place = before.index.get_indexer(now.index)
    came_from = np.where(place < 0, 3, was[place]) if len(before) else np.full(len(now), 3)
    known = (came_from >= 0) & (is_now >= 0)
    counts = np.zeros((4, 4), dtype=np.int64)
    counts[:, :3] = np.bincount(3 * came_from[known] + is_now[known], minlength=12).reshape(4, 3)
    left = np.ones(len(before), dtype=bool)
    left[place[place >= 0]] = False
    counts[:3, 3] = np.bincount(was[left & (was >= 0)], minlength=3)
    index, columns = pd.Index([*CATEGORIES, NEW], name="before"), pd.Index([*CATEGORIES, GONE], name="now")
    return pd.DataFrame(counts, index=index, columns=columns)


def expected_categories(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Sum the probabilities of each class at both dates.

    Parameters
    ----------
    before, now : pandas.DataFrame
        As for `category_moves`.

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


def _checked(probabilities: pd.DataFrame) -> Array:
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
