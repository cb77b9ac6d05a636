"""Which segment each customer is in: by RFM, by persona, or by any attribute of customers."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

import numpy as np
import pandas as pd

from data.errors import InputError
from data.secrecy.showing import name_or_kind, nearest
from features.attributes import valid_attributes
from features.describe import everyone_described, materialise
from features.purchases import purchase_summary
from features.spine import everyone
from features.tables import Tables
from features.vocabulary import Vocabulary
from models.release.release import Release
from models.segments.personas.model import Personas, places_of
from models.segments.rfm import MEASURES, Rfm, rfm_cuts
from models.segments.segment_names import PERSONA, Segments
from models.stats.typing import Floats, Integers, Texts

RFM = "RFM segment"
# Columns of customers that identify its rows.
ROW_KEYS = ("customer_id", "valid_from")
NOT_KNOWN = "not known"
# A numeric attribute with more values than this is divided into fifths.
MOST_LEVELS = 12
# Of texts only the most frequent levels are segments: an attribute with more is a name, a postcode or an id.
MOST_SEGMENTS = 50
OTHERS = "others"


@dataclass(frozen=True)
class Segmentations:
    """The segmentations of a base by behaviour, each of which names the segment of every customer.

    Attributes
    ----------
    rfm : Rfm
        By recency, frequency and monetary value.
    personas : Personas or None
        None if there is no release, or its personas are not told apart.
    vocabulary : Vocabulary
        The release's; it names the features that place a customer in a persona.
    """

    rfm: Rfm
    personas: Personas | None = None
    vocabulary: Vocabulary = field(default_factory=Vocabulary)


def segmentations_of(release: Release) -> Segmentations:
    """Return the segmentations of a release."""
    personas = release.parameters.personas if has_personas(release) else None
    return Segmentations(release.rfm, personas, release.vocabulary)


def todays_segmentations(tables: Tables, as_of: date, segments: Segments) -> Segmentations:
    """Return RFM with the cut points of the base at a date, for use before there is a release.

    Parameters
    ----------
    tables, as_of
        As for `segment_labels`.
    segments : Mapping
        Names of segments, as `models.segments.segment_names.SEGMENTS`.
    """
    return Segmentations(Rfm(rfm_cuts(purchase_summary(tables, as_of)), segments))


def segment_labels(
    tables: Tables, as_of: date, release: Release, attributes: Sequence[str] = ()
) -> Iterator[tuple[str, pd.Series]]:
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
        Columns of customers to segment by as well. Of texts the `MOST_SEGMENTS` most frequent are segments, and the
        others are one. Numbers are taken as they are or, if there are more than `MOST_LEVELS`, in fifths. An attribute
        named here does not become a feature.

    Yields
    ------
    tuple of str and pandas.Series
        `RFM`, `PERSONA` if there are personas, and each attribute, one after another, as the labels of a large base
        take much memory: its name, and the segment of everyone with a purchase before ``as_of``, by customer_id.

    Raises
    ------
    InputError
        If an attribute is no column of customers.
    """
    segmentations = segmentations_of(release)
    names = [RFM, *([PERSONA] if segmentations.personas else []), *attributes]
    return ((name, segment_of(tables, as_of, segmentations, name)) for name in names)


def segment_of(tables: Tables, as_of: date, segmentations: Segmentations, name: str) -> pd.Series:
    """Name each customer's segment as of a date by one segmentation.

    Parameters
    ----------
    tables, as_of
        As for `segment_labels`.
    segmentations : Segmentations
        Those by behaviour.
    name : str
        rfm (or `RFM`), persona, or a column of customers.

    Returns
    -------
    pandas.Series
        The segment of everyone with a purchase before ``as_of`` (by a column of customers: with a transaction), by
        customer_id; its name is the title for people.

    Raises
    ------
    InputError
        If there is no such segmentation.
    """
    if name == PERSONA and segmentations.personas is not None:
        personas, vocabulary = segmentations.personas, segmentations.vocabulary
        names: Texts = np.array(personas.names, dtype=object)
        who = everyone_described(tables, as_of, vocabulary)["customer_id"]
        place = places_of_everyone(tables, as_of, vocabulary, personas)
        return pd.Series(names[place], index=pd.Index(who), name=PERSONA)
    if name in (RFM, "rfm"):
        measures = purchase_summary(tables, as_of).select("customer_id", *MEASURES)
        return segmentations.rfm.segments_of(materialise(measures).set_index("customer_id")).rename(RFM)
    check_attributes(tables, [name])
    assert tables.customers is not None
    # Whoever gave everything back is no customer of the base, but has attributes, answers and events.
    spine = everyone(tables.transactions, as_of)
    customer = materialise(spine.table)["customer_id"]
    valid = materialise(valid_attributes(tables.customers, spine, [name])).set_index("customer_id")[name]
    if tables.customers[name].type().is_decimal():
        valid = valid.astype(float)
    return _levels(valid.reindex(customer)).rename(name)


