"""Ids that are the same but for how they are written: letters of another case, and a `.0` that a program added."""

from collections.abc import Mapping

import duckdb

from data.contracts import LONGEST_ID
from data.intake.reading.pasting import paste
from data.intake.report import AlikeIds
from data.intake.rules import Rules
from data.intake.sql import only_row, quote
from data.intake.violations import UNKNOWN_CUSTOMER

_ASCII_SPACES = " \t\r\n\v\f"
_SPACES = _ASCII_SPACES + "\u00a0\u1680" + "".join(map(chr, range(0x2000, 0x200C))) + "\u202f\u205f\u3000\ufeff"
_WITHOUT_ZERO = r"regexp_replace({}, '^(\d+)\.0+$', '\1')"
_FORMS: Mapping[str, tuple[str, str]] = {
    "id_case": ("fold", "nfc_normalize(lower({}))"),
    "id_point_zero": ("drop", _WITHOUT_ZERO),
}
"""Setting -> its value that takes such ids for one, and SQL for the one form of an id."""

SURELY_PRESENT = " OR ".join(f"(x >= '{first}' AND x < '{end}')" for first, end in ("0:", "AN", "O[", "an", "o{"))
"""SQL that is true where a cell starts with a digit, or with a letter that no missing value starts with: it is fast."""

JOINING = {setting: value for setting, (value, _) in _FORMS.items()}
"""Setting -> its value that takes such ids for one."""


def create_id_macros(connection: duckdb.DuckDBPyConnection, rules: Rules) -> None:
    """Define `trimmed_id`, which every id goes through, and `clean_id`, which follows the settings as well.

    `clean_plain_id` does so for an id that trimming leaves as it is, as it does where `is_plain_id` is true.
    """
    clean, plain = "trimmed_id(x)", "x"
    for setting, (value, form) in _FORMS.items():
        if getattr(rules, setting) == value:
            clean, plain = form.format(clean), form.format(plain)
    blank_at_end = " OR ".join(f"suffix(x, {quote(blank)})" for blank in _ASCII_SPACES)
    for macro in (
        # Most ids are plain ASCII, and trimming so many kinds of spaces is slow.
        f"trimmed_id(x) AS CASE WHEN regexp_full_match(x, '[!-~]*') THEN x "
        f"ELSE nfc_normalize(trim(x, {quote(_SPACES)})) END",
        f"clean_id(x) AS {clean}",
        f"clean_plain_id(x) AS {plain}",
        f"is_plain_id(x) AS ({SURELY_PRESENT}) AND strlen(x) <= {LONGEST_ID} AND strlen(x) = length(x) "
        f"AND NOT ({blank_at_end})",
    ):
        connection.execute(f"CREATE MACRO {macro}")


def find_alike_ids(connection: duckdb.DuckDBPyConnection, rules: Rules) -> tuple[AlikeIds, ...]:
    """Find ids of customers that a setting would take for one, over all tables.

    Parameters
    ----------
    connection
        The working database after the last table: `known_customers` and `quarantine` are complete.
    rules
        A setting that is set already has nothing to find.
    """
    found = []
    for setting, (value, form) in _FORMS.items():
        if getattr(rules, setting) == value:
            continue
        one = form.format("customer_id")
        # Most shops have none, and counting the forms alone is fast.
        (alike,) = only_row(connection, f"SELECT count(*) - count(DISTINCT {one}) FROM known_customers")
        example = _example(connection, one) if alike else ()
        rows = sum(_unknown_alike(connection, setting).values())
        if alike or rows:
            found.append(AlikeIds(setting, value, int(alike), example, rows))
    return tuple(found)


def _example(connection: duckdb.DuckDBPyConnection, one: str) -> tuple[str, ...]:
    """Give two known ids that are one in the form that SQL writes."""
    (example,) = only_row(
        connection,
        f"""
        SELECT any_value(example ORDER BY one) FROM (
            SELECT {one} AS one, [min(customer_id), max(customer_id)] AS example
            FROM known_customers GROUP BY one HAVING count(*) > 1)
        """,
    )
    return tuple(example)


def setting_that_joins(connection: duckdb.DuckDBPyConnection, table: str) -> str:
    """Say which setting would find most of the unknown customers of a table, with the line; empty where none would."""
    counts = {setting: _unknown_alike(connection, setting).get(table, 0) for setting in _FORMS}
    setting = max(counts, key=lambda name: counts[name])
    if not counts[setting]:
        return ""
    how = "but for the case of letters" if setting == "id_case" else "but for a .0 at the end"
    rows = f"{counts[setting]:,} of these rows have an id that equals a known one {how}. "
    return rows + paste("", {setting: _FORMS[setting][0]})


def _unknown_alike(connection: duckdb.DuckDBPyConnection, setting: str) -> dict[str, int]:
    """Count by table the rows of unknown customers whose id would be known in the form of a setting."""
    form = _FORMS[setting][1]
    rows = connection.execute(
        f"""
        SELECT "table", count(*) FROM quarantine
        WHERE reason = {quote(UNKNOWN_CUSTOMER)} AND {form.format("clean_id(cell)")} IN (
            SELECT {form.format("customer_id")} FROM known_customers)
        GROUP BY 1
        """
    ).fetchall()
    return {str(table): int(count) for table, count in rows}
