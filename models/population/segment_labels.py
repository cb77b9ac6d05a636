"""Which segment each customer is in: by recency, frequency and value, and by any attribute that is named."""

from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches

import numpy as np
import pandas as pd

from data.errors import InputError
from features.attributes import valid_attributes
from features.describe import describe_everyone, materialise
from features.purchases import purchase_summary
from features.spine import everyone
from features.tables import Tables
from models.release.release import Release
from models.segments.personas.model import assign_personas
from models.segments.rfm import Rfm, Segments, rfm_cuts

RFM = "RFM segment"
PERSONA = "persona"
# Columns of customers that tell its rows apart.
ROW_KEYS = ("customer_id", "valid_from")
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
        Its RFM cut points and names, and its personas, are used.
    attributes : sequence of str
        Columns of customers to segment by as well: the `MOST_SEGMENTS` most frequent texts and the others, numbers as
        they are or, where there are more than `MOST_LEVELS`, in fifths. They are never features for being named here.

    Returns
    -------
    Mapping of str to pandas.Series
        By `RFM`, `PERSONA` where there are personas, and each attribute: the segment of everyone with a purchase before
        ``as_of``, by customer_id.

    Raises
    ------
    InputError
        Where an attribute is no column of customers.
    """
    labels = {RFM: segment_of(tables, as_of, release, RFM)}
    if has_personas(release):
        labels[PERSONA] = segment_of(tables, as_of, release, PERSONA)
    return labels | {name: segment_of(tables, as_of, release, name) for name in attributes}


def segment_of(tables: Tables, as_of: date, release: Release | Rfm, name: str) -> pd.Series:
    """Name each customer's segment as of a date by one segmentation.

    Parameters
    ----------
    tables, as_of
        As for `segment_labels`.
    release : Release or Rfm
        The release whose segmentations hold, or RFM alone.
    name : str
        rfm (or `RFM`), persona, or a column of customers.

    Returns
    -------
    pandas.Series
        The segment of everyone with a purchase before ``as_of``, by customer_id; named as the segmentation is shown.

    Raises
    ------
    InputError
        Where there is no such segmentation.
    """
    spine = everyone(tables.transactions, as_of)
    personas = release.parameters.personas if isinstance(release, Release) and has_personas(release) else None
    if name == PERSONA and isinstance(release, Release) and personas is not None:
        described = describe_everyone(tables, as_of, release.vocabulary)
        found = assign_personas(personas, described)
        return pd.Series(found, index=described["customer_id"], name=PERSONA)
    summary = materialise(purchase_summary(tables, as_of)).set_index("customer_id")
    if name in (RFM, "rfm"):
        rfm = release.rfm if isinstance(release, Release) else release
        return rfm.scores(summary)["segment"].rename(RFM)
    check_attributes(tables, [name])
    assert tables.customers is not None
    valid = materialise(valid_attributes(tables.customers, spine, [name])).set_index("customer_id")[name]
    if tables.customers[name].type().is_decimal():
        valid = valid.astype(float)
    return _levels(valid.reindex(summary.index)).rename(name)


def todays_rfm(tables: Tables, as_of: date, segments: Segments) -> Rfm:
    """Find RFM cut points of today's base, where there is no release yet to hold them.

    Parameters
    ----------
    tables, as_of
        As for `segment_labels`.
    segments : Mapping
        Names of segments, as `models.segments.rfm.SEGMENTS`.
    """
    return Rfm(rfm_cuts(purchase_summary(tables, as_of)), segments)


def has_personas(release: Release) -> bool:
    """Whether a release tells personas apart."""
    personas = release.parameters.personas
    return personas is not None and len(personas.names) > 1


def check_attributes(tables: Tables, attributes: Sequence[str]) -> None:
    """Refuse attributes to segment by that are no columns of customers.

    Raises
    ------
    InputError
        Naming them and the columns there are.
    """
    columns = [] if tables.customers is None else tables.customers.columns
    known = [str(name) for name in columns if name not in ROW_KEYS]
    missing = [name for name in attributes if name not in known]
    if missing:
        near = get_close_matches(missing[0], known, n=1)
        has = f"it has {', '.join(known)}" if known else "no customers were given (--customers)"
        raise InputError(
            f"{', '.join(missing)}: no column of customers to segment by; {has}. Beside these there are rfm and, where "
            f"a retraining found some, persona.{f' Nearest: {near[0]}.' if near else ''}"
        )


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
