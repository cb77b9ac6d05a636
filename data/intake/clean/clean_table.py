"""The clean table: the valid rows of all files, written as Parquet, counted and digested."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from data.contracts import Contract
from data.intake.casting import attribute_values
from data.intake.raw import RawFile
from data.intake.report import TableReport
from data.intake.sources import Source
from data.intake.sql import identifier, only_row, quote
from data.intake.unread import count_payment_ids, count_states, unread_columns


def write_clean(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raws: Sequence[RawFile],
    rows: int,
    reasons: Mapping[str, int],
    attributes: Sequence[str],
    source: Source,
    working: Path,
) -> TableReport:
    """Write the valid rows of `staged` to the folder `clean`; count and digest them as they were written."""
    path = working / "clean" / f"{contract.table}.parquet"
    columns = [identifier(name) for name in contract.clean]
    columns += attribute_values(connection, attributes, source.decimal or ".")
    write_parquet(connection, f"SELECT {', '.join(columns)} FROM staged WHERE violation IS NULL", path)
    names = [*contract.clean, *attributes]
    hashed = f"hash({quote(chr(10).join(names))}, {', '.join(map(identifier, names))})"
    transactions = contract.table == "transactions"
    orders = "order_id" if transactions else "NULL AS order_id"
    without_key = "order_id IS NULL OR line_id IS NULL" if transactions else "true"
    # Rows that a key tells apart are not compared; without a key all are.
    repeated = "count(*) - count(DISTINCT hashed), 0"
    if transactions:
        kinds = ("loose", "loose AND order_id IS NOT NULL")
        repeated = ", ".join(f"count(*) FILTER ({kind}) - count(DISTINCT hashed) FILTER ({kind})" for kind in kinds)
    row = only_row(
        connection,
        f"""
        SELECT count(*), sum(hashed::HUGEINT), {repeated}
        FROM (SELECT {orders}, {hashed} AS hashed, {without_key} AS loose FROM read_parquet({quote(str(path))}))
        """,
    )
    return TableReport(
        files=tuple(raw.name for raw in raws),
        columns=names_in_files(raws),
        left_out=sum(raw.left_out for raw in raws),
        rows_read=rows,
        rows_valid=int(row[0]),
        set_aside=sum(reasons.values()),
        reasons=reasons,
        identical_lines=int(row[2]),
        identical_of_orders=int(row[3]),
        digest=f"{int(row[1]):032x}",
        unread=unread_columns(raws),
        states=count_states(connection, raws),
        payment_ids=count_payment_ids(connection, raws) if transactions else 0,
        written=tuple(sorted({raw.written for raw in raws})),
    )


def names_in_files(raws: Sequence[RawFile]) -> dict[str, str]:
    """Return the name in the files of each column that was read: that of the first file where they differ."""
    return {name: raw.header[at] for raw in reversed(raws) for name, at in raw.columns.items()}


def write_parquet(connection: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write the rows of a query to a Parquet file."""
    connection.execute(f"COPY ({query}) TO {quote(str(path))} (FORMAT parquet)")
