"""Rows that break their contract: kept with their reasons and counted; too many of them stop the run."""

import math
from collections.abc import Mapping, Sequence

import duckdb

from data.errors import InputError, RefusedError
from data.intake.privacy.customers import kept_of_record, shown_cell
from data.intake.raw import SHAPES, RawFile
from data.intake.reading.expressions import in_expression
from data.intake.reading.pasting import in_section, paste
from data.intake.reading.times import TimeReading
from data.intake.rules import Rules
from data.intake.sameness.ids import setting_that_joins
from data.intake.sql import quote
from data.intake.violations import UNKNOWN_CUSTOMER, Violation
from data.pseudonyms import Protection

GUESTS = (
    "Sales without a customer_id, such as those to guests, belong to nobody who can be scored: they are set aside and "
    "are in no total."
)
_EXAMPLES = 3
_LONGEST_CELL = 60
_DATES = ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%Y/%m/%d", "%d/%m/%y", "%m/%d/%y", "%d.%m.%y")
_CLOCKS = ("", " %H:%M", " %H:%M:%S")


def create_quarantine(connection: duckdb.DuckDBPyConnection) -> None:
    """Make the empty table `quarantine`."""
    connection.execute(
        'CREATE TABLE quarantine ("table" VARCHAR, file VARCHAR, line BIGINT, "column" VARCHAR, cell VARCHAR, '
        "reason VARCHAR, record VARCHAR)"
    )


def set_aside(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    files: Sequence[RawFile],
    violations: Sequence[Violation],
    protection: Protection,
) -> None:
    """Copy each row of `staged` that has a violation into `quarantine`, as it stands in its file.

    Where pseudonyms stand for ids, a row keeps only columns that are read, and a torn one nothing.
    """
    torn = "NULL" if protection.is_pseudonymous else "to_json(odd)"
    numbered = list(enumerate(violations, start=1))
    reasons = " ".join(f"WHEN {k} THEN {quote(each.reason)}" for k, each in numbered)
    columns = " ".join(f"WHEN {k} THEN {quote(each.column)}" for k, each in numbered if each.column)
    for number, raw in enumerate(files):
        cells = " ".join(
            f"WHEN {k} THEN {shown_cell(each.column, raw.columns[each.column], protection)}"
            for k, each in numbered
            if each.column in raw.columns
        )
        counted = f"len(odd) || ' cells instead of {len(raw.header)}'"
        kept = kept_of_record(raw, table, protection)
        record = ", ".join(f"{quote(name)}, {cell}" for name, cell in kept.items())
        connection.execute(
            f"""
            INSERT INTO quarantine
            SELECT {quote(table)}, {quote(raw.name)}, line, CASE violation {columns} END,
                   CASE WHEN shape IN (2, 3) AND len(odd) > 1 THEN {counted}
                        WHEN shape = 0 THEN CASE violation {cells} END END,
                   CASE violation {reasons} END,
                   CASE WHEN shape = 0 THEN json_object({record}) ELSE {torn} END
            FROM (
                SELECT line, violation, customer_id AS who FROM staged WHERE file = {number} AND violation IS NOT NULL)
            JOIN {raw.relation} USING (line)
            """
        )


def count_reasons(connection: duckdb.DuckDBPyConnection, table: str) -> dict[str, int]:
    """Count the rows set aside by reason, the commonest first."""
    rows = connection.execute(
        'SELECT reason, count(*) FROM quarantine WHERE "table" = ? GROUP BY 1 ORDER BY 2 DESC, 1', [table]
    ).fetchall()
    return {str(reason): int(count) for reason, count in rows}


def judge(
    connection: duckdb.DuckDBPyConnection,
    table: str,
    rows: int,
    reasons: Mapping[str, int],
    rules: Rules,
    columns: Mapping[str, str],
    sections: Mapping[str, str],
) -> None:
    """Stop where no row is valid (InputError) or too many are set aside (RefusedError).

    Parameters
    ----------
    connection
        The working database.
    table, rows, reasons
        The table, the rows read, and those set aside by reason.
    rules
        The limits.
    columns
        Name of ours -> name in the files.
    sections
        Name of a file -> the section of its own settings, or nothing.
    """
    bad = sum(reasons.values())
    if not is_too_many(table, rows, bad, rules):
        return
    commonest = next(iter(reasons))
    examples = _examples(connection, table, commonest)
    hint = _hint(connection, table, commonest, bad / rows, columns)
    # Where only files with settings of one section have such rows, that is the section to mend.
    places = {sections.get(file, "") for file in _files_with(connection, table, commonest)}
    hint = in_section(hint, table, places.pop()) if len(places) == 1 else hint
    check_share(table, rows, reasons, rules, [*examples, hint] if hint else examples)


def is_too_many(table: str, rows: int, bad: int, rules: Rules) -> bool:
    """Whether so many rows of a table are set aside that the run must stop."""
    return bad == rows or bad > rules.limit(table) * rows


