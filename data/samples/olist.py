"""The Brazilian E-Commerce Public Dataset by Olist, taken into our tables.

The files must have the names and columns of the public release, as ``.csv`` or ``.csv.gz``. They become these tables:

- A customer is a ``customer_unique_id``; the files' ``customer_id`` is one per order. State and city are
  those of the customer's first order, so that they were known from then on (``valid_from``).
- A transaction is an item of an order; its store is the seller. The amount is the price alone: freight is
  passed on to the carrier and is no revenue of the shop. A sale is an order that has items and did not end
  ``canceled`` or ``unavailable``. Nothing was sold in those. The files do not say when they were cancelled, so they
  cannot be booked as a sale and a later return.
- An answer is the review of one order, with its score 1-5 under the question ``csat``. A review of two orders is two
  rows, as published. Reviews of orders that are no sales are kept too.
- Events: ``promised`` at the purchase (value: days promised, due_at: the date); ``delivered`` when it arrived
  (value: calendar days late, negative when early; due_at as in its ``promised`` event); ``shipped`` when it
  was handed to the carrier (value: days since the purchase); ``payment`` and ``freight`` at the purchase
  (value: instalments; freight charged for the order). Every order has a promise, whatever its status: the
  files give the status of the day they were made, which nobody knew before.
"""

import logging
from pathlib import Path

import duckdb

from data.errors import InputError
from data.secrecy.showing import shown_location

_log = logging.getLogger(__name__)

# File (without olist_ and _dataset.csv) -> columns that must be there -> type.
FILES: dict[str, dict[str, str]] = {
    "customers": {
        "customer_id": "VARCHAR",
        "customer_unique_id": "VARCHAR",
        "customer_city": "VARCHAR",
        "customer_state": "VARCHAR",
    },
    "orders": {
        "order_id": "VARCHAR",
        "customer_id": "VARCHAR",
        "order_status": "VARCHAR",
        "order_purchase_timestamp": "TIMESTAMP",
        "order_delivered_carrier_date": "TIMESTAMP",
        "order_delivered_customer_date": "TIMESTAMP",
        "order_estimated_delivery_date": "TIMESTAMP",
    },
    "order_items": {
        "order_id": "VARCHAR",
        "order_item_id": "VARCHAR",
        "product_id": "VARCHAR",
        "seller_id": "VARCHAR",
        "price": "DECIMAL(18, 4)",
        "freight_value": "DECIMAL(18, 4)",
    },
    "order_payments": {"order_id": "VARCHAR", "payment_installments": "INTEGER"},
    "order_reviews": {
        "order_id": "VARCHAR",
        "review_score": "INTEGER",
        "review_creation_date": "TIMESTAMP",
        "review_answer_timestamp": "TIMESTAMP",
    },
    "products": {"product_id": "VARCHAR", "product_category_name": "VARCHAR"},
}
# Columns of the public release that some copies of it lack.
OPTIONAL = {"order_reviews": {"review_comment_message": "VARCHAR"}}

# One row per order. Where a customer has several orders promised for the same date, the due_at of each later one is a
# microsecond later, so that customer and due_at together say which delivery belongs to which promise.
_PLACED = """
create table placed as
select *, order_estimated_delivery_date + to_microseconds(row_number() over (
        partition by customer_unique_id, order_estimated_delivery_date
        order by order_purchase_timestamp, order_id) - 1) as due_at,
    order_status not in ('canceled', 'unavailable') as is_sale
from orders join customers using (customer_id)
"""

TABLES = {
    "transactions": """
select customer_unique_id as customer_id, order_purchase_timestamp as ts, price as amount, order_id,
    order_item_id as line_id, product_category_name as category, seller_id as store, 1 as quantity
from order_items join placed using (order_id) left join products using (product_id)
where is_sale order by ts, order_id, try_cast(order_item_id as integer), order_item_id
""",
    "answers": """
select customer_unique_id as customer_id, 'csat' as question, '1-5' as scale,
    review_creation_date as invited_at, review_answer_timestamp as answered_at, review_score as score,
    review_comment_message as comment
from order_reviews join placed using (order_id) order by invited_at, answered_at, order_id, score
""",
    "events": """
select customer_unique_id as customer_id, ts, kind, value::decimal(18, 4) as value, event.due_at, available_at
from placed join (
    select order_id, order_purchase_timestamp as ts, 'promised' as kind,
        date_diff('day', order_purchase_timestamp, due_at) as value, due_at, ts as available_at
    from placed
    union all
    select order_id, order_delivered_customer_date, 'delivered',
        date_diff('day', due_at, order_delivered_customer_date), due_at,
        greatest(order_delivered_customer_date, order_purchase_timestamp)
    from placed where order_delivered_customer_date is not null
    union all
    select order_id, order_delivered_carrier_date, 'shipped',
        date_diff('day', order_purchase_timestamp, order_delivered_carrier_date), null,
        greatest(order_delivered_carrier_date, order_purchase_timestamp)
    from placed where order_delivered_carrier_date is not null
    union all
    select order_id, order_purchase_timestamp, 'payment', payment_installments, null, order_purchase_timestamp
    from order_payments join placed using (order_id)
    union all
    select order_id, any_value(order_purchase_timestamp), 'freight', sum(freight_value), null,
        any_value(order_purchase_timestamp)
    from order_items join placed using (order_id) group by order_id
) as event using (order_id) order by ts, order_id, kind, value
""",
    "customers": """
select customer_unique_id as customer_id, order_purchase_timestamp as valid_from,
    customer_state as state, customer_city as city
from placed qualify row_number() over (
    partition by customer_unique_id order by order_purchase_timestamp, order_id) = 1
order by customer_id
""",
}

