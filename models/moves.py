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

PROBABILITIES = ("p_detractor", "p_passive", "p_promoter")
NEW, GONE = "new", "gone"


def nps_categories(probabilities: pd.DataFrame) -> pd.Series:
    """Name the median class of each customer.

    Parameters
    ----------
    probabilities : pandas.DataFrame
        p_detractor, p_passive and p_promoter, indexed by customer_id; null for all where nothing is known.

    Returns
    -------
    pandas.Series
        detractor, passive, promoter, or null; named nps_category, same index.
    """
    p = _checked(probabilities)
    named = np.array(CATEGORIES, dtype=object)[median_category(p)]
    named[np.isnan(p).any(axis=1)] = None
    return pd.Series(named, index=probabilities.index, name="nps_category", dtype=object)


def category_before(before: pd.DataFrame, customer_id: pd.Series) -> pd.Series:
    """Give each customer the category of the earlier date, under the same model as today's.

    Parameters
    ----------
    before : pandas.DataFrame
        Probabilities at the earlier date, as for `nps_categories`.
    customer_id : pandas.Series
        Today's customers.

    Returns
    -------
    pandas.Series
        Same index as `customer_id`; null for who was no customer then.
    """
    found = customer_id.map(nps_categories(before)).astype(object)
    return found.where(found.notna(), None).rename("nps_category_before")


def category_moves(before: pd.DataFrame, now: pd.DataFrame) -> pd.DataFrame:
    """Count the customers of each pair of categories.

    Parameters
    ----------
    before, now : pandas.DataFrame
        Probabilities at the two dates under one model, each as for `nps_categories`.

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
    both = pd.concat([nps_categories(before), nps_categories(now)], axis=1, keys=["before", "now"], join="outer")
    unknown = [both.index.isin(frame.index) & both[name].isna() for name, frame in (("before", before), ("now", now))]
    known = both[~np.logical_or(*unknown)]
    counts = pd.crosstab(known["before"].fillna(NEW), known["now"].fillna(GONE))
    return counts.reindex(index=[*CATEGORIES, NEW], columns=[*CATEGORIES, GONE], fill_value=0).rename_axis(
        index="before", columns="now"
    )


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
    then, today = (_known(frame) for frame in (before, now))
    sums = {
        "before": then.sum(),
        "stayed": then[then.index.isin(today.index)].sum(),
        "kept": today[today.index.isin(then.index)].sum(),
        "new": today[~today.index.isin(then.index)].sum(),
    }
    found = pd.DataFrame(sums).set_axis(list(CATEGORIES))
    found["moved"] = found["kept"] - found["stayed"]
    found["now"] = found["kept"] + found["new"]
    return found[["before", "stayed", "moved", "new", "now"]].rename_axis("category")


def _known(probabilities: pd.DataFrame) -> pd.DataFrame:
    _checked(probabilities)
    return probabilities[list(PROBABILITIES)].astype(float).dropna()


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