def check_share(table: str, rows: int, reasons: Mapping[str, int], rules: Rules, examples: Sequence[str]) -> None:
    """Stop where too many rows are set aside: tell the reasons, and examples of the commonest.

    Raises
    ------
    InputError
        No row is valid.
    RefusedError
        More rows than the limit allows are set aside.
    """
    bad, limit = sum(reasons.values()), rules.limit(table)
    if not is_too_many(table, rows, bad, rules):
        return
    verdict = (
        f"no row of {table} is valid: all {rows:,} break the contract"
        if bad == rows
        else f"{table}: {bad:,} of {rows:,} rows ({bad / rows:.1%}) break the contract; quarantine_limit is {limit:.1%}"
    )
    lines = [f"{verdict}. Nothing was published."]
    lines += [f"  {count:>9,}  {reason}" for reason, count in reasons.items()]
    lines += [f"For example ({next(iter(reasons))}):", *examples]
    raise (InputError if bad == rows else RefusedError)("\n".join(lines))


def _files_with(connection: duckdb.DuckDBPyConnection, table: str, reason: str) -> list[str]:
    rows = connection.execute(
        'SELECT DISTINCT file FROM quarantine WHERE "table" = ? AND reason = ?', [table, reason]
    ).fetchall()
    return [str(row[0]) for row in rows]


def _examples(connection: duckdb.DuckDBPyConnection, table: str, reason: str) -> list[str]:
    rows = connection.execute(
        'SELECT file, line, "column", cell FROM quarantine WHERE "table" = ? AND reason = ? '
        f"ORDER BY file, line LIMIT {_EXAMPLES}",
        [table, reason],
    ).fetchall()
    return [f"  {file} line {line}: {_show(column, cell)}" for file, line, column, cell in rows]


def _show(column: str | None, cell: str | None) -> str:
    if column is None:
        return cell or "the line as a whole"
    if cell is None:
        return f"{column} is empty"
    return f"{column} = {cell[:_LONGEST_CELL]!r}" + (" …" if len(cell) > _LONGEST_CELL else "")


def _hint(
    connection: duckdb.DuckDBPyConnection, table: str, reason: str, share: float, columns: Mapping[str, str]
) -> str:
    column = reason.split(" ")[0]
    if reason.endswith("is not a time"):
        formats = _fitting_formats(connection, table, reason)
        example = " or ".join(f'"{name}"' for name in formats[:2]) or '"…" with their strptime format'
        return f"Say in revealed.toml how times are written: formats.{table}.time_format = {example}."
    if reason.endswith("is not a number"):
        return (
            "Numbers are read in the one way that fits their whole column; words, and what is written otherwise, are "
            f"none. Where the settings formats.{table}.decimal or thousands name another mark, correct them."
        )
    hints = {
        SHAPES[0]: "A quote within a quoted cell is written twice.",
        SHAPES[1]: f'If the separator was taken wrongly, set it: formats.{table}.separator = ";".',
        SHAPES[2]: "A cell that holds the separator must stand in quotes.",
        "score is outside its scale": "Give each question's scale in a column scale, written like 0-10.",
        "question has no scale": "Give the scale of a question of your own in a column scale, written like 0-10. Where "
        "all of its answers are on one: " + paste("scales", {"your question": "1-5"}),
    }
    if reason == UNKNOWN_CUSTOMER:
        alike = setting_that_joins(connection, table)
        return alike or "Ids must be written alike in all tables, leading zeros included."
    if reason in hints:
        return hints[reason]
    if reason.endswith("is in the future"):
        return "Times without an offset are taken in the shop's zone: check timezone, and the clock of this machine."
    if reason == "customer_id is missing" and table == "transactions" and share < 1:
        return f"{GUESTS} If they are meant, allow for them. " + paste(
            "quarantine_limit", {table: math.ceil(100 * share + 1) / 100}
        )
    if reason.endswith("is missing"):
        other = f'If another column holds it, map it: columns.{table}.{column} = "its name in your file".'
        if share == 1 or column not in columns:
            return other
        rows = f"{in_expression(columns[column])} <> ''"
        return f"{other} If these rows are none of {table}, leave them out. " + paste(
            f"formats.{table}", {"rows": rows}
        )
    if reason.endswith("more than 18 digits"):
        return "A number may have 14 digits before the point; 4 after it are kept."
    return ""


def _share(connection: duckdb.DuckDBPyConnection, table: str, reason: str, condition: str) -> float:
    row = connection.execute(
        f'SELECT avg(CASE WHEN {condition} THEN 1.0 ELSE 0.0 END) FROM quarantine WHERE "table" = ? AND reason = ?',
        [table, reason],
    ).fetchone()
    return float(row[0]) if row else 0.0


def _fitting_formats(connection: duckdb.DuckDBPyConnection, table: str, reason: str) -> list[str]:
    """List the usual formats that at least 90 % of the unreadable cells follow."""
    formats = [date + clock for date in _DATES for clock in _CLOCKS]
    return [
        name
        for name in formats
        if _share(connection, table, reason, f"{TimeReading(name).value('trim(cell)', 'UTC')} IS NOT NULL") >= 0.9
    ]