def places_of_everyone(tables: Tables, as_of: date, vocabulary: Vocabulary, personas: Personas) -> Integers:
    """Give the place of everyone's persona among the names as of a date, (M,), once a run.

    Parameters
    ----------
    tables, as_of, vocabulary
        As for `features.describe.everyone_described`, in whose rows they are.
    personas : Personas
        The fitted personas.
    """

    def placed() -> Integers:
        described = everyone_described(tables, as_of, vocabulary)
        columns = ["customer_id", *(name for name in personas.space.features if name in described.columns)]
        # There are a few personas: a byte a customer.
        return np.concatenate([places_of(personas, batch).astype(np.int8) for batch in described.batches(columns)])

    key = ("personas", as_of, json.dumps(vocabulary.to_dict()), json.dumps(personas.to_dict()))
    return tables.workspace.once(key, placed)


def has_personas(release: Release) -> bool:
    """Whether a release tells personas apart."""
    personas = release.parameters.personas
    return personas is not None and len(personas.names) > 1


def check_attributes(tables: Tables, attributes: Sequence[str]) -> None:
    """Check that the attributes to segment by are columns of customers.

    Raises
    ------
    InputError
        If one is not; the message names it and the columns there are.
    """
    columns = [] if tables.customers is None else tables.customers.columns
    attribute_columns = [str(name) for name in columns if name not in ROW_KEYS]
    missing = [name for name in attributes if name not in attribute_columns]
    if missing:
        has = f"it has {', '.join(attribute_columns)}" if attribute_columns else "no customers were given (--customers)"
        shown = name_or_kind(missing[0], (PERSONA, *ROW_KEYS))
        raise InputError(
            f"{shown}: no column of customers to segment by; {has}. There is also rfm and, if "
            f"a retraining found personas, persona.{nearest(missing[0], attribute_columns)}"
        )


def _levels(values: pd.Series) -> pd.Series:
    """Turn an attribute into text; numbers with many values become fifths between observed quantiles."""
    has_value = values.notna()
    if pd.api.types.is_bool_dtype(values.dropna().infer_objects()):
        return values.map({True: "yes", False: "no"}).where(has_value, NOT_KNOWN).astype(object)
    if pd.api.types.is_numeric_dtype(values) and values.nunique() > MOST_LEVELS:
        cut_points = np.unique(np.quantile(values[has_value], [0.2, 0.4, 0.6, 0.8], method="inverted_cdf"))
        names = np.array(names_of_fifths(values.min(), cut_points, values.max()))
        texts = pd.Series(
            names[np.searchsorted(cut_points, values.fillna(cut_points[0]), side="left")], index=values.index
        )
    elif pd.api.types.is_numeric_dtype(values):
        texts = values.map("{:g}".format)
    else:
        counts = values.value_counts()
        frequent = counts.rename_axis("level").reset_index().sort_values(["count", "level"], ascending=[False, True])
        texts = values.where(values.isin(frequent["level"].head(MOST_SEGMENTS)), OTHERS).astype(str)
    return texts.where(has_value, NOT_KNOWN).astype(object)


def names_of_fifths(lowest: float, cut_points: Floats, highest: float) -> list[str]:
    """Name the parts of a numeric attribute that its cut points make, of which there is one more."""
    low, high = np.r_[lowest, cut_points], np.r_[cut_points, highest]
    return [f"{high[0]:g} or less", *(f"over {low[k]:g} to {high[k]:g}" for k in range(1, len(high)))]
