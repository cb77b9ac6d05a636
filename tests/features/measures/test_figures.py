"""All measures of purchases beside a count in plain Python, and what holds of every one of them."""

from datetime import date, timedelta
from statistics import fmean, stdev

import ibis
import numpy as np
import pandas as pd
import pytest

from features.measures.definition import FIGURES, MeasureOptions
from features.measures.orders import sales as seen_sales
from features.measures.repurchase import PURCHASE_MEASURES
from features.measures.windows import NOT_KNOWN, Grouping, Windows

MEASURES = {measure.name: measure for measure in PURCHASE_MEASURES}
# One of each way in which rows are added up.
DISTINCT = ("repeat_purchases_ratio", "days_to_second_purchase", "upselling_ratio", "arpu", "customer_profitability")
EVERYONE = Grouping()


def compute(name, tables, windows, grouping=EVERYONE, **options):
    figures = MEASURES[name].compute(tables, windows, grouping, MeasureOptions(**options))
    assert tuple(figures.columns) == FIGURES
    return figures


@pytest.fixture(scope="module")
def random_rows():
    """Lines of 60 customers over 100 days, and what serving them costs."""
    random = np.random.default_rng(5)
    start = pd.Timestamp("2024-01-01")
    sales = []
    for k in range(500):
        customer, number = f"c{random.integers(60)}", random.integers(4)
        amount, cost = random.integers(-3, 12), random.integers(9)
        sales.append(
            {"customer_id": customer, "ts": str(start + random.integers(100 * 24) * pd.Timedelta("1h"))}
            | {"order_id": f"{customer}-{k // 40}" if number else None, "amount": float(amount)}
            | {"category": (None, "hats", "shoes")[random.integers(3)], "channel": ("web", "shop")[random.integers(2)]}
            | {"cost": float(cost) * np.sign(amount) if cost < 8 else None}
        )
    served = []
    for k in range(0, 60, 2):
        since = [None, *(str(start + pd.Timedelta(days=int(d))) for d in random.integers(0, 100, 3))]
        served += [{"customer_id": f"c{k}", "valid_from": day, "cost_to_serve": random.integers(900)} for day in since]
    return sales, served


def brute_force(sales, standing, served, windows, groups, inactivity):
    """Every measure of purchases once more, customer by customer in plain Python: {(name, group, window): value}.

    `standing` tells of each line whether it was sold and not given back, which tests/features/returns prove.
    """
    frame = pd.DataFrame(sales).assign(group=groups, standing=standing, ts=lambda rows: pd.to_datetime(rows["ts"]))
    frame["day"] = frame["ts"].dt.date
    figures = {}
    for group, rows in frame.groupby("group"):
        bought = rows[rows["standing"]]
        key = bought["order_id"].where(bought["order_id"].notna(), bought["day"].astype(str))
        begun = bought.assign(key=key).groupby(["customer_id", "key"])["ts"].min().dt.date
        days = bought.groupby("customer_id")["day"].agg(lambda d: sorted(set(d)))
        for window in range(windows.count):
            start, end = windows.start(window), windows.end(window)
            inside = [customer for (customer, _), day in begun.items() if start <= day < end]
            counts = pd.Series(inside).value_counts() if inside else pd.Series(dtype=int)
            seconds = [(d[1] - d[0]).days for d in days if len(d) > 1 and start <= d[1] < end]
            kinds = (
                bought[(bought["day"] >= start) & (bought["day"] < end)].groupby("customer_id")["category"].nunique()
            )

            def active(day, days=days):
                since = day - timedelta(days=inactivity)
                return {customer for customer, d in days.items() if any(since <= one < day for one in d)}

            first, last = active(start), active(end)
            here = rows[(rows["day"] >= start) & (rows["day"] < end)]
            accounts = first | set(here["customer_id"])
            profit = here["amount"].sum() - here["cost"].sum()
            for customer in accounts if served is not None else ():
                mine = [row for row in served if row["customer_id"] == customer]
                mine = [
                    row for row in mine if row["valid_from"] is None or pd.Timestamp(row["valid_from"]).date() < end
                ]
                newest = max(mine, key=lambda row: (row["valid_from"] or "", row["cost_to_serve"]), default=None)
                profit -= newest["cost_to_serve"] * windows.days / 365 if newest else 0
            new = len(last - first)
            values = {
                "repurchase_ratio": (counts > 1).sum() / (counts == 1).sum(),
                "repeat_share": 100 * (counts > 1).mean(),
                "repeat_purchases_ratio": (counts.sum() - len(counts)) / len(counts),
                "days_to_second_purchase": fmean(seconds) if seconds else np.nan,
                "days_to_second_purchase_sd": stdev(seconds) if len(seconds) > 1 else np.nan,
                "upselling_ratio": (kinds > 1).sum() / (kinds == 1).sum(),
                "retention": 100 * (len(last) - new) / len(first),
                "churn": 100 - 100 * (len(last) - new) / len(first),
                "arpu": here["amount"].sum() / ((len(first) + len(last)) / 2),
                "customer_profitability": profit / len(accounts),
                "customer_profitability_total": profit,
            }
            figures |= {(name, group, window): value for name, value in values.items()}
    return figures


