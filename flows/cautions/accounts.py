"""One order or account that outweighs the others: it is named, with what the figures are without it."""

from collections.abc import Sequence
from datetime import date

import ibis.expr.types as ir
import pandas as pd

from data.errors import InputError
from features.describe import materialise
from features.purchases import purchase_summary
from features.tables import Tables
from flows.reports.sections import Section, number
from models.monitoring.large_accounts import (
    ACCOUNT_SUMS,
    EACH,
    MOST_NAMED,
    ORDERS,
    WORTH,
    ScoredAccounts,
    fit_without,
    large_accounts,
    large_order,
    scored_accounts,
)
from models.purchases.fit import PurchaseFit, fit_purchases_at
from models.recipe import Recipe
from models.scoring.bg_nbd import new_customer_expected_purchases
from models.scoring.gamma_gamma import expected_spend

TITLE = "Large accounts"
ACCOUNT_COLUMNS = ("customer_id", "frequency", "expected_purchases", "expected_revenue", "clv")
"""What is read of the scores."""


def fitted_accounts_section(tables: Tables, as_of: date, recipe: Recipe) -> Section | None:
    """Name orders and accounts that outweigh others, and show what is fitted without them; None where there are none.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.
    recipe : Recipe
        Its horizon and purchase model are used.
    """
    order, accounts = large_order(tables, as_of), large_accounts(tables, as_of)
    sentences = [
        f"Customer {each.customer_id} makes {_percent(each.share)} of the {each.of_what}." for each in accounts
    ]
    if order is not None:
        sentences.insert(
            0,
            f"The purchase of customer {order.customer_id} on {order.day}, {order.value:,.2f}, is "
            f"{order.value / order.next_value:,.0f} times the next largest ({order.next_value:,.2f}).",
        )
    names = tuple(dict.fromkeys([*([order.customer_id] if order else []), *(each.customer_id for each in accounts)]))
    if not names:
        return None
    horizon, model = recipe.horizon, recipe.purchase_model
    fit = fit_purchases_at(tables, as_of, model)
    if fit.purchases is None:
        return Section(TITLE, tuple(sentences))
    rows = {"all": _figures(purchase_summary(tables, as_of), fit, horizon)}
    try:
        rows["without"] = _figures(*fit_without(tables, as_of, names, model), horizon)
    except InputError as error:
        return Section(TITLE, (*sentences, f"Without {_joined(names)} nothing can be fitted: {error}"))
    table = pd.DataFrame(rows).fillna("–").rename_axis("fitted on").reset_index()
    table = table.rename(columns={"all": "everyone", "without": f"without {_joined(names)}"})
    return Section(TITLE, (*sentences, _advice(names)), table)


def accounts_of(scores: pd.DataFrame) -> ScoredAccounts | None:
    """Find accounts with a large share of expected revenue or purchases.

    Parameters
    ----------
    scores : pandas.DataFrame
        The columns `ACCOUNT_COLUMNS` of the published table.
    """
    frame = scores.assign(orders=scores["frequency"] + 1.0)

    def largest(name: str) -> list[tuple[str, float]]:
        rows = frame.nlargest(MOST_NAMED, name)
        return list(zip(rows["customer_id"], rows[name], strict=True))

    def sums(names: Sequence[str]) -> dict[str, float]:
        rows = frame[~frame["customer_id"].isin(names)]
        found = {name: float(rows[name].sum(min_count=1)) for name in ACCOUNT_SUMS}
        return {"customers": len(rows), **found, EACH: float(rows[WORTH].mean())}

    return scored_accounts(largest, sums)


def scored_accounts_section(accounts: ScoredAccounts, currency: str | None) -> Section:
    """Name accounts with a large share of expected revenue or purchases, and show the totals without them.

    Parameters
    ----------
    accounts : ScoredAccounts
        The accounts, and the sums.
    currency : str or None
        Of the amounts.
    """
    sentences = [
        f"Customer {each.customer_id} makes {_percent(each.share)} of {each.of_what}." for each in accounts.shares
    ]
    unit = f", {currency}" if currency else ""
    both = (accounts.everyone, accounts.others)
    rows = [
        ("customers", *(f"{each['customers']:,}" for each in both)),
        *(
            # An en dash where nothing is forecast.
            (title, *(number(each[name], 0 if name == ORDERS else 2) for each in both))
            for name, title in (
                (ORDERS, "purchases so far"),
                ("expected_purchases", "expected purchases"),
                (WORTH, f"expected revenue{unit}"),
                ("clv", f"lifetime value{unit}"),
                (EACH, f"expected revenue a customer{unit}"),
            )
        ),
    ]
    table = pd.DataFrame(rows, columns=["in all", "everyone", f"without {_joined(accounts.names)}"])
    note = "The scorer learned from them, too: the report of the retraining tells what it is without them."
    return Section(TITLE, (*sentences, note), table)


def _figures(summary: ir.Table, fit: PurchaseFit, horizon: int) -> dict[str, str]:
    base = materialise(summary)
    figures = {
        "customers": f"{len(base):,}",
        "purchases so far": f"{base['frequency'].sum() + len(base):,.0f}",
        "revenue so far": number(float(base["total_value"].sum()), 2),
        "value of a purchase, of a new customer": number(float(expected_spend(0.0, 0.0, fit.spend)), 2),
    }
    if fit.purchases is None:
        return figures
    predicted = fit.predict(base, horizon)
    of_new = float(new_customer_expected_purchases(float(horizon), fit.purchases))
    return {
        **figures,
        f"purchases of a new customer in {horizon} days": number(of_new, 3),
        f"expected purchases in {horizon} days": number(float(predicted["expected_purchases"].sum()), 2),
        f"expected revenue in {horizon} days": number(float(predicted["expected_revenue"].sum()), 2),
    }


def _advice(names: Sequence[str]) -> str:
    literals = ", ".join("'" + name.replace("'", "''") + "'" for name in names)
    condition = f"customer_id <> {literals}" if len(names) == 1 else f"customer_id not in ({literals})"
    return (
        "The figures are of the purchase models alone, without a second stage. What is a mistake or no customer of the "
        f'kind to be scored is left out by rows = "{condition}" under [formats.transactions], with your column names.'
    )


def _joined(names: Sequence[str]) -> str:
    return " and ".join(names)


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %"
