"""Returns to come: the curve beside its truth, and expected revenue without bias in shops whose orders come back."""

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.tables import Tables
from models.purchases.returns_to_come import FEWEST_RETURNS, kept_by_age, returns_to_come_at, survival_of_money
from models.recipe import Recipe
from models.release.rolling import BG, backtest_at
from models.scoring.gamma_gamma import kept_spend, to_come, to_come_until
from models.scoring.parameters import PurchaseParameters, ReturnsToCome

START, CUTOFF, HORIZON = date(2022, 1, 1), date(2023, 3, 27), 90
END = CUTOFF + timedelta(days=HORIZON)
CURVE = ReturnsToCome(lags=(0, 10), kept=(0.9, 0.6), share=0.05)


def simulate_orders(customers, seed):
    """Orders of customers who buy at gamma rates, leave with beta chances and spend gamma values; day 0 is START."""
    rng = np.random.default_rng(seed)
    time = rng.uniform(0, 380, customers)
    rate, leaves, mean = rng.gamma(1.0, 1 / 40, customers), rng.beta(0.8, 6, customers), rng.gamma(6, 15.0, customers)
    who, parts = np.arange(customers), []
    while who.size:
        amount = rng.gamma(4, mean[who] / 4).round(2) + 0.01
        parts.append(pd.DataFrame({"customer": who, "day": time, "amount": amount}))
        stays = rng.random(who.size) >= leaves[who]
        who, time = who[stays], time[stays]
        time = time + rng.exponential(1 / rate[who])
        who, time = who[time < 700], time[time < 700]
    return pd.concat(parts, ignore_index=True), rng


def shop_of(orders):
    """Tables of a shop in which `back` of an order comes back `lag` days later, under the id `receipt`."""
    returns = orders[orders["back"] > 0]
    returns = returns.assign(day=returns.day + returns.lag, amount=-returns["back"], order=returns.receipt)
    lines = pd.concat([orders.assign(order=orders.index.astype(str)), returns])
    ts = (pd.Timestamp(START) + pd.to_timedelta((lines.day * 86_400).round(), unit="s")).astype("datetime64[us]")
    columns = {"customer_id": lines.customer.astype(str), "ts": ts, "available_at": ts, "amount": lines.amount.round(2)}
    table = ibis.memtable(pd.DataFrame({**columns, "order_id": lines.order}))
    table = table.mutate(amount=table.amount.cast("decimal(18, 4)"), order_id=table.order_id.cast("string"))
    return Tables(ibis.duckdb.connect().create_table("transactions", table))


def refunded(orders, rng):
    """30 % of the orders come back in full ten days later, under their own id."""
    back = np.where(rng.random(len(orders)) < 0.3, orders.amount, 0.0)
    return orders.assign(back=back, lag=10.0, receipt=orders.index.astype(str))


def half_refunded(orders, rng):
    """Half of the money of 30 % of the orders comes back, mostly within weeks, on receipts of their own."""
    back = np.where(rng.random(len(orders)) < 0.3, (orders.amount / 2).round(2), 0.0)
    return orders.assign(back=back, lag=rng.exponential(15, len(orders)), receipt="R" + orders.index.astype(str))


