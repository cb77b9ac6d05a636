"""Taking tables in: files become clean Parquet that everything else reads, bad rows are set aside."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date
from pathlib import Path

import duckdb

from data.contracts import CONTRACTS, Contract
from data.errors import InputError
from data.intake.casting import create_macros, describe_all
from data.intake.checks import check_currency, remember_later_customers
from data.intake.clean.clean_table import clean_path, names_in_files, write_clean, write_parquet
from data.intake.clean.kept_rows import KeptRows
from data.intake.clean.last_reading import LastReading
from data.intake.clean.staging import TableFiles, stage_table
from data.intake.databases.reading import files_on_disk, find_files_and_tables, without_rows
from data.intake.evidence import find_readings_by_way, near_miss_note
from data.intake.quarantine import count_reasons, create_quarantine, judge, set_aside
from data.intake.raw import RawFile, load, telling_damage
from data.intake.reading.computed import apply_expressions
from data.intake.reading.matching import check_mapping
from data.intake.reading.pasting import naming_section
from data.intake.reading.times import check_time_format
from data.intake.report import Intake, TableReport
from data.intake.rules import Rules
from data.intake.sameness.ids import find_alike_ids
from data.intake.sources import File, Source
from data.intake.sql import confine, only_row
from data.intake.violations import violations_of
from data.intake.working_database import LARGEST, allow_memory, open_database, size_of
from data.secrecy.showing import shown_location

__all__ = ["Intake", "Rules", "Source", "TableReport", "take_in"]


def take_in(
    sources: Mapping[str, Source],
    folder: Path,
    rules: Rules | None = None,
    kept: Path | None = None,
    last: Path | None = None,
) -> Intake:
    """Read tables, check every row, and write the valid ones to a folder of clean Parquet.

    Parameters
    ----------
    sources
        Table name -> source: transactions, and any of answers, events and customers.
    folder
        Where `<table>.parquet` and `quarantine.parquet` are written; those of an earlier intake are replaced.
    rules
        What holds for all tables.
    kept
        Folder of checked rows of earlier intakes, which are read instead of Parquet files that have not changed since.
        None: every file is read.
    last
        Folder of the clean tables of the last intake, which are used where no file has changed since. None: there are
        none.

    Raises
    ------
    InputError
        A mistake in sources, settings or files; or a table without a valid row.
    RefusedError
        More rows of a table than its limit allows were set aside.
    """
    rules = rules or Rules()
    for table in sources:
        if table not in CONTRACTS:
            raise InputError(f"there is no table {table!r}; the tables are {', '.join(CONTRACTS)}.")
    if "transactions" not in sources:
        raise InputError("transactions are needed and no source of them is given.")
    folder.mkdir(parents=True, exist_ok=True)
    reading = LastReading(last, sources, rules)
    intake = reading.find(folder)
    if intake is not None:
        return intake
    try:
        intake = _take_in(sources, folder, rules, kept, 0)
    except duckdb.OutOfMemoryException:
        # Some files hold far more than their size tells, such as ones that are packed a thousandfold.
        intake = _take_in(sources, folder, rules, kept, LARGEST)
    return reading.keep(intake)


def _take_in(sources: Mapping[str, Source], folder: Path, rules: Rules, kept: Path | None, more: int) -> Intake:
    """Take tables in as `take_in` does, in so many bytes of memory more than the files' size allows."""
    for name in (*CONTRACTS, "quarantine"):
        (folder / f"{name}.parquet").unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix=".intake-", dir=folder) as name:
        working = Path(name)
        with _open_database(working, rules) as connection:
            confine(connection, [folder, *([kept] if kept else [])], files_on_disk(sources))
            try:
                intake = _take_tables(connection, sources, working, folder, rules, KeptRows(kept, rules), more)
            finally:
                write_parquet(
                    connection, 'SELECT * FROM quarantine ORDER BY "table", file, line', folder / "quarantine.parquet"
                )
        # The clean tables appear together, after the last of them has passed.
        for path in (working / "clean").iterdir():
            path.replace(folder / path.name)
    return intake


def _open_database(working: Path, rules: Rules) -> duckdb.DuckDBPyConnection:
    connection = open_database(working)
    connection.execute("CREATE TABLE known_customers (customer_id VARCHAR)")
    create_macros(connection, rules)
    create_quarantine(connection)
    (working / "clean").mkdir()
    return connection