_KEYS = {"customers": "customer_id", "orders": "order_id", "products": "product_id"}

# Rows that are left out of the tables, or kept although they look odd: counted and logged.
_COUNTS = {
    "orders left out: their customer is not among the customers": """
select count(*) from orders anti join customers using (customer_id)""",
    "items left out: their order is not among the orders": """
select count(*) from order_items anti join placed using (order_id)""",
    "payments left out: their order is not among the orders": """
select count(*) from order_payments anti join placed using (order_id)""",
    "reviews left out: their order is not among the orders": """
select count(*) from order_reviews anti join placed using (order_id)""",
    "items left out of the transactions: their order ended canceled or unavailable": """
select count(*) from order_items join placed using (order_id) where not is_sale""",
    "orders without a transaction: canceled, unavailable or without items": """
select count(*) from placed where not is_sale or order_id not in (select order_id from order_items)""",
    "reviews kept, though dated before their order": """
select count(*) from order_reviews join placed using (order_id)
where review_creation_date < order_purchase_timestamp""",
}


def write_olist(source: Path, folder: Path) -> dict[str, Path]:
    """Take the public Olist files in a folder into our tables.

    What is left out is counted and logged.

    Parameters
    ----------
    source : Path
        The folder with ``olist_orders_dataset.csv`` and the other files of the public release, each as
        ``.csv`` or ``.csv.gz``: customers, orders, order_items, order_payments, order_reviews, products.
    folder : Path
        Where the Parquet files are written; made where it is not there.

    Returns
    -------
    dict of str to Path
        ``transactions``, ``answers``, ``events``, ``customers``: tables as the intake reads them.

    Raises
    ------
    InputError
        If a file or a column is missing, a file cannot be read, a cell is not of its column's type, or a
        key that must be unique is not.
    """
    files = find_olist(source)
    with duckdb.connect() as connection:
        for name, columns in FILES.items():
            _load(connection, files[name], name, columns, OPTIONAL.get(name, {}))
        connection.execute(_PLACED)
        for what, query in _COUNTS.items():
            [(count,)] = connection.execute(query).fetchall()
            _log.info("Olist: %d %s.", count, what)
        folder.mkdir(parents=True, exist_ok=True)
        paths = {name: folder / f"{name}.parquet" for name in TABLES}
        for name, query in TABLES.items():
            connection.sql(query).write_parquet(str(paths[name]))
    return paths


def find_olist(source: Path) -> dict[str, Path]:
    """Find all files of the release in a folder.

    Raises
    ------
    InputError
        It is no folder, or a file is missing.
    """
    if not source.is_dir():
        raise InputError(f"The Olist files are read from a folder; {shown_location(str(source))} is not one.")
    return {name: _find(source, name) for name in FILES}


def _find(source: Path, name: str) -> Path:
    """Find a file of the release, packed or not."""
    plain = source / f"olist_{name}_dataset.csv"
    for path in (plain, plain.with_name(plain.name + ".gz")):
        if path.is_file():
            return path
    files = ", ".join(sorted(path.name for path in source.glob("*.csv*"))) or "no CSV file"
    raise InputError(f"{plain.name} (or {plain.name}.gz) is not in {source}, which holds: {files}.")


def _load(
    connection: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    columns: dict[str, str],
    optional: dict[str, str],
) -> None:
    """Load a file into a table of the given columns; optional ones that are not there become null."""
    try:
        connection.execute(
            """
            create or replace temp table cells as select row_number() over () + 1 as record, *
            from read_csv($path, all_varchar = true, header = true, delim = ',', quote = '"', escape = '"')
            """,
            {"path": str(path)},
        )
    except duckdb.Error as error:
        raise InputError(f"{path} cannot be read as a CSV file: {str(error).splitlines()[0]}") from error
    header = [column for column, *_ in connection.execute("describe cells").fetchall()][1:]
    missing = [column for column in columns if column not in header]
    if missing:
        raise InputError(f"{path} lacks the columns {', '.join(missing)}; it has: {', '.join(header)}.")
    for column, kind in columns.items():
        wrong = connection.execute(
            f"select record, {column} from cells "
            f"where try_cast({column} as {kind}) is null and {column} is not null order by record limit 1"
        ).fetchall()
        if wrong:
            raise InputError(f"{path}, record {wrong[0][0]}, column {column}: {wrong[0][1]!r} is no {kind}.")
    kept = [f"{column}::{kind} as {column}" for column, kind in columns.items()]
    kept += [f"{column if column in header else 'null'}::{kind} as {column}" for column, kind in optional.items()]
    connection.execute(f"create table {name} as select {', '.join(kept)} from cells")
    if key := _KEYS.get(name):
        repeated = connection.execute(
            f"select {key} from {name} group by {key} having count(*) > 1 order by {key} limit 1"
        ).fetchall()
        if repeated:
            raise InputError(f"{path}: {key} must be unique, {repeated[0][0]!r} is there more than once.")
