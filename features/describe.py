"""One row of features per customer and as_of: the one function for training and for scoring."""

import json
from datetime import date

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.attributes import attribute_features
from features.behaviour import (
    category_features,
    line_features,
    order_features,
    rhythm_features,
)
from features.catalogue import (
    category_names,
    channel_names,
    feature_group,
    feature_names,
    kind_names,
    level_names,
    numeric_names,
)
from features.events import event_features
from features.purchases import summarise_purchases
from features.spine import Spine, everyone
from features.standing import standing_features
from features.tables import Tables
from features.vocabulary import Vocabulary

__all__ = ["describe", "describe_everyone", "feature_group", "feature_names", "materialise"]

SUMMARY = (
    "first_purchase",
    "last_purchase",
    "frequency",
    "recency",
    "T",
    "monetary_value",
    "spend_frequency",
    "spend_value",
    "total_value",
)
# Columns that order rows, as far as a table has them.
_ORDER = ("customer_id", "as_of", "date", "answered_at", "score", "invited_at")


def describe(tables: Tables, spine: Spine, vocabulary: Vocabulary) -> ir.Table:
    """Describe customers from what was available before as_of, and from nothing else.

    Parameters
    ----------
    tables
        Clean tables. Features of events, attributes or others' answers are null where the table is not given.
    spine
        Whom to describe, and as of when.
    vocabulary
        Which kinds, channels and levels become columns: that of the scorer, or a new one when training.

    Returns
    -------
    Table
        One row per pair with a visible purchase: customer_id, as_of, the columns of `summarise_purchases`, then those
        of `feature_names` that are not among them, all DOUBLE, null where undefined. Ages count to the last day seen,
        as_of - 1 day; windows reach back from as_of.
    """
    transactions = tables.transactions
    columns = vocabulary.purchase_columns
    parts = [
        line_features(transactions, spine, columns, channel_names(vocabulary)),
        rhythm_features(transactions, spine),
        order_features(transactions, spine, columns),
    ]
    if "category" in columns:
        parts.append(category_features(transactions, spine, category_names(vocabulary)))
    if tables.answers is not None and vocabulary.question is not None:
        parts.append(standing_features(transactions, tables.answers, spine, vocabulary.question))
    counts = set()
    if tables.events is not None and vocabulary.event_kinds:
        events = event_features(tables.events, spine, kind_names(vocabulary), vocabulary.event_kinds)
        counts = {name for name in events.columns if name.startswith(("events_", "overdue_", "days_overdue_"))}
        parts.append(events)
    numeric, levels = numeric_names(vocabulary), level_names(vocabulary)
    if tables.customers is not None and (numeric or levels):
        parts.append(attribute_features(tables.customers, spine, numeric, levels))

    described = summarise_purchases(transactions, spine)
    for part in parts:
        joined = described.left_join(part, spine.keys, rname="joined_{name}")
        described = joined.select(*(name for name in joined.columns if not name.startswith("joined_")))
    features = {}
    for name in feature_names(vocabulary):
        if name in SUMMARY:
            continue
        column = described[name] if name in described.columns else ibis.null("float64")
        # A customer without any event has none of each kind; that is known, unlike the value of the last one.
        features[name] = column.fill_null(0.0) if name in counts else column
    return described.select("customer_id", "as_of", *SUMMARY, **features)


def describe_everyone(tables: Tables, as_of: date, vocabulary: Vocabulary) -> pd.DataFrame:
    """Describe everyone with a purchase before a date: once a run, kept in the workspace of the tables.

    Parameters
    ----------
    tables
        Clean tables.
    as_of
        Exclusive.
    vocabulary
        As for `describe`.

    Returns
    -------
    DataFrame
        A copy of its own at each call, as `materialise` gives what `describe` says of `everyone`.
    """

    def compute() -> pa.Table:
        return _in_order(describe(tables, everyone(tables.transactions, as_of), vocabulary)).to_pyarrow()

    return _to_frame(tables.workspace.table(("everyone", as_of, json.dumps(vocabulary.to_dict())), compute))


def materialise(table: ir.Table) -> pd.DataFrame:
    """Run an expression and give its rows in a fixed order.

    Parameters
    ----------
    table
        Sorted by customer_id and as_of, then by date, answered_at, score and invited_at, those that it has; a table
        that has none of them, such as counted patterns, keeps its own order.

    Returns
    -------
    DataFrame
        Doubles as float64 (NaN for null), dates and times as datetime64[us], text as str, a fresh index.
    """
    return _to_frame(_in_order(table).to_pyarrow())


def _in_order(table: ir.Table) -> ir.Table:
    order = [name for name in _ORDER if name in table.columns]
    return table.order_by(order) if order else table


def _to_frame(rows: pa.Table) -> pd.DataFrame:
    frame: pd.DataFrame = rows.to_pandas(date_as_object=False)
    for field in rows.schema:
        if pa.types.is_date(field.type) or pa.types.is_timestamp(field.type):
            frame[field.name] = frame[field.name].astype("datetime64[us]")
        elif pa.types.is_string(field.type) or pa.types.is_large_string(field.type):
            frame[field.name] = frame[field.name].astype("str")
    return frame
