"""The checked rows of each Parquet file, kept between intakes, so that the next one reads only what is new or changed.

A file is taken for unchanged where its path, size and time of change are. Its rows are kept only where they need no
evidence from other files (all columns have types) and all of them fulfil the contract: rows that do not are told with
the cells of their file, which has to be read for that. The intake reads kept rows like those of any other file, and
makes the checks across rows and files anew, so the outcome is that of reading everything. Only the quarantine of rows
that those checks set aside lacks the columns from which nothing is read.
"""

import hashlib
import json
import os
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path

import duckdb

from data.contracts import Contract
from data.intake.casting import is_typed
from data.intake.raw import RawFile
from data.intake.reading.content import is_parquet
from data.intake.rules import Rules
from data.intake.sources import File, Source
from data.intake.sql import identifier, quote
from data.intake.unread import tells_state

TABLES = ("transactions", "events")
"""The large tables. Answers and customers are few, and are not written as they are read."""

DAYS = 30
"""So long kept rows stay that no intake uses: those of files that changed or are gone."""

_NEW = "they are new or changed"


@dataclass
class KeptRows:
    """A folder of checked rows: a Parquet file for each one that was read, and beside it how that was written.

    Parameters
    ----------
    folder
        Where they lie, for their owner only: they are customers' data. None: nothing is kept.
    rules
        What holds for all tables: it decides how rows are read.
    """

    folder: Path | None
    rules: Rules
    _read: dict[str, Counter[str]] = field(default_factory=dict)
    _kept: Counter[str] = field(default_factory=Counter)

    def find(self, file: File, source: Source) -> Path | None:
        """Return the kept rows of a file; None where it has to be read."""
        if self.folder is None:
            return None
        why = _why_not(file, source)
        rows = None if why else self._place(file, source)
        if rows is None or not _is_kept(rows):
            self._read.setdefault(file.table, Counter())[why or _NEW] += 1
            return None
        # The newest use decides how long they stay.
        os.utime(rows)
        os.utime(_beside(rows))
        self._kept[file.table] += 1
        return rows

    def name_as_written(self, raw: RawFile, rows: Path) -> RawFile:
        """Give kept rows the names that their columns have in the shop's file, and those of its unread columns."""
        told = json.loads(_beside(rows).read_text())
        return replace(raw, header=tuple(told["header"]), unread=tuple(told["unread"]))

    def keep(
        self,
        connection: duckdb.DuckDBPyConnection,
        file: File,
        source: Source,
        contract: Contract,
        raw: RawFile,
        at: int,
    ) -> None:
        """Keep the rows of a file, the one of number `at` in `staged`, where nothing stands against it."""
        if self.folder is None or _why_not(file, source) or _needs_reading(raw, contract):
            return
        rows = self._place(file, source)
        if _is_kept(rows):
            return
        if connection.execute("SELECT count(violation) FROM staged WHERE file = ?", [at]).fetchall()[0][0]:
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        names = [name for name in contract.names if name in raw.columns]
        draft = rows.with_suffix(f".{os.getpid()}")
        connection.execute(
            f"COPY (SELECT {', '.join(map(identifier, names))} FROM staged WHERE file = {at} ORDER BY line) "
            f"TO {quote(str(draft))} (FORMAT parquet)"
        )
        draft.chmod(0o600)
        told = {"header": [raw.header[raw.columns[name]] for name in names], "unread": _unread(raw)}
        _beside(rows).write_text(json.dumps(told))
        draft.replace(rows)

    def forget_unused(self) -> None:
        """Delete the rows that no intake has used for so long, and drafts that a killed one left."""
        if self.folder is None or not self.folder.is_dir():
            return
        for file in self.folder.iterdir():
            if file.stat().st_mtime < time.time() - 86_400 * DAYS:
                file.unlink(missing_ok=True)

    def describe(self) -> list[str]:
        """Say by table how many files were read, and why."""
        told = []
        for table, reasons in self._read.items():
            files = sum(reasons.values())
            why = "; ".join(f"{count:,} as {reason}" for reason, count in reasons.most_common())
            told.append(f"{table}: {files:,} of {files + self._kept[table]:,} files were read: {why}.")
        whole = {table: kept for table, kept in self._kept.items() if table not in self._read}
        return told + [
            f"{table}: none of {kept:,} files has changed, so none was read." for table, kept in whole.items()
        ]

    def _place(self, file: File, source: Source) -> Path:
        assert self.folder is not None, "nothing is kept"
        state = file.path.stat()
        rules = (self.rules.timezone, self.rules.id_case, self.rules.id_point_zero, self.rules.protection.state)
        parts = (
            *(file.table, file.path.resolve(), state.st_size, state.st_mtime_ns, *rules),
            *(json.dumps(dict(source.columns), sort_keys=True), version("revealed"), duckdb.__version__),
        )
        return self.folder / f"{hashlib.sha256(chr(10).join(map(str, parts)).encode()).hexdigest()}.parquet"


def _why_not(file: File, source: Source) -> str:
    """Say why the rows of a file are not kept; empty where they may be."""
    if file.table not in TABLES:
        return "this table is small"
    if file.written != "Parquet" or file.path.stat().st_size == 0 or not is_parquet(file):
        return "only Parquet files say by themselves how they are to be read"
    if source.rows is not None or source.computed or source.unit is not None:
        return "a setting of formats computes with their columns"
    return ""


def _needs_reading(raw: RawFile, contract: Contract) -> bool:
    """Whether how a column is read is found from all files, or a column that is not read has to be counted."""
    text = [
        column.kind in ("time", "number") and not is_typed(column, raw.types[raw.columns[column.name]])
        for column in contract.columns
        if column.name in raw.columns
    ]
    return any(text) or any(tells_state(name) for name in _unread(raw))


def _unread(raw: RawFile) -> list[str]:
    return [name for at, name in enumerate(raw.header) if at not in raw.columns.values()]


def _beside(rows: Path) -> Path:
    return rows.with_suffix(".json")


def _is_kept(rows: Path) -> bool:
    return rows.exists() and _beside(rows).exists()
