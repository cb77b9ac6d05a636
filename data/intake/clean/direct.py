"""A table in one Parquet file: its valid rows go straight from the file into the clean table.

Nothing holds them in between. The few rows that are set aside come to `staged`, in a second look at the file.
"""

from collections.abc import Sequence
from pathlib import Path

import duckdb

from data.contracts import Contract
from data.intake.casting import Readings, read_value
from data.intake.checks import CheckedRows
from data.intake.clean.clean_table import write_parquet
from data.intake.clean.hashes import count_repeated
from data.intake.raw import RawFile
from data.intake.rules import Rules
from data.intake.sources import Source
from data.intake.sql import identifier, only_row


def is_read_alone(
    connection: duckdb.DuckDBPyConnection,
    contract: Contract,
    raws: Sequence[RawFile],
    readings: Sequence[Readings],
    source: Source,
    rules: Rules,
) -> bool:
    """Whether each row of a table can be judged without the others: none repeats a line, all customers are known.

    Files in text are kept as tables while they are read, so that nothing would be saved; what an attribute of customers
    is, all of its values tell.
    """
    if len(raws) != 1 or not raws[0].is_view or contract.keeps_attributes:
        return False
    if source.repeated != "keep" or rules.protection.forgotten:
        return False
    raw = raws[0]
    cells = {
        column.name: read_value(column, *raw.place(column.name), readings[0], rules.timezone).cell
        for column in contract.columns
        if column.kind == "id"
    }
    if contract.table == "transactions":
        order, line = cells["order_id"], cells["line_id"]
        keys = f"hash({order}, {line}) FROM {raw.relation} WHERE {order} IS NOT NULL AND {line} IS NOT NULL"
        rows = int(only_row(connection, f"SELECT count(*) FROM {raw.relation}")[0])
        return not count_repeated(connection, keys, rows)
    unknown = f"SELECT 1 FROM {raw.relation} WHERE {cells['customer_id']} NOT IN (FROM known_customers) LIMIT 1"
    return connection.execute(unknown).fetchone() is None


def write_directly(
    connection: duckdb.DuckDBPyConnection, contract: Contract, raw: RawFile, rows: CheckedRows, path: Path
) -> None:
    """Write the valid rows of a file to the clean table, and put the others into `staged`."""
    columns = ", ".join(map(identifier, contract.clean))
    valid = write_parquet(connection, f"SELECT {columns} FROM ({rows.query}) WHERE violation IS NULL", path)
    if valid < only_row(connection, f"SELECT count(*) FROM {raw.relation}")[0]:
        rows.insert(connection, "violation IS NOT NULL")