@pytest.mark.parametrize(("kind", "share"), [(refunded, 0.3), (half_refunded, 0.15)])
def test_expected_revenue_after_returns_is_without_bias(kind, share):
    orders = kind(*simulate_orders(1_500, 4))
    tables = shop_of(orders)
    result = backtest_at(tables, CUTOFF, Recipe(horizon=HORIZON), with_second_stage=False)
    # The truth: what is left in the end of the orders of the horizon.
    cutoff = (CUTOFF - START).days
    bought = orders[(orders.day >= cutoff) & (orders.day < cutoff + HORIZON)]
    left = (bought.amount - bought["back"]).groupby(bought.customer.astype(str)).sum()
    left = left.reindex(result.customers["customer_id"], fill_value=0.0).to_numpy()
    expected = result.predictions[BG]["expected_revenue"].to_numpy()
    error = np.sqrt(np.sum((expected - left) ** 2)) / left.sum()
    assert error < 0.06
    assert abs(expected.sum() / left.sum() - 1) < 2.5 * error
    # What is not taken off is found: without returns the same customers would be expected to pay a third more.
    sold = bought.amount[bought.customer.astype(str).isin(result.customers["customer_id"])].sum()
    assert abs(expected.sum() / sold - (1 - share)) < 2.5 * error
    # The newest sales of the horizon have not come back at its end, and are judged at what will be left of them.
    assert abs(result.customers["revenue"].sum() / left.sum() - 1) < 0.02
    assert abs(result.measures.loc[BG, "revenue_bias"]) < 2.5 * error
    returns = returns_to_come_at(tables, CUTOFF)
    assert abs(1 - returns.kept[-1] - share) < 0.02
    assert 0 < returns.share < 0.03
    assert returns == result.fits[BG].returns
    assert any("comes back" in note for note in result.fits[BG].notes)


def test_young_sales_tell_of_short_lags_only():
    # Of 100 a day 20 come back at a lag of 2 and of what is then left a half at 5; sales of the last 10 days.
    ages = np.arange(1.0, 11.0)
    age = np.concatenate([ages[ages > 2], ages[ages > 5]])
    lag = np.concatenate([np.full(8, 2.0), np.full(5, 5.0)])
    back = np.where(lag == 2, 20.0, 40.0)
    curve = survival_of_money(ages, np.full(10, 100.0), age, back, lag, back)
    np.testing.assert_allclose(curve, [1, 1, 0.8, 0.8, 0.8, 0.4, 0.4, 0.4, 0.4, 0.4], rtol=1e-12)
    # What came back over what was sold would say less, as most sales are too young to have shown it.
    assert back.sum() / 1000 == pytest.approx(0.36)


def test_a_sale_keeps_what_has_not_come_back_yet():
    # The last day seen shows lag 0 only: 1 / 3 of what is left then comes back at lag 10, seen from age 11 on.
    np.testing.assert_allclose(to_come(CURVE, [1, 5, 10, 11, 400]), [1 / 3, 1 / 3, 1 / 3, 0, 0], atol=1e-12)
    np.testing.assert_allclose(to_come_until(CURVE, [0, 1, 4, 10, 11, 400]), np.array([0, 1, 4, 10, 10, 10]) / 3)
    assert to_come(ReturnsToCome((3,), (0.0,), 0.0), [1, 2, 3, 4]).tolist() == [1, 1, 1, 0]


def test_recent_purchases_lower_the_spend_expected_after_them():
    purchase = PurchaseParameters(r=0.5, alpha=10.0, a=1.0, b=2.0)
    x, t_x, T = np.array([0.0, 1, 1, 1, 3]), np.array([0.0, 95, 80, 1, 91]), np.array([100.0, 100, 100, 1, 100])
    kept = kept_spend(x, t_x, T, purchase, CURVE)
    base = 0.5 * 0.05
    # Of three purchases the newest is of age 10; the others lie before it, of ages at which nothing comes back.
    expected = [0.95, 1 - (base + 1 / 3) / 1.5, 1 - base / 1.5, 1 - (base + 1 / 3) / 1.5, 1 - (base + 1 / 3) / 3.5]
    np.testing.assert_allclose(kept, expected, rtol=1e-12)
    assert kept_spend(x, t_x, T, purchase, None).tolist() == [1] * 5
    equal = PurchaseParameters(r=1.0, alpha=10.0, a=1.0, b=2.0, limits=("equal_rates",))
    assert kept_spend(x, t_x, T, equal, CURVE).tolist() == [0.95] * 5


def test_too_few_returns_say_nothing():
    orders, rng = simulate_orders(40, 1)
    few = refunded(orders, rng)
    few.loc[few.index[np.cumsum(few["back"] > 0) >= FEWEST_RETURNS], "back"] = 0.0
    assert returns_to_come_at(shop_of(few), END + timedelta(days=400)) is None
    assert kept_by_age(shop_of(few), END) is None
