"""The report of an intake: rows read, valid and set aside, by table."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

_LISTS = ("files", "unread", "written")


@dataclass(frozen=True)
class Overlap:
    """Rows of a file that stand in an earlier file as well, equal in every column that is read."""

    file: str
    other: str
    rows: int


@dataclass(frozen=True)
class AlikeIds:
    """Ids of customers that differ only in a way that a setting takes for none.

    Parameters
    ----------
    setting, value
        The setting of `revealed.toml` that takes them for one, and its value.
    ids
        How many ids would be gone: of three that are one, two.
    example
        Two ids that are one; empty where only unknown customers have such ids.
    unknown_rows
        Rows set aside for an unknown customer who would be known.
    """

    setting: str
    value: str
    ids: int
    example: tuple[str, ...]
    unknown_rows: int


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
        Rows that the settings `rows` and `repeated` leave out; they are not among the rows read.
    rows_read, rows_valid, set_aside
        Rows; the first is the sum of the other two.
    reasons
        Rows set aside by reason, the commonest first.
    identical_lines
        Valid rows that equal another one in every column and were kept.
    identical_of_orders
        Those of them that have an order_id.
    digest
        A digest of the valid rows that depends on neither their order nor their files. It is made
        with DuckDB's hash, so it may change with DuckDB's version.
    unread
        Names in the files of the columns that nothing is read from.
    states
        Those of them that tell the state of an order -> value -> rows.
    payment_ids
        Rows with an id, in a column that is not read, as of payment systems that count in cents.
    overlaps
        Rows that stand in several files.
    written
        How the files are written: encodings and separators, or Parquet.
    forms
        Column -> how its times or numbers are written; only those read from text.
    forgotten
        Rows of customers who are forgotten; they are not among the rows read.
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
    identical_of_orders: int = 0
    unread: tuple[str, ...] = ()
    states: Mapping[str, Mapping[str, int]] = field(default_factory=dict)
    payment_ids: int = 0
    overlaps: tuple[Overlap, ...] = ()
    written: tuple[str, ...] = ()
    forms: Mapping[str, str] = field(default_factory=dict)
    forgotten: int = 0


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
    alike_ids
        Ids of customers that a setting would take for one.
    files_read
        How much was read of files that were read before, and why, in sentences; empty where nothing is kept.
    kept_as
        Folder and beginning of the names of the clean tables, where they are kept for the next intake.
    """

    folder: Path
    tables: Mapping[str, TableReport]
    currency: str | None
    first_day: date
    newest_day: date
    notes: tuple[str, ...] = ()
    alike_ids: tuple[AlikeIds, ...] = ()
    files_read: tuple[str, ...] = ()
    kept_as: Path | None = field(default=None, compare=False)

    def to_dict(self) -> dict[str, Any]:
        """Return the report as JSON can hold it."""
        told = asdict(self)
        del told["kept_as"]
        return told | {
            "folder": str(self.folder),
            "tables": {name: _as_json(report) for name, report in self.tables.items()},
            "first_day": self.first_day.isoformat(),
            "newest_day": self.newest_day.isoformat(),
            "notes": list(self.notes),
            "files_read": list(self.files_read),
            "alike_ids": [asdict(each) | {"example": list(each.example)} for each in self.alike_ids],
        }

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> "Intake":
        """Give the report that `to_dict` wrote."""
        return cls(
            folder=Path(told["folder"]),
            tables={name: _from_json(report) for name, report in told["tables"].items()},
            currency=told["currency"],
            first_day=date.fromisoformat(told["first_day"]),
            newest_day=date.fromisoformat(told["newest_day"]),
            notes=tuple(told["notes"]),
            alike_ids=tuple(AlikeIds(**each | {"example": tuple(each["example"])}) for each in told["alike_ids"]),
            files_read=tuple(told["files_read"]),
        )


def _as_json(report: TableReport) -> dict[str, Any]:
    overlaps = [asdict(each) for each in report.overlaps]
    lists = {name: list(getattr(report, name)) for name in _LISTS}
    return asdict(report) | lists | {"overlaps": overlaps}


def _from_json(report: Mapping[str, Any]) -> TableReport:
    overlaps = tuple(Overlap(**each) for each in report["overlaps"])
    return TableReport(**{**report, **{name: tuple(report[name]) for name in _LISTS}, "overlaps": overlaps})
