"""Pseudonyms within the working database: SQL that makes them, and the rows of customers who are forgotten."""

import duckdb

from data.contracts import CONTRACTS
from data.intake.raw import RawFile
from data.intake.sql import quote
from data.pseudonyms import DIGITS, FORM, Protection

KEPT_OUT = ("comment",)
"""Columns of a contract that may name anyone: where pseudonyms stand for ids, no row that is set aside keeps them."""


def create_customer_macros(connection: duckdb.DuckDBPyConnection, protection: Protection) -> None:
    """Define `customer`, through which each clean id of a customer goes, and what is needed for it.

    The key enters as variables: it stands in no text of SQL, which errors repeat. To be called after `clean_id` is
    defined and the table `known_customers` is there.
    """
    connection.execute("CREATE TABLE forgotten (pseudonym VARCHAR)")
    if protection.key is None:
        connection.execute("CREATE MACRO customer(x) AS x")
        return
    inner, outer = protection.key.pads
    connection.execute("SET VARIABLE inner_pad = $1", [inner])
    connection.execute("SET VARIABLE outer_pad = $1", [outer])
    hashed = "sha256(getvariable('outer_pad') || unhex(sha256(getvariable('inner_pad') || encode(x))))"
    for macro in (
        f"pseudonym(x) AS CASE WHEN length(x) = {DIGITS + 1} AND regexp_full_match(x, {quote(FORM)}) THEN x "
        f"ELSE 'p' || left({hashed}, {DIGITS}) END",
        f"customer(x) AS {'pseudonym(x)' if protection.is_pseudonymous else 'x'}",
        "masked(x) AS CASE WHEN pseudonym(clean_id(x)) IN (SELECT customer_id FROM known_customers) "
        "THEN pseudonym(clean_id(x)) ELSE x END",
    ):
        connection.execute(f"CREATE MACRO {macro}")
    if protection.forgotten:
        connection.executemany("INSERT INTO forgotten VALUES (?)", [[each] for each in sorted(protection.forgotten)])


def drop_forgotten(connection: duckdb.DuckDBPyConnection, raw: RawFile, number: int, protection: Protection) -> int:
    """Take the rows of customers who are forgotten out of `staged`, and count them.

    Parameters
    ----------
    connection
        The working database.
    raw, number
        A file, and its number in `staged`. Its rows that break their contract go where any of their cells is the id
        of such a customer, for their columns may have been taken wrongly.
    protection
        Says who is forgotten.
    """
    if not protection.forgotten:
        return 0
    cells = ", ".join(f"CAST(c{k} AS VARCHAR)" for k in range(len(raw.header)))
    row = connection.execute(
        f"""
        DELETE FROM staged WHERE file = {number} AND (
            customer_id IN (
                SELECT id FROM (SELECT DISTINCT customer_id AS id FROM staged WHERE file = {number})
                WHERE pseudonym(id) IN (SELECT pseudonym FROM forgotten))
            OR line IN (
                SELECT line FROM (
                    SELECT line, unnest(coalesce(odd, [{cells}])) AS cell FROM {raw.relation}
                    WHERE line IN (SELECT line FROM staged WHERE file = {number} AND violation IS NOT NULL))
                WHERE pseudonym(clean_id(cell)) IN (SELECT pseudonym FROM forgotten)))
        """
    ).fetchone()
    return int(row[0]) if row else 0


def kept_of_record(raw: RawFile, table: str, protection: Protection) -> dict[str, str]:
    """Name the columns of a row set aside that are kept with it, each with SQL for its cell.

    Where pseudonyms stand for ids these are the columns that are read, and an id is nowhere in them: `who` is the
    customer of the row, and other cells go through `masked`.
    """
    if not protection.is_pseudonymous:
        return {name: f"CAST(c{k} AS VARCHAR)" for k, name in enumerate(raw.header)}
    kept = {name: at for name, at in raw.columns.items() if name in CONTRACTS[table].names and name not in KEPT_OUT}
    return {raw.header[at]: shown_cell(name, at, protection) for name, at in kept.items()}


def shown_cell(name: str, at: int, protection: Protection) -> str:
    """Write SQL for the cell of a column of a contract, as it is kept with a row set aside."""
    cell = f"CAST(c{at} AS VARCHAR)"
    if not protection.is_pseudonymous:
        return cell
    return "who" if name == "customer_id" else "NULL" if name in KEPT_OUT else f"masked({cell})"
