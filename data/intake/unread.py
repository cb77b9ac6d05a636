"""The columns of the files that nothing is read from: states of orders, and ids of payment systems."""

from collections import Counter
from collections.abc import Mapping, Sequence

import duckdb

from data.intake.raw import RawFile
from data.intake.reading.matching import normalise_name
from data.intake.sql import only_row

_STATES = {
    *("status", "orderstatus", "financialstatus", "paymentstatus", "transactionstatus", "paymentstate", "orderstate"),
    *(
        "statut",
        "bestellstatus",
        "zahlungsstatus",
        "状态",
        "订单状态",
        "支付状态",
        "交易状态",
        "статус",
        "статусзаказа",
    ),
    *("статусоплаты", "состояние", "estado", "stato"),
}
KINDS = {"type", "transactiontype", "entrytype", "recordtype", "typ", "tipo"}
"""Names, as `normalise_name` writes them, of columns that say whether an order was paid, cancelled or refunded, and
of columns that may say whether a row is a sale at all."""

PAYMENT_ID = "^(ch|py|pi|in|txn|cus|sub|re|il|ii|cs|pyr)_[A-Za-z0-9]+"
"""How ids begin in payment systems that count in cents."""

_MOST_VALUES = 20
"""A column with more values tells something else."""


def unread_columns(raws: Sequence[RawFile]) -> tuple[str, ...]:
    """List the columns of the files that nothing is read from, in the order in which they appear."""
    names: dict[str, None] = {}
    for raw in raws:
        names |= dict.fromkeys([*(name for _, name in _unread(raw)), *raw.unread])
    return tuple(names)


def tells_state(name: str) -> bool:
    """Whether a column with this name says whether an order was paid, cancelled or refunded, or what a row is."""
    return normalise_name(name) in _STATES | KINDS


def count_states(connection: duckdb.DuckDBPyConnection, raws: Sequence[RawFile]) -> Mapping[str, Mapping[str, int]]:
    """Count the rows by each unread column that tells the state of an order.

    Returns
    -------
    mapping
        Column -> value as it is written -> rows, the commonest value first.
    """
    counts: dict[str, Counter[str]] = {}
    for raw in raws:
        for place, name in _unread(raw):
            if tells_state(name):
                rows = connection.execute(
                    f"SELECT trim(c{place}::VARCHAR) AS value, count(*) FROM {raw.relation} WHERE shape = 0 "
                    f"GROUP BY value HAVING value <> '' ORDER BY count(*) DESC, value LIMIT {_MOST_VALUES + 1}"
                ).fetchall()
                counts.setdefault(name, Counter()).update(dict(rows))
    return {name: dict(values.most_common()) for name, values in counts.items() if 0 < len(values) <= _MOST_VALUES}


def count_payment_ids(connection: duckdb.DuckDBPyConnection, raws: Sequence[RawFile]) -> int:
    """Count the rows with an id as of payment systems that count in cents, in an unread column that is named an id."""
    rows = 0
    for raw in raws:
        places = [place for place, name in _unread(raw) if normalise_name(name).endswith("id")]
        if places:
            has_one = " OR ".join(f"regexp_matches(trim(c{place}::VARCHAR), '{PAYMENT_ID}')" for place in places)
            query = f"SELECT count(*) FILTER ({has_one}) FROM {raw.relation} WHERE shape = 0"
            rows += int(only_row(connection, query)[0])
    return rows


def _unread(raw: RawFile) -> list[tuple[int, str]]:
    used = {*raw.columns.values(), *(place for each in raw.computed.values() for place in each.columns)}
    return [(place, name) for place, name in enumerate(raw.header) if name and place not in used]
