"""What columns seem to hold, by their first rows: asked only to propose a column for one that is missing."""

import csv
import re
from collections.abc import Sequence
from io import StringIO

import duckdb

from data.intake.reading.currencies import CURRENCY
from data.intake.sql import identifier

_ROWS, _BYTES, _SHARE = 200, 2**18, 0.8
_TIME = re.compile(
    r"\d{4}[-/.]\d\d?[-/.]\d\d?([ T,].*)?|\d\d?[-/.]\d\d?[-/.](\d\d|\d{4})([ T,].*)?|(19|20)\d\d[01]\d[0-3]\d|"
    r"1[0-9]{9}(\d{3}|\d{6}|\d{9})?|\d\d?[ -][A-Za-z]{3,9}[ -]\d{2,4}.*|[A-Za-z]{3,9} \d\d?,? \d{4}.*|"
    r"[A-Za-z]{3}-\d\d?-\d{2,4}|\d{4}年\d\d?月\d\d?日.*"
)
_SIGN = CURRENCY.replace(r"|\p{Sc}", "|[$¢-¥₠-⃀]")
_NUMBER = re.compile(rf"[-+(]? ?({_SIGN})? ?[-+]?(\d[\d.,' \u00a0\u202f]*|[.,]\d+) ?({_SIGN})? ?[-)]?")
_ABSENT = ("", "na", "n/a", "null", "nan", "none", r"\n", "-")


def kinds_of_text(block: bytes, separator: str, width: int) -> list[str]:
    """Say what each column of a CSV file holds, by the start of its text, as `matching.Contents` names it."""
    text = StringIO(block[:_BYTES].decode("utf-8", errors="ignore"), newline="")
    rows: list[list[str]] = []
    try:
        for row in csv.reader(text, delimiter=separator):
            rows.append(row)
            if len(rows) > _ROWS:
                break
    except csv.Error:
        pass
    whole = [row for row in rows[1:] if len(row) == width]
    return [kind_of_cells([row[k] for row in whole]) for k in range(width)]


def kinds_of_parquet(
    connection: duckdb.DuckDBPyConnection, parquet: str, header: Sequence[str], types: Sequence[str]
) -> list[str]:
    """Say what each column of a Parquet file holds, by its type and its first rows."""
    return [_kind_of_column(connection, parquet, *column) for column in zip(header, types, strict=True)]


def kind_of_cells(cells: Sequence[str]) -> str:
    """Return "time", "number" or "text", or "" where no cell is filled."""
    filled = [cell.strip() for cell in cells if cell.strip().lower() not in _ABSENT]
    for kind, pattern in (("time", _TIME), ("number", _NUMBER)):
        if filled and sum(bool(pattern.fullmatch(cell)) for cell in filled) >= _SHARE * len(filled):
            return kind
    return "text" if filled else ""


def _kind_of_column(connection: duckdb.DuckDBPyConnection, parquet: str, name: str, sql_type: str) -> str:
    if sql_type == "DATE" or sql_type.startswith("TIMESTAMP"):
        return "time"
    if sql_type in ("DOUBLE", "FLOAT") or sql_type.startswith("DECIMAL"):
        return "number"
    rows = connection.execute(
        f"SELECT CAST({identifier(name)} AS VARCHAR) FROM {parquet} WHERE {identifier(name)} IS NOT NULL LIMIT {_ROWS}"
    ).fetchall()
    return kind_of_cells([str(row[0]) for row in rows])
