"""Orders and accounts that are far larger than all others, and what is fitted without them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import ibis.expr.types as ir

from features.purchases import purchase_days, purchase_summary
from features.returns.kept import everyone_matched
from features.tables import Tables
from models.purchases.fit import PurchaseFit, fit_purchase_models
from models.recipe import PurchaseModel

# One order is far larger than the next from here on.
TIMES_THE_NEXT = 100.0
# An account is large from this share on, and where it is so many times the average: each of five has a fifth.
LARGE_SHARE, TIMES_AVERAGE = 0.1, 5
# More than so many accounts cannot have a tenth each and be named one by one.
MOST_NAMED = 3


@dataclass(frozen=True)
class LargeOrder:
    """A customer's day whose value is far above that of every other.

    Attributes
    ----------
    customer_id : str
    day : datetime.date
    value, next_value : float
        Of the day, and of the largest other day.
    """

    customer_id: str
    day: date
    value: float
    next_value: float


@dataclass(frozen=True)
class LargeAccount:
    """A customer with a large share of a total, such as "revenue so far"."""

    customer_id: str
    of_what: str
    share: float


def large_order(tables: Tables, as_of: date) -> LargeOrder | None:
    """Return the largest purchase day before a date where it is `TIMES_THE_NEXT` times the next one, else None."""
    days = purchase_days(tables.transactions, everyone_matched(tables, as_of))
    largest = days.order_by([days.net.desc(), "customer_id", "day"]).limit(2).select("customer_id", "day", "net")
    rows = largest.to_pyarrow().to_pylist()
    if len(rows) < 2:
        return None
    first, second = (float(row["net"]) for row in rows)
    if second <= 0 or first < TIMES_THE_NEXT * second:
        return None
    return LargeOrder(rows[0]["customer_id"], rows[0]["day"], first, second)


def is_large(share: float, customers: int) -> bool:
    """Whether a share of a total is that of a large account, among so many customers."""
    return share > LARGE_SHARE and share * customers > TIMES_AVERAGE


def large_accounts(tables: Tables, as_of: date) -> tuple[LargeAccount, ...]:
    """Return the accounts with a large share of the revenue or of the purchases before a date, the largest first."""
    summary = purchase_summary(tables, as_of)
    counted = summary.select(
        "customer_id",
        purchases=(summary.frequency + 1).cast("int64"),
        revenue=summary.total_value.cast("decimal(38, 4)"),
    )
    found: list[LargeAccount] = []
    for what, name in (("revenue so far", "revenue"), ("purchases so far", "purchases")):
        totals = counted.aggregate(total=counted[name].sum(), customers=counted.count()).to_pyarrow().to_pylist()[0]
        largest = counted.order_by([counted[name].desc(), "customer_id"]).limit(MOST_NAMED)
        for row in largest.select("customer_id", name).to_pyarrow().to_pylist():
            share = float(row[name]) / float(totals["total"]) if totals["total"] else 0.0
            if is_large(share, totals["customers"]):
                found.append(LargeAccount(row["customer_id"], what, share))
    return tuple(found)


WORTH, ORDERS, EACH = "expected_revenue", "orders", "revenue_each"
"""Of scores, names of sums: the expected revenue, the purchases so far, and the mean of the first."""
ACCOUNT_SUMS = (ORDERS, "expected_purchases", WORTH, "clv")


@dataclass(frozen=True)
class ScoredAccounts:
    """Accounts with a large share of what is scored.

    Attributes
    ----------
    shares : tuple of LargeAccount
        Of the expected revenue and of the purchases so far, the largest first.
    everyone, others : Mapping of str to float
        Sums of all customers, and of all but these: customers, each of `ACCOUNT_SUMS` (NaN where nothing is forecast),
        and under `EACH` the mean expected revenue.
    """

    shares: tuple[LargeAccount, ...]
    everyone: Mapping[str, float]
    others: Mapping[str, float]

    @property
    def names(self) -> tuple[str, ...]:
        """The customers, each once."""
        return tuple(dict.fromkeys(each.customer_id for each in self.shares))


def scored_accounts(
    largest: Callable[[str], Iterable[tuple[str, float]]], sums: Callable[[Sequence[str]], Mapping[str, float]]
) -> ScoredAccounts | None:
    """Find accounts with a large share of the expected revenue or of the purchases so far; None where there are none.

    Parameters
    ----------
    largest
        Gives the `MOST_NAMED` customers with most of a column, with the value, the largest first.
    sums
        Gives the sums of `ScoredAccounts` of all but some customers.
    """
    everyone, shares = sums(()), []
    for name, words in {WORTH: "the expected revenue", ORDERS: "the purchases so far"}.items():
        for customer, value in largest(name):
            share = value / everyone[name] if everyone[name] > 0 else 0.0
            if is_large(share, int(everyone["customers"])):
                shares.append(LargeAccount(customer, words, share))
    if not shares:
        return None
    return ScoredAccounts(tuple(shares), everyone, sums([each.customer_id for each in shares]))


def fit_without(
    tables: Tables, as_of: date, customers: tuple[str, ...], purchase_model: PurchaseModel
) -> tuple[ir.Table, PurchaseFit]:
    """Fit the purchase models on everyone but some customers.

    Returns
    -------
    tuple of (ibis.expr.types.Table, PurchaseFit)
        The summary of the others, and the fit on it.

    Raises
    ------
    InputError
        If nothing can be fitted without them.
    """
    summary = purchase_summary(tables, as_of)
    others = summary.filter(~summary.customer_id.isin(customers))
    return others, fit_purchase_models(others, purchase_model)
