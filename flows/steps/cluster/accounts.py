"""Accounts that outweigh the others, found on a cluster: a few rows, and sums."""

from collections.abc import Sequence

import ibis
import ibis.expr.types as ir

from models.monitoring.large_accounts import (
    ACCOUNT_SUMS,
    EACH,
    MOST_NAMED,
    ORDERS,
    WORTH,
    ScoredAccounts,
    scored_accounts,
)


def accounts_there(scored: ir.Table) -> ScoredAccounts | None:
    """Find accounts with a large share of expected revenue or purchases, as of scores on one machine.

    Parameters
    ----------
    scored : ibis.expr.types.Table
        Kept scores of everyone.
    """
    rows = scored.mutate(**{ORDERS: scored.frequency.cast("float64") + 1.0})

    def largest(name: str) -> list[tuple[str, float]]:
        first = rows.filter(rows[name].notnull()).order_by([ibis.desc(name), "customer_id"]).limit(MOST_NAMED)
        return [(row["customer_id"], row[name]) for row in first.select("customer_id", name).to_pyarrow().to_pylist()]

    def sums(names: Sequence[str]) -> dict[str, float]:
        left = rows.filter(~rows.customer_id.isin(list(names))) if names else rows
        sums_of = {name: left[name].sum() for name in ACCOUNT_SUMS}
        [found] = left.agg(customers=left.count(), **sums_of, **{EACH: left[WORTH].mean()}).to_pyarrow().to_pylist()
        return {name: float("nan") if value is None else value for name, value in found.items()}

    return scored_accounts(largest, sums)