def _take_tables(
    connection: duckdb.DuckDBPyConnection,
    sources: Mapping[str, Source],
    working: Path,
    folder: Path,
    rules: Rules,
    unchanged: KeptRows,
    memory: int,
) -> Intake:
    reports: dict[str, TableReport] = {}
    notes: list[str] = []
    currency: str | None = None
    first = newest = date.min
    for table, contract in CONTRACTS.items():
        if table not in sources:
            continue
        source = sources[table]
        for each in (source, *source.own.values()):
            with naming_section(table, each.section, notes):
                check_mapping(contract, each.columns)
                check_time_format(connection, table, each.time_format)
        found, file_notes = find_files_and_tables(source, contract, working, rules.timezone)
        notes += file_notes
        memory += size_of(found)
        allow_memory(connection, memory)
        raws, files = _load_files(connection, contract, source, found, working, notes, unchanged)
        ways = [source.of(file) for file in files]
        unused = [pattern for pattern, way in source.own.items() if not any(way is each for each in ways)]
        notes += [
            f"{table}: files.{table} names {shown_location(pattern)!r}, and no file that is read." for pattern in unused
        ]
        with telling_damage(connection, raws):
            readings = find_readings_by_way(connection, contract, raws, ways, rules.timezone, notes)
            attributes = _attributes(contract, raws)
            table_files = TableFiles(contract, source, raws, files, ways, readings, attributes)
            staged = stage_table(connection, table_files, rules, unchanged, clean_path(working, table), notes)
            remember_later_customers(connection, contract, [file.later for file in found if file.later is not None])
            rows = staged.rows
            if not rows:
                raise without_rows(source, contract, [raw.name for raw in raws])
            set_aside(connection, table, raws, violations_of(contract), rules.protection)
            reasons = count_reasons(connection, table)
            sections = {raw.name: way.section for raw, way in zip(raws, ways, strict=True)}
            judge(connection, table, rows, reasons, rules, names_in_files(raws), sections)
            if table == "transactions":
                currency = check_currency(connection, rules, staged.with_currency)
                first, newest = _days(connection)
            report = write_clean(connection, contract, raws, rows, reasons, attributes, source, working)
            reports[table] = replace(
                report,
                left_out=report.left_out + staged.dropped + staged.joined,
                overlaps=staged.overlaps,
                forms=describe_all(readings),
                forgotten=staged.forgotten,
            )
            if staged.forgotten:
                notes.append(f"{table}: rows left out, as their customers are forgotten: {staged.forgotten:,}.")
        for raw in raws:
            raw.drop(connection)
    unchanged.forget_unused()
    alike = find_alike_ids(connection, rules)
    return Intake(folder, reports, currency, first, newest, tuple(notes), alike, tuple(unchanged.describe()))


def _load_files(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    source: Source,
    files: Sequence[File],
    working: Path,
    notes: list[str],
    unchanged: KeptRows,
) -> tuple[list[RawFile], list[File]]:
    """Make all files and tables of a source readable; list them without those that are empty."""
    raws, loaded = [], []
    for number, file in enumerate(files):
        relation, own = f"raw_{contract.table}_{number}", source.of(file)
        with naming_section(contract.table, own.section, notes):
            # A table in one file changes as a whole.
            rows = unchanged.find(file, own) if len(files) > 1 else None
            if rows is None:
                raw = load(connection, file, own, contract, relation, working)
            else:
                raw = load(connection, replace(file, path=rows), replace(own, columns={}), contract, relation, working)
                raw = raw and unchanged.name_as_written(raw, rows)
            if raw is not None:
                with telling_damage(connection, [raw]):
                    raws.append(apply_expressions(connection, contract, raw, own, notes))
                loaded.append(file)
                notes += raw.notes
                note = near_miss_note(contract, raws[-1])
                notes += [note] if note else []
            elif len(files) > 1:
                notes.append(f"{contract.table}: {file.name} is empty.")
    if not raws:
        raise InputError(f"{contract.table}: {', '.join(file.name for file in files[:5])} is empty.")
    return raws, loaded


def _attributes(contract: Contract, raws: Sequence[RawFile]) -> list[str]:
    """List the attributes of customers in any of the files, in the order in which they appear."""
    names: dict[str, str] = {}
    for raw in raws:
        for name in raw.columns:
            if name in contract.names:
                continue
            other = names.setdefault(name.lower(), name)
            if other != name:
                raise InputError(f"{raw.name} has a column {name!r}, another file {other!r}; write it alike in both.")
    return list(names.values())


def _days(connection: duckdb.DuckDBPyConnection) -> tuple[date, date]:
    row = only_row(connection, "SELECT min(ts)::DATE, max(ts)::DATE FROM valid")
    return row[0], row[1]
