"""Sums by customer over a base and a few rows of customers beside it."""

import numpy as np
import pandas as pd
import pyarrow as pa

from models.stats.typing import Floats, Strings


def added_by_customer(base: Strings, of_base: Floats, others: Strings, of_others: Floats) -> pd.Series:
    """Add up what a base and other rows hold of each customer.

    Parameters
    ----------
    base, of_base
        (M,) ids, and a number of each.
    others, of_others
        (N,) ids, some of them several times, and a number of each.

    Returns
    -------
    pandas.Series
        By customer_id, ascending. As a rule a base is in the order of its ids, each there once: then only the few rows
        of the others are grouped, and those of them that are not in the base find their place in it: half of the time
        that grouping all ids of a million customers takes.
    """
    if not len(base) or not (base[1:] > base[:-1]).all():
        both = pd.concat([pd.Series(of_base, index=base), pd.Series(of_others, index=others)])
        return both.groupby(level=0).sum().rename_axis("customer_id")
    names = np.unique(others)
    place = np.searchsorted(base, names)
    is_known = base[np.minimum(place, len(base) - 1)] == names
    # As wide as the longest of both: a text that is put among shorter ones would be cut.
    ids = np.insert(base.astype(np.result_type(base, names)), place[~is_known], names[~is_known])
    sums = np.insert(of_base, place[~is_known], 0.0)
    row = np.searchsorted(ids, names)
    parts = pd.Series(np.append(sums[row], of_others))
    sums[row] = parts.groupby(np.append(np.arange(len(row)), np.searchsorted(names, others))).sum()
    # Arrow takes the texts as they lie; pandas would make an object of each.
    texts = pd.StringDtype(na_value=np.nan).__from_arrow__(pa.array(ids))  # type: ignore[attr-defined]
    return pd.Series(sums, index=pd.Index(texts, name="customer_id"))
