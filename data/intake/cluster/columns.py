"""The columns of a contract over a table that has types already: its values as expressions of Ibis."""

import sys
from collections.abc import Callable, Collection, Mapping

import ibis
import ibis.expr.datatypes as dt
import ibis.expr.types as ir

from data.contracts import Column, Contract
from data.errors import InputError

MONEY = dt.Decimal(18, 4)
FILLED, PRESENT = (
    ("", "null", "none", "<na>", "nan"),
    ("na", "n/a", "n.a.", "#n/a", "#na", "#null!", "\\n", "-", "–", "—"),
)
"""What stands for a missing text; of an id these and those: as the intake of files has them."""

_TYPES = {
    "id": "string",
    "text": "string",
    "time": dt.Timestamp(),
    "number": MONEY,
    "score": "float64",
    "scale": "string",
}
_WANTED = {
    "id": "text or whole numbers",
    "time": "dates or timestamps",
    "number": "numbers",
    "score": "numbers",
}


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def from_utc_timestamp(moment: dt.Timestamp("UTC"), zone: str) -> dt.Timestamp("UTC"):  # type: ignore[valid-type]
    """Spark's function: the clock of a zone at a moment, which is again written as if it were in UTC."""


# Ibis's own strip takes a v and an f off as well: Spark reads the signs \\v and \\f of its literal as these letters.
SPACES = " \t\r\n\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200C))) + "\u202f\u205f\u3000\ufeff"


@ibis.udf.scalar.builtin  # type: ignore[untyped-decorator]
def btrim(text: str, signs: str) -> str:  # type: ignore[empty-body]
    """Spark's function: the text without these signs at its ends."""


def trimmed(text: ir.StringValue) -> ir.StringValue:
    """Take the spaces off both ends of a text."""
    return btrim(text, SPACES)


def is_filled(name: str) -> str:
    """Name the column that says whether a row has anything in the column of this name."""
    return f"filled_{name}"


def is_finite(name: str) -> str:
    """Name the column that says whether a number is one, whatever its size: neither NaN nor infinite."""
    return f"finite_{name}"


def read_columns(
    table: ir.Table, contract: Contract, matched: Mapping[str, str], moments: Collection[str], zone: str, name: str
) -> dict[str, ir.Value]:
    """Give the values of the contract's columns, and whether there is anything to read.

    Parameters
    ----------
    table
        As the cluster has it.
    contract
        What it must hold.
    matched
        Name in the contract -> name in the table.
    moments
        Columns of the table that hold moments, not the time of a clock.
    zone
        The shop's zone, by whose clock moments are told.
    name
        What to call the table in messages.

    Returns
    -------
    dict of str to Value
        For each column of the contract its value, null where it has none, under `is_filled` whether the row has
        something there, and of numbers `is_finite`. Attributes of customers are not among them.

    Raises
    ------
    InputError
        Where a column's type is not one that its values can be taken from.
    """
    values: dict[str, ir.Value] = {}
    for column in contract.columns:
        if column.name not in matched:
            values[column.name] = ibis.null(_TYPES[column.kind])
            values[is_filled(column.name)] = ibis.literal(False)
            continue
        cell = table[matched[column.name]]
        _check_type(column, cell, contract.table, name)
        filled, value = _READERS[column.kind](column, cell, zone if cell.get_name() in moments else "UTC")
        values[column.name], values[is_filled(column.name)] = value, filled
        if column.kind in ("number", "score"):
            values[is_finite(column.name)] = _is_finite(cell)
    return values


def _check_type(column: Column, cell: ir.Value, table: str, name: str) -> None:
    kind, of_text = cell.type(), cell.type().is_string()
    fits = {
        "id": of_text or kind.is_integer() or (kind.is_decimal() and kind.scale == 0),
        "time": kind.is_timestamp() or kind.is_date(),
        "number": kind.is_numeric() and not kind.is_boolean(),
        "score": kind.is_numeric() and not kind.is_boolean(),
    }.get(column.kind, True)
    if fits:
        return
    advice = (
        'Text that must be parsed is a matter of files: cast it in a view of the cluster, or use engine = "duckdb".'
        if of_text
        else "Cast it in a view of the cluster, and name that."
    )
    raise InputError(
        f"{table}: {name}, column {cell.get_name()!r} is of type {kind}, and {column.name} must hold "
        f"{_WANTED[column.kind]}. {advice}"
    )


Read = tuple[ir.Value, ir.Value]


def _read_id(_: Column, cell: ir.Value, __: str) -> Read:
    text = trimmed(cell.cast("string"))
    missing = (*FILLED, *PRESENT)
    value = ibis.ifelse(text.lower().isin(missing), ibis.null("string"), text)
    return value.notnull(), value


def _read_text(_: Column, cell: ir.Value, __: str) -> Read:
    text = cell.cast("string")
    value = ibis.ifelse(trimmed(text).lower().isin(FILLED), ibis.null("string"), text)
    return value.notnull(), value


def _read_time(_: Column, cell: ir.Value, zone: str) -> Read:
    if zone != "UTC":
        cell = from_utc_timestamp(cell.cast(dt.Timestamp("UTC")), zone)
    value = cell.cast(dt.Timestamp())
    return cell.notnull(), value


def _read_number(column: Column, cell: ir.Value, _: str) -> Read:
    if not cell.type().is_floating():
        return cell.notnull(), cell.try_cast(MONEY)
    value = ibis.ifelse(_is_finite(cell), cell, ibis.null(cell.type())).try_cast(MONEY)
    # NaN is no number where one is required, and a missing value elsewhere. On Spark, Ibis takes it for null.
    return (cell.notnull() | cell.isnan() if column.required else cell.notnull() & ~cell.isnan()), value


def _read_score(_: Column, cell: ir.Value, __: str) -> Read:
    number = cell.cast("float64")
    return number.notnull() & ~number.isnan(), ibis.ifelse(_is_finite(number), number, ibis.null("float64"))


def _is_finite(cell: ir.Value) -> ir.BooleanValue:
    # Ibis's own isinf is always false on Spark.
    return ~cell.isnan() & (cell.abs() <= sys.float_info.max) if cell.type().is_floating() else ibis.literal(True)


_READERS: Mapping[str, Callable[[Column, ir.Value, str], Read]] = {
    "id": _read_id,
    "text": _read_text,
    "time": _read_time,
    "number": _read_number,
    "score": _read_score,
    "scale": _read_id,
}
