"""The contracts of the four tables that come in: their columns, what each holds, and how a file's header is matched."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Literal

from data.errors import InputError

Kind = Literal["id", "text", "time", "number", "score", "scale"]

NUMBER = "DECIMAL(18, 4)"
"""Money and every other number: 14 digits before the point and 4 after it, summed exactly."""

SCALES: Mapping[str, tuple[int, int]] = {
    "nps": (0, 10),
    "csat": (1, 5),
    "ces": (1, 7),
    "csi": (1, 5),
    "cli": (1, 6),
    "miss_us": (1, 10),
}
"""Lowest and highest answer of the questions that need no column scale, by name."""


@dataclass(frozen=True)
class Column:
    """One column of a contract, as it comes in."""

    name: str
    kind: Kind
    required: bool = False


@dataclass(frozen=True)
class Contract:
    """What one table must hold, and what its clean Parquet holds.

    Parameters
    ----------
    table
        Name of the table.
    columns
        The columns that are read.
    clean
        Name and SQL type of each column of the clean Parquet, in order.
    keeps_attributes
        Whether every other column of the source is kept as well.
    """

    table: str
    columns: tuple[Column, ...]
    clean: Mapping[str, str]
    keeps_attributes: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that are read."""
        return tuple(column.name for column in self.columns)

    @property
    def required(self) -> tuple[str, ...]:
        """Names of the columns that must be there."""
        return tuple(column.name for column in self.columns if column.required)


CONTRACTS: Mapping[str, Contract] = {
    "transactions": Contract(
        "transactions",
        (
            Column("customer_id", "id", required=True),
            Column("ts", "time", required=True),
            Column("amount", "number", required=True),
            Column("available_at", "time"),
            Column("order_id", "id"),
            Column("line_id", "id"),
            Column("category", "text"),
            Column("channel", "text"),
            Column("store", "text"),
            Column("quantity", "number"),
            Column("discount", "number"),
            Column("cost", "number"),
            Column("currency", "text"),
        ),
        {
            "customer_id": "VARCHAR",
            "ts": "TIMESTAMP",
            "available_at": "TIMESTAMP",
            "amount": NUMBER,
            "order_id": "VARCHAR",
            "line_id": "VARCHAR",
            "category": "VARCHAR",
            "channel": "VARCHAR",
            "store": "VARCHAR",
            "quantity": NUMBER,
            "discount": NUMBER,
            "cost": NUMBER,
        },
    ),
    "customers": Contract(
        "customers",
        (
            Column("customer_id", "id", required=True),
            Column("valid_from", "time"),
            Column("cost_to_serve", "number"),
        ),
        {"customer_id": "VARCHAR", "valid_from": "TIMESTAMP", "cost_to_serve": NUMBER},
        keeps_attributes=True,
    ),
    "answers": Contract(
        "answers",
        (
            Column("customer_id", "id", required=True),
            Column("answered_at", "time", required=True),
            Column("score", "score", required=True),
            Column("question", "text"),
            Column("invited_at", "time"),
            Column("scale", "scale"),
            Column("comment", "text"),
            Column("touchpoint", "text"),
            Column("attribute", "text"),
            Column("importance", "number"),
        ),
        {
            "customer_id": "VARCHAR",
            "question": "VARCHAR",
            "score": "INTEGER",
            "scale_low": "INTEGER",
            "scale_high": "INTEGER",
            "invited_at": "TIMESTAMP",
            "answered_at": "TIMESTAMP",
            "comment": "VARCHAR",
            "touchpoint": "VARCHAR",
            "attribute": "VARCHAR",
            "importance": NUMBER,
        },
    ),
    "events": Contract(
        "events",
        (
            Column("customer_id", "id", required=True),
            Column("ts", "time", required=True),
            Column("kind", "id", required=True),
            Column("available_at", "time"),
            Column("value", "number"),
            Column("due_at", "time"),
            Column("duration_s", "number"),
        ),
        {
            "customer_id": "VARCHAR",
            "ts": "TIMESTAMP",
            "available_at": "TIMESTAMP",
            "kind": "VARCHAR",
            "value": NUMBER,
            "due_at": "TIMESTAMP",
            "duration_s": NUMBER,
        },
    ),
}
"""The four tables, in the order of the intake: answers and events must be of customers in the first two."""


