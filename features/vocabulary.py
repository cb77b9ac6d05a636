"""Which kinds, channels and levels become columns: learned once, kept with the scorer."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from typing import Any

import ibis
import ibis.expr.types as ir

from data.errors import InputError
from features.attributes import valid_attributes
from features.events import completing_kinds
from features.spine import everyone, midnight
from features.tables import Tables

MAX_KINDS = 20
MAX_CHANNELS = 8
MAX_LEVELS = 10
MAX_CATEGORIES = 10
# Optional columns of a table that make features only where a shop fills them.
TRANSACTION_EXTRAS = ("order_id", "category", "channel", "store", "quantity", "discount", "cost")
EVENT_EXTRAS = ("value", "duration_s", "due_at")


@dataclass(frozen=True)
class Vocabulary:
    """What a shop's data hold that makes features. It decides their columns, and is made of text only.

    Parameters
    ----------
    purchase_columns
        Those of order_id, category, channel, store, quantity, discount and cost that transactions fill.
    channels, categories
        The most frequent, by name.
    event_kinds
        For each of the most frequent kinds of event, by name: those of value, duration_s, due_at and overdue that its
        features draw on. `overdue` is there where due_at promises something, not where it only completes a promise.
    numeric_attributes
        Static attributes that are numbers.
    text_attributes
        For each static attribute that is text, its most frequent levels, by name.
    question
        The question most often answered, where sales have a store: its answers judge the stores.
    """

    purchase_columns: tuple[str, ...] = ()
    channels: tuple[str, ...] = ()
    event_kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    numeric_attributes: tuple[str, ...] = ()
    text_attributes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    categories: tuple[str, ...] = ()
    question: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Give the vocabulary as JSON can hold it; the order of kinds, channels and levels is kept."""
        parts = asdict(self)
        # JSON objects keep their order here, but not in every store: pairs do.
        for name in ("event_kinds", "text_attributes"):
            parts[name] = [[key, list(values)] for key, values in parts[name].items()]
        return {name: list(value) if name != "question" else value for name, value in parts.items()}

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any]) -> "Vocabulary":
        """Read what `to_dict` gave."""
        return cls(
            purchase_columns=tuple(parts["purchase_columns"]),
            channels=tuple(parts["channels"]),
            event_kinds={kind: tuple(extras) for kind, extras in parts["event_kinds"]},
            numeric_attributes=tuple(parts["numeric_attributes"]),
            text_attributes={name: tuple(levels) for name, levels in parts["text_attributes"]},
            # A scorer of an earlier version has neither.
            categories=tuple(parts.get("categories", ())),
            question=parts.get("question"),
        )


def learn_vocabulary(tables: Tables, as_of: date, static_attributes: Sequence[str] = ()) -> Vocabulary:
    """Learn the vocabulary from the rows visible before as_of only.

    Parameters
    ----------
    tables
        Clean tables.
    as_of
        Exclusive.
    static_attributes
        Columns of customers that do not change, or that have valid_from; only these become features.

    Raises
    ------
    InputError
        If a static attribute is not a column of customers.
    """
    spine = everyone(tables.transactions, as_of)
    transactions = spine.visible(tables.transactions)
    filled = _filled(transactions, TRANSACTION_EXTRAS)
    event_kinds: dict[str, tuple[str, ...]] = {}
    if tables.events is not None:
        event_kinds = _kinds(spine.visible(tables.events))
    question = None
    if tables.answers is not None and "store" in filled:
        is_visible = tables.answers.score.notnull() & (tables.answers.answered_at < midnight(as_of))
        question = next(iter(_most_frequent(tables.answers.filter(is_visible), "question", 1)), None)
    numeric: list[str] = []
    levels: dict[str, tuple[str, ...]] = {}
    if static_attributes:
        customers = _customers_with(tables.customers, static_attributes)
        valid = valid_attributes(customers, spine, static_attributes)
        for name in dict.fromkeys(static_attributes):
            if customers[name].type().is_numeric():
                numeric.append(name)
            else:
                levels[name] = _most_frequent(valid, name, MAX_LEVELS)
    return Vocabulary(
        purchase_columns=filled,
        channels=_most_frequent(transactions, "channel", MAX_CHANNELS),
        event_kinds=event_kinds,
        numeric_attributes=tuple(numeric),
        text_attributes=levels,
        categories=_most_frequent(transactions.filter(transactions.amount >= 0), "category", MAX_CATEGORIES),
        question=question,
    )


def _most_frequent(rows: ir.Table, column: str, at_most: int) -> tuple[str, ...]:
    """Give the most frequent values by name: their order is that of every date at which they are the same."""
    counts = rows.filter(rows[column].notnull()).group_by(column).agg(n=lambda group: group.count())
    top = counts.order_by([ibis.desc("n"), column]).limit(at_most)
    return tuple(sorted(top.to_pyarrow().column(column).to_pylist()))


def _kinds(events: ir.Table) -> dict[str, tuple[str, ...]]:
    """Give the most frequent kinds with the optional columns that each fills."""
    extras = {name: events[name].count() for name in EVENT_EXTRAS}
    counts = events.group_by("kind").agg(n=events.count(), **extras)
    top = counts.order_by([ibis.desc("n"), "kind"]).limit(MAX_KINDS).order_by("kind").to_pyarrow().to_pylist()
    completing = completing_kinds(events, {row["kind"]: row["due_at"] for row in top if row["due_at"]})
    kinds = {}
    for row in top:
        filled = tuple(name for name in EVENT_EXTRAS if row[name])
        promises = "due_at" in filled and row["kind"] not in completing
        kinds[row["kind"]] = (*filled, "overdue") if promises else filled
    return kinds


def _filled(rows: ir.Table, columns: Sequence[str]) -> tuple[str, ...]:
    counts = rows.agg(**{name: rows[name].count() for name in columns}).to_pyarrow().to_pylist()[0]
    return tuple(name for name in columns if counts[name])


def _customers_with(customers: ir.Table | None, attributes: Sequence[str]) -> ir.Table:
    if customers is None:
        raise InputError(
            f"Static attributes are declared ({', '.join(attributes)}), but there is no table of customers. Give "
            "one, or leave the attributes out of the settings."
        )
    missing = [name for name in attributes if name not in customers.columns]
    if missing:
        raise InputError(
            f"customers has no column {', '.join(missing)}, which is declared a static attribute; it has "
            f"{', '.join(customers.columns)}. Mend the settings or the table."
        )
    return customers
