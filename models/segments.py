"""Which segment each customer is in: by recency, frequency and value, and by any attribute that is named."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pandas as pd

from data.errors import InputError
from features.attributes import valid_attributes
from features.describe import materialise
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import Tables
from models.release import Release

RFM = "RFM segment"
NOT_KNOWN = "not known"
# An attribute of numbers with more values than this is cut into fifths.
MOST_LEVELS = 12
# Of text only the most frequent levels are segments; an attribute with more is a name, a postcode or an id.
MOST_SEGMENTS = 50
OTHERS = "others"


def segment_labels(
    tables: Tables, as_of: date, release: Release, attributes: Sequence[str] = ()
) -> Mapping[str, pd.Series]:
    """Name each customer's segment as of a date, by every segmentation.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.
    release : Release
        Its RFM cut points are used.
    attributes : sequence of str
        Columns of customers to segment by as well: the `MOST_SEGMENTS` most frequent texts and the others, numbers as
        they are or, where there are more than `MOST_LEVELS`, in fifths. They are never features for being named here.

    Returns
    -------
    Mapping of str to pandas.Series
        By `RFM` and each attribute: the segment of everyone with a purchase before ``as_of``, by customer_id.

    Raises
    ------
    InputError
        Where an attribute is no column of customers.
    """
    spine = everyone(tables.transactions, as_of)
    summary = materialise(summarise_purchases(tables.transactions, spine)).set_index("customer_id")
    labels = {RFM: release.rfm_scores(summary)["segment"]}
    if not attributes:
        return labels
    check_attributes(tables, attributes)
    valid = materialise(valid_attributes(tables.customers, spine, attributes)).set_index("customer_id")
    for name in attributes:
        labels[name] = _levels(valid[name].reindex(summary.index))
    return labels


def check_attributes(tables: Tables, attributes: Sequence[str]) -> None:
    """Refuse attributes to segment by that are no columns of customers.

    Raises
    ------
    InputError
        Naming them and the columns there are.
    """
    known = [] if tables.customers is None else [str(name) for name in tables.customers.columns]
    missing = [name for name in attributes if name not in known]
    if missing:
        has = f"it has {', '.join(known)}" if known else "no customers were given (--customers)"
        raise InputError(f"segments names {', '.join(missing)}, which customers does not hold; {has}")


def _levels(values: pd.Series) -> pd.Series:
    """Turn an attribute into text, numbers with many values into fifths by quantiles that were observed."""
    known = values.notna()
    if pd.api.types.is_bool_dtype(values.dropna().infer_objects()):
        return values.map({True: "yes", False: "no"}).where(known, NOT_KNOWN).astype(object)
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS:
        cuts = np.unique(np.quantile(values[known], [0.2, 0.4, 0.6, 0.8], method="inverted_cdf"))
        low, high = np.r_[values.min(), cuts], np.r_[cuts, values.max()]
        names = np.array([f"{high[0]:g} or less", *(f"over {low[k]:g} to {high[k]:g}" for k in range(1, len(high)))])
        texts = pd.Series(names[np.searchsorted(cuts, values.fillna(cuts[0]), side="left")], index=values.index)
    elif pd.api.types.is_numeric_dtype(values):
        texts = values.map("{:g}".format)
    else:
        counts = values.value_counts()
        frequent = counts.rename_axis("level").reset_index().sort_values(["count", "level"], ascending=[False, True])
        texts = values.where(values.isin(frequent["level"].head(MOST_SEGMENTS)), OTHERS).astype(str)
    return texts.where(known, NOT_KNOWN).astype(object)