def check_mapping(contract: Contract, mapping: Mapping[str, str]) -> None:
    """Raise InputError where a mapping names a column that the contract does not have."""
    if contract.keeps_attributes:
        return
    for name in mapping:
        if name not in contract.names:
            raise InputError(
                f"columns.{contract.table}.{name} is set, but {contract.table} has no column {name!r}. "
                f"It has: {', '.join(contract.names)}.{_nearest(name, contract.names)}"
            )


def match_columns(contract: Contract, header: Sequence[str], mapping: Mapping[str, str], file: str) -> dict[str, int]:
    """Find the columns of a contract in the header of a file.

    Parameters
    ----------
    contract
        The table's contract.
    header
        Names of the file's columns, in its order.
    mapping
        Contract name -> name in the file, for those that differ.
    file
        What to call the file in a message.

    Returns
    -------
    dict
        Name in the clean table -> position in the header. Attributes of customers come last, in the
        header's order.

    Raises
    ------
    InputError
        A required or a mapped column is missing, or the header names it twice.
    """
    sources = {name: mapping.get(name, name) for name in contract.names}
    sources |= {name: source for name, source in mapping.items() if name not in sources}
    missing = [
        name
        for name, source in sources.items()
        if source not in header and (name in contract.required or name in mapping)
    ]
    if missing:
        raise InputError(_missing_message(contract, header, mapping, missing, file))
    matched = {name: source for name, source in sources.items() if source in header}
    if contract.keeps_attributes:
        used = set(matched.values())
        matched |= {name: name for name in header if name and name not in used and name.lower() not in contract.names}
        _check_attribute_names(matched, file)
    for source in matched.values():
        if header.count(source) > 1:
            raise InputError(f"{file} has {header.count(source)} columns named {source!r}; name each once.")
    return {name: header.index(source) for name, source in matched.items()}


def _check_attribute_names(matched: Mapping[str, str], file: str) -> None:
    by_lower_case: dict[str, str] = {}
    for name in matched:
        other = by_lower_case.setdefault(name.lower(), name)
        if other != name:
            raise InputError(f"{file} has columns {other!r} and {name!r}, which differ only in case; rename one.")


def _missing_message(
    contract: Contract, header: Sequence[str], mapping: Mapping[str, str], missing: Sequence[str], file: str
) -> str:
    sources = [mapping.get(name, name) for name in missing]
    named = " and ".join(repr(source) for source in sources)
    # A column with a name of the contract is that column, not the missing one under a wrong name.
    candidates = [name for name in header if name not in contract.names]
    nearest = [_nearest_name(source, candidates) for source in sources]
    example = next((name for name in nearest if name), "its name in your file")
    columns = ", ".join(name for name in header if name) or "none"
    column = missing[next((k for k, name in enumerate(nearest) if name), 0)]
    return (
        f"{contract.table}: {file} has no column {named}. Its columns: {columns}."
        + "".join(f" Nearest to {s!r}: {n!r}." for s, n in zip(sources, nearest, strict=True) if n)
        + f' Say which column it is in revealed.toml: columns.{contract.table}.{column} = "{example}".'
    )


def _nearest_name(name: str, among: Sequence[str]) -> str | None:
    plain = {_plain(other): other for other in among if other}
    close = get_close_matches(_plain(name), list(plain), n=1, cutoff=0.5)
    if close:
        return plain[close[0]]
    return next((other for short, other in plain.items() if len(short) > 1 and short in _plain(name)), None)


def _plain(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _nearest(name: str, among: Sequence[str]) -> str:
    close = _nearest_name(name, among)
    return f" Nearest: {close!r}." if close else ""
