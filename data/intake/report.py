"""The report of an intake: rows read, valid and set aside, by table."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class TableReport:
    """What became of one table.

    Parameters
    ----------
    files
        Names of the files read, without secrets.
    columns
        Name in the clean table -> name in the files, of the columns that were read.
    left_out
        Rows that the setting `rows` leaves out; they are not among the rows read.
    rows_read, rows_valid, set_aside
        Rows; the first is the sum of the other two.
    reasons
        Rows set aside by reason, the commonest first.
    identical_lines
        Valid rows that equal another one in every column and were kept.
    digest
        A digest of the valid rows that depends on neither their order nor their files. It is made
        with DuckDB's hash, so it may change with DuckDB's version.
    unread
        Names in the files of the columns that nothing is read from.
    states
        Those of them that tell the state of an order -> value -> rows.
    """

    files: tuple[str, ...]
    columns: Mapping[str, str]
    left_out: int
    rows_read: int
    rows_valid: int
    set_aside: int
    reasons: Mapping[str, int]
    identical_lines: int
    digest: str
    unread: tuple[str, ...] = ()
    states: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


@dataclass(frozen=True)
class Intake:
    """What was taken in.

    Parameters
    ----------
    folder
        The folder of clean Parquet.
    tables
        A report per table that was given.
    currency
        The currency of all amounts; None where neither a setting nor a column names it.
    first_day, newest_day
        Days of the first and the newest valid transaction, in the shop's zone.
    notes
        What else a user should know, in sentences.
    """

    folder: Path
    tables: Mapping[str, TableReport]
    currency: str | None
    first_day: date
    newest_day: date
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        return asdict(self) | {
            "folder": str(self.folder),
            "tables": {name: _as_json(report) for name, report in self.tables.items()},
            "first_day": self.first_day.isoformat(),
            "newest_day": self.newest_day.isoformat(),
            "notes": list(self.notes),
        }


def _as_json(report: TableReport) -> dict[str, Any]:
    return asdict(report) | {"files": list(report.files), "unread": list(report.unread)}