@pytest.mark.parametrize("by", ["everyone", "segment", "channel"])
def test_all_equal_a_count_in_plain_python(shop, random_rows, by):
    sales, served = random_rows
    windows = Windows(date(2024, 4, 5), 15, 4)
    names = [row["customer_id"] for row in sales]
    if by == "segment":
        segment = {f"c{k}": f"s{k % 3}" for k in range(50)}
        table = ibis.memtable({"customer_id": list(segment), "group": list(segment.values())})
        grouping, groups = Grouping("segment", customers=table), [segment.get(name, NOT_KNOWN) for name in names]
    elif by == "channel":
        grouping, groups = Grouping("channel", column="channel"), [row["channel"] for row in sales]
    else:
        grouping, groups = EVERYONE, ["everyone"] * len(sales)
    tables = shop([row | {"line_id": str(k)} for k, row in enumerate(sales)], customers=served)
    stands = set(seen_sales(tables, windows.until).to_pandas()["line_id"])
    standing = [str(k) in stands for k in range(len(sales))]
    assert 0 < len(stands) < sum(row["amount"] >= 0 for row in sales)
    expected = brute_force(sales, standing, None if by == "channel" else served, windows, groups, 20)
    for name in MEASURES if by == "everyone" else ("repurchase_ratio", "retention", *DISTINCT):
        figures = compute(name, tables, windows=windows, grouping=grouping, inactivity_days=20)
        assert set(figures["group"]) == set(groups)
        wanted = [expected[name, row.group, row.window] for row in figures.itertuples()]
        np.testing.assert_allclose(figures["value"], wanted, rtol=1e-12, atol=1e-9, err_msg=name)
        assert not ((figures["low"] > figures["value"]) | (figures["high"] < figures["value"])).any()


def test_rows_in_any_order_give_the_same_to_the_last_bit(shop, random_rows):
    sales, served = random_rows
    order = np.random.default_rng(1).permutation(len(sales))
    tables, shuffled = shop(sales, customers=served), shop([sales[k] for k in order], customers=served[::-1], threads=3)
    windows = Windows(date(2024, 4, 5), 15, 4)
    for name in DISTINCT:
        figures = compute(name, tables, windows=windows)
        pd.testing.assert_frame_equal(compute(name, shuffled, windows=windows), figures, check_exact=True)


def test_a_window_of_a_history_is_that_window_alone(shop, random_rows):
    sales, served = random_rows
    # A return may come in a later window than the order that it makes none.
    tables = shop([row for row in sales if row["amount"] >= 0], customers=served)
    history = Windows(date(2024, 4, 5), 15, 3)
    for name in DISTINCT:
        figures = compute(name, tables, windows=history, inactivity_days=20)
        alone = compute(name, tables, windows=Windows(history.end(2), 15, 1), inactivity_days=20)
        row = figures[figures["window"] == 2].reset_index(drop=True).assign(window=0)
        pd.testing.assert_frame_equal(row, alone, check_exact=True, check_dtype=False)


def test_what_is_available_later_is_invisible(shop, random_rows):
    sales, served = random_rows
    windows = Windows(date(2024, 3, 1), 15, 3)
    seen = [row for row in sales if row["ts"] < "2024-03-01"]
    late = [row | {"ts": "2024-02-29", "available_at": "2024-03-01"} for row in seen[:50]]
    tables, with_later = shop(seen, customers=served), shop([*sales, *late], customers=served)
    for name in DISTINCT:
        figures = compute(name, with_later, windows=windows)
        pd.testing.assert_frame_equal(figures, compute(name, tables, windows=windows), check_exact=True)
