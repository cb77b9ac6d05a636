"""One row of features per customer and as_of: the one function for training and for scoring."""

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from functools import partial

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.attributes import attribute_features
from features.behaviour import category_features, line_features, order_features, purchase_features
from features.catalogue import catalogue_of, feature_names
from features.definition import CATEGORY, CHANNEL, LEVEL, NUMBER, Feature
from features.engine.compiled import Query, Rows, compiled, is_compilable
from features.engine.few import of_few
from features.engine.parts import Parts, by_customers, edges_of_parts, is_scattered, put_apart
from features.engine.stored import StoredTable, to_frame
from features.events import event_features
from features.returns.kept import everyone_matched, everyone_read, pairs_read, tables_to_read, with_matching
from features.spine import Spine, left_joined, pairs
from features.standing import standing_features
from features.tables import Tables, give_memory_back
from features.vocabulary import Vocabulary

__all__ = ["describe", "describe_everyone", "feature_names", "materialise"]

# Computes features of one part; None where the table that they need is not given.
Part = Callable[[Tables, Spine, Vocabulary, Sequence[Feature]], ir.Table | Sequence[ir.Table] | None]
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
# What is read beside transactions where no store is judged by answers.
_OTHER_TABLES = ("events", "customers")
_LARGEST = ("transactions", "events")
_PAIR = ["customer_id", "as_of"]
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
        One row per pair with a visible purchase: customer_id, as_of, those of `summarise_purchases`, then those
        of `feature_names` that are not among them, all DOUBLE, null where undefined. Ages count to the last day seen,
        as_of - 1 day; windows reach back from as_of.

    Raises
    ------
    RuntimeError
        If an entry of the catalogue has no expression, or an expression no entry.
    """
    catalogue = catalogue_of(vocabulary)
    by_part: dict[str, list[Feature]] = {}
    for feature in catalogue.values():
        by_part.setdefault(feature.entry.part, []).append(feature)
    described = purchase_features(tables.transactions, spine, vocabulary.purchase_columns)
    rhythm = [name for name in described.columns if name not in SUMMARY]
    _check_part("summary", by_part.pop("summary", []), SUMMARY, SUMMARY)
    _check_part("rhythm", by_part.pop("rhythm", []), rhythm, _PAIR)
    for name, part in PARTS.items():
        features = by_part.pop(name, [])
        found = part(tables, spine, vocabulary, features) if features else None
        beside = [found] if isinstance(found, ir.Table) else found or []
        if beside:
            _check_part(name, features, [column for table in beside for column in table.columns], spine.keys)
        for table in beside:
            described = left_joined(described, table, spine.keys)
    for name, features in by_part.items():
        _check_part(name, features, (), ())
    columns = {}
    for name, feature in catalogue.items():
        column = described[name] if name in described.columns else ibis.null("float64")
        # A customer without any event has none of each kind: that is known, unlike the value of the last one.
        is_count = feature.entry.zero_without_rows and name in described.columns
        if name not in SUMMARY:
            columns[name] = column.fill_null(0.0) if is_count else column
    return described.select("customer_id", "as_of", *SUMMARY, **columns)


def _lines(tables: Tables, spine: Spine, vocabulary: Vocabulary, features: Sequence[Feature]) -> ir.Table:
    channels = {feature.name: feature.value for feature in features if feature.entry.family == CHANNEL}
    return line_features(tables.transactions, spine, vocabulary.purchase_columns, channels)


def _orders(tables: Tables, spine: Spine, vocabulary: Vocabulary, _: Sequence[Feature]) -> ir.Table:
    return order_features(tables.transactions, spine, vocabulary.purchase_columns)


def _categories(tables: Tables, spine: Spine, _: Vocabulary, features: Sequence[Feature]) -> ir.Table:
    categories = {feature.name: feature.value for feature in features if feature.entry.family == CATEGORY}
    return category_features(tables.transactions, spine, categories)


def _stores(tables: Tables, spine: Spine, vocabulary: Vocabulary, _: Sequence[Feature]) -> ir.Table | None:
    if tables.answers is None or vocabulary.question is None:
        return None
    return standing_features(tables, tables.answers, spine, vocabulary.question)


def _events(tables: Tables, spine: Spine, _: Vocabulary, features: Sequence[Feature]) -> list[ir.Table]:
    return [] if tables.events is None else event_features(tables.events, spine, features)


def _attributes(tables: Tables, spine: Spine, _: Vocabulary, features: Sequence[Feature]) -> ir.Table | None:
    if tables.customers is None:
        return None
    numeric = {feature.name: feature.value for feature in features if feature.entry.family == NUMBER}
    levels = {feature.name: (feature.value, feature.level) for feature in features if feature.entry.family == LEVEL}
    return attribute_features(tables.customers, spine, numeric, levels)


# By the part of an entry, in the order in which they are joined.
PARTS: Mapping[str, Part] = {
    "lines": _lines,
    "orders": _orders,
    "categories": _categories,
    "stores": _stores,
    "events": _events,
    "attributes": _attributes,
}


def _check_part(part: str, features: Sequence[Feature], columns: Sequence[str], others: Sequence[str]) -> None:
    """Check that each entry has its expression and each expression its entry: code, not input, must be mended."""
    names = [feature.name for feature in features]
    missing = [name for name in names if name not in columns]
    if missing:
        raise RuntimeError(f"features.describe, part {part}: no expression computes {', '.join(missing)}")
    unnamed = [name for name in columns if name not in names and name not in others]
    if unnamed:
        raise RuntimeError(f"features.describe, part {part}: no entry of the catalogue is for {', '.join(unnamed)}")


def everyone_described(tables: Tables, as_of: date, vocabulary: Vocabulary) -> StoredTable:
    """Describe everyone with a purchase before a date: once a run, into a file of the workspace of the tables.

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
    StoredTable
        What `describe` says of `everyone`, sorted by customer_id.
    """
    names_from = json.dumps(vocabulary.to_dict())

    def rows() -> Rows | Parts:
        spine = everyone_matched(tables, as_of)
        if vocabulary.question is not None:
            # Stores are judged at many dates, whose returns are matched on the way, and by all customers.
            return in_order(describe(tables, spine, vocabulary))
        in_parts = _in_parts(tables, _to_read(tables, spine))
        parts = [compiled(_everyone, part, [as_of], [names_from]) for part in in_parts]
        return parts[0] if len(parts) == 1 else Parts([part for part in parts if isinstance(part, Query)])

    before = tables.workspace.before
    key = ("everyone", as_of, names_from)
    if before is None or before.as_of != as_of:
        return tables.workspace.table(key, rows)
    return tables.workspace.table(key, lambda: before.of(tables.transactions.get_backend(), names_from, rows))


def _in_parts(tables: Tables, read: Mapping[str, ir.Table]) -> list[Mapping[str, ir.Table]]:
    """Cut what a compiled query reads by customers; what lies scattered over a file is put apart, once a run."""
    workspace, large = tables.workspace, {name: read[name] for name in _LARGEST if name in read}
    if not is_compilable(read):
        return [read]
    edges = workspace.once("edges of parts", lambda: edges_of_parts(list(large.values())))
    if not edges:
        return [read]

    put: dict[str, list[ir.Table]] = {}
    for name, table in large.items():
        if workspace.once(("scattered", name), partial(is_scattered, table, edges)):
            place = workspace.folder / f"parts_{name}"
            put[name] = workspace.once(("parts", name), partial(put_apart, table, edges, place))
    return by_customers(read, edges, put)


def described_beside(tables: Tables, rows: ir.Table, vocabulary: Vocabulary) -> pd.DataFrame:
    """Return rows of customers, such as their answers, beside their features as of the date of each row.

    Parameters
    ----------
    tables
        Clean tables.
    rows
        customer_id, as_of and other columns; those whose customer has no purchase then are left out.
    vocabulary
        As for `describe`.

    Returns
    -------
    DataFrame
        As `materialise` gives the rows joined with what `describe` says of their pairs.
    """
    if vocabulary.question is not None:
        described = describe(tables, with_matching(tables, pairs(rows)), vocabulary)
        return materialise(rows.inner_join(described, _PAIR))
    kept = rows.cache()
    with of_few({"transactions": tables.transactions, **_others(tables)}, kept) as their:
        own = Tables(**their)
        # Of other columns of the rows nothing is asked, so that the text serves all rows of such pairs.
        read = {**_to_read(own, with_matching(own, pairs(kept))), "rows": kept.select(*_PAIR)}
        described = compiled(_of_pairs, read, (), [json.dumps(vocabulary.to_dict())])
        if isinstance(described, Query):
            return materialised(described.beside(kept, _PAIR, _order_of(kept.columns)))
        return materialise(kept.inner_join(described, _PAIR))


def _to_read(tables: Tables, spine: Spine) -> dict[str, ir.Table]:
    return tables_to_read(tables.transactions, spine) | _others(tables)


def _others(tables: Tables) -> dict[str, ir.Table]:
    return {name: getattr(tables, name) for name in _OTHER_TABLES if getattr(tables, name) is not None}


def _everyone(tables: Mapping[str, ir.Table], as_of: date, names_from: str) -> ir.Table:
    return in_order(_described(tables, everyone_read(tables, as_of), names_from))


def _of_pairs(tables: Mapping[str, ir.Table], names_from: str) -> ir.Table:
    return _described(tables, pairs_read(tables, tables["rows"]), names_from)


def _described(tables: Mapping[str, ir.Table], spine: Spine, names_from: str) -> ir.Table:
    others = {name: tables.get(name) for name in _OTHER_TABLES}
    return describe(Tables(tables["transactions"], **others), spine, Vocabulary.from_dict(json.loads(names_from)))


def describe_everyone(tables: Tables, as_of: date, vocabulary: Vocabulary) -> pd.DataFrame:
    """Return everyone as `everyone_described` has them, whole in memory: a copy of its own at each call."""
    return everyone_described(tables, as_of, vocabulary).frame()


def materialise(table: ir.Table) -> pd.DataFrame:
    """Run an expression and give its rows in a fixed order.

    Parameters
    ----------
    table
        Sorted by customer_id and as_of, then by date, answered_at, score and invited_at, those that it has; a table
        that has none of them, such as sufficient statistics, keeps its own order.

    Returns
    -------
    DataFrame
        Doubles as float64 (NaN for null), dates and times as datetime64[us], text as str, a fresh index.
    """
    return materialised(in_order(table))


def materialised(rows: Rows) -> pd.DataFrame:
    """Run what has an order already, and give its rows as `materialise` does."""
    frame = to_frame(rows.to_pyarrow())
    give_memory_back(rows)
    return frame


def in_order(table: ir.Table) -> ir.Table:
    """Sort rows as `materialise` gives them."""
    order = _order_of(table.columns)
    return table.order_by(order) if order else table


def _order_of(columns: Collection[str]) -> list[str]:
    return [name for name in _ORDER if name in columns]
