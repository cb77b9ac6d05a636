"""Customers of whom several files tell different things: their rows become one, where none contradicts another."""

from collections.abc import Sequence

import duckdb

from data.intake.sql import identifier, only_row


def join_rows_of_customers(connection: duckdb.DuckDBPyConnection, columns: Sequence[str]) -> int:
    """Join the rows that files hold of one customer from one date on; return how many rows were joined to others.

    Files may each hold other columns, which the others leave empty. A customer with two rows in one file, or with two
    values in one column, is left as found.

    Parameters
    ----------
    connection
        The working database, whose table `staged` holds the customers.
    columns
        The columns of a row, the customer and the date among them.
    """
    told = [name for name in columns if name not in ("customer_id", "valid_from")]
    agree = "".join(f" AND count(DISTINCT {identifier(name)}) < 2" for name in told)
    whole = ", ".join(f"max({identifier(name)}) AS {identifier(name)}" for name in told)
    connection.execute(
        f"""
        CREATE TABLE joined AS
        SELECT arg_min(rowid, (file, line)) AS row, list(rowid) AS every{f", {whole}" if whole else ""}
        FROM staged WHERE violation IS NULL GROUP BY customer_id, valid_from
        HAVING count(*) > 1 AND count(*) = count(DISTINCT file){agree}
        """
    )
    try:
        rows = int(only_row(connection, "SELECT coalesce(sum(len(every) - 1), 0) FROM joined")[0])
        if rows and told:
            values = ", ".join(f"{identifier(name)} = joined.{identifier(name)}" for name in told)
            connection.execute(f"UPDATE staged SET {values} FROM joined WHERE staged.rowid = joined.row")
        if rows:
            connection.execute(
                "DELETE FROM staged WHERE rowid IN (SELECT r FROM (SELECT unnest(every) AS r, row FROM joined) "
                "WHERE r <> row)"
            )
    finally:
        connection.execute("DROP TABLE joined")
    return rows
