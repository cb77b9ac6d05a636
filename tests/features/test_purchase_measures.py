from datetime import date, timedelta
from statistics import fmean, stdev

import ibis
import numpy as np
import pandas as pd
import pytest
from lifetimes.utils import summary_data_from_transaction_data

from features.measure import FIGURES, MeasureOptions
from features.proportions import NORMAL_95, mean_interval, wilson_interval
from features.purchase_measures import PURCHASE_MEASURES, odds_interval
from features.tables import Tables
from features.windows import NOT_KNOWN, Grouping, Windows

MEASURES = {measure.name: measure for measure in PURCHASE_MEASURES}
# One of each way in which rows are added up.
DISTINCT = ("repeat_purchases_ratio", "days_to_second_purchase", "upselling_ratio", "arpu", "customer_profitability")
# Two windows of ten days: 11-20 January is number 1, 21-30 January number 0.
TWO = Windows(until=date(2024, 1, 31), days=10)
EVERYONE = Grouping()


def lines(text):
    """Rows from 'customer day amount order category cost' a line; a dash is no value."""
    names = ("customer_id", "ts", "amount", "order_id", "category", "cost")
    rows = []
    for line in text.strip().splitlines():
        cells = dict(zip(names, line.split(), strict=False))
        day, _, hour = cells["ts"].partition("T")
        cells["ts"] = f"2024-01-{int(day):02} {hour or '12:00'}"
        rows.append({name: None if cell == "-" else cell for name, cell in cells.items()})
    return rows


def compute(name, tables, windows=TWO, grouping=EVERYONE, **options):
    found = MEASURES[name].compute(tables, windows, grouping, MeasureOptions(**options))
    assert tuple(found.columns) == FIGURES
    return found


def values(name, tables, **more):
    """Value of each window, the newest first."""
    found = compute(name, tables, **more)
    assert found["window"].tolist() == [0, 1]
    return found["value"].tolist()


ORDERS = lines(
    """
    old 1 5 o0
    a 11 10 o1
    a 11 10 o1
    a 11T15:00 3 o2
    b 12 10 -
    b 12T18:00 10 -
    c 13 10 o3
    c 14 10 -
    c 15 10 o4
    d 20T23:59 10 o5
    d 21T00:01 10 o5
    e 22 10 o6
    e 22 -10 o6
    e 23 -1 o7
    f 25 0 o8
    f 26 1 o9
    g 30T23:59 1 o10
    """
)


def test_repurchase_by_hand(shop):
    tables = shop(ORDERS)
    # 11-20 January: a has 2 orders on one day, b lines of one day without a number, c 3 orders, d one that began on
    # the 20th. 21-30 January: e and g one each (returns are none), f two, one of them for nothing.
    assert values("repurchase_ratio", tables) == [1 / 2, 2 / 2]
    assert values("repeat_share", tables) == [pytest.approx(100 / 3), 50]
    assert values("repeat_purchases_ratio", tables) == [pytest.approx(1 / 3), 3 / 4]
    assert compute("repurchase_ratio", tables)["n"].tolist() == [3, 4]
    newest = compute("repeat_share", tables).iloc[0]
    assert (newest["low"], newest["high"]) == tuple(100 * float(x) for x in wilson_interval(1, 3)[1:])
    ratio = compute("repeat_purchases_ratio", tables).iloc[1]
    assert (ratio["low"], ratio["high"]) == tuple(float(x) for x in mean_interval(4, 3, 5)[1:])


def test_the_interval_of_a_ratio_of_parts_solves_the_score_equation():
    more, once = pd.Series([0, 3, 40, 5]), pd.Series([7, 5, 60, 0])
    ratio, low, high = odds_interval(more, once)
    assert ratio[:3].tolist() == [0, 3 / 5, 40 / 60]
    assert np.isnan([ratio[3], low[3], high[3]]).all()
    assert low[0] == 0
    for bound in (low[1:3], high[:3]):
        n, share = (more + once)[3 - len(bound) : 3], (more / (more + once))[3 - len(bound) : 3]
        p = bound / (1 + bound)
        np.testing.assert_allclose((share - p) ** 2, NORMAL_95**2 * p * (1 - p) / n)


def test_days_from_first_to_second_purchase_by_hand(shop):
    tables = shop(
        lines(
            """
            a 1 1 x1
            a 12 1 x2
            a 25 1 x3
            b 12 1 x4
            b 12T15:00 1 x5
            b 22 1 x6
            c 5 1
            c 8 -1
            c 28 1
            d 3 1
            d 9 1
            e 19 1
            f 10 1
            f 24 1
            """
        )
    )
    # In 21-30 January b after 10 days, c after 23 and f after 14; in 11-20 January a after 11. d was earlier.
    assert values("days_to_second_purchase", tables) == [pytest.approx(47 / 3), 11]
    sd, no_sd = values("days_to_second_purchase_sd", tables)
    assert sd == pytest.approx(stdev([10, 23, 14]))
    assert np.isnan(no_sd)
    assert "one customer's" in compute("days_to_second_purchase_sd", tables)["why"][1]
    found = compute("days_to_second_purchase", tables).iloc[0]
    assert found["high"] - found["value"] == pytest.approx(4.302653 * sd / 3**0.5)


def test_upselling_by_hand(shop):
    tables = shop(
        lines(
            """
            z 1 1 - shoes
            a 21 10 - shoes
            a 22 10 - hats
            b 23 10 - shoes
            b 24 10 - shoes
            b 24 -10 - hats
            c 25 10 - hats
            c 25 10 -
            d 26 10 -
            e 11 10 - hats
            e 21 10 - shoes
            """
        )
    )
    found = compute("upselling_ratio", tables)
    assert found["value"].tolist() == [1 / 3, 0]
    assert found["n"].tolist() == [4, 1]
    by_category = compute("upselling_ratio", tables, grouping=Grouping("category", column="category"))
    assert by_category["value"].isna().all()
    assert "give the column category" in compute("upselling_ratio", shop(ORDERS))["why"][0]


SALES = lines(
    """
    a 5 10 - - 4
    a 14 20 - - 8
    b 8 10 - - 5
    c 12 30 - - 10
    d 3 10 - - 5
    d 25 50 - - 20
    e 22 10 - - 5
    e 29 -4 - - -2
    f 1 1
    """
)


def test_retention_and_arpu_by_hand(shop):
    tables = shop(SALES)
    # Active is who bought within 12 days. On 11 January a, b, d, f (the 1st is 10 days ago); on the 21st a and c (and
    # not b, 13 days ago); on the 31st d and e.
    some = {"inactivity_days": 12}
    assert values("retention", tables, **some) == [0, 100 / 4]
    assert values("churn", tables, **some) == [100, 75]
    assert compute("retention", tables, **some)["n"].tolist() == [2, 4]
    # Net revenue is 50 + 10 - 4 and 20 + 30.
    assert values("arpu", tables, **some) == [56 / ((2 + 2) / 2), pytest.approx(50 / ((4 + 2) / 2))]
    # With 25 days all but f are active on the 31st; N = e, who is new, d and the others were there.
    assert values("retention", tables, inactivity_days=25) == [100 * 4 / 5, 100]


def test_who_comes_back_is_new_so_that_retention_is_never_above_100(shop):
    tables = shop(lines("a 5 1\nb 25 1\nc 14 1\nc 26 1\nd 1 1\nd 27 1"))
    # On the 21st only c is active; at the end b, c and d are, so that E - (first buyers) would be 2 of 1.
    assert values("retention", tables, inactivity_days=9)[0] == 100


def test_profitability_by_hand(shop):
    served = [
        {"customer_id": "a", "cost_to_serve": 73},
        {"customer_id": "c", "cost_to_serve": 36.5, "valid_from": "2024-01-01"},
        {"customer_id": "c", "cost_to_serve": 365, "valid_from": "2024-01-15"},
        {"customer_id": "c", "cost_to_serve": 3650, "valid_from": "2024-01-21"},
        {"customer_id": "d", "cost_to_serve": 0},
        {"customer_id": "e", "cost_to_serve": 730, "valid_from": "2024-02-01"},
    ]
    tables = shop(SALES, customers=served)
    some = {"inactivity_days": 12}
    # In 11-20 January a, b, d and f were active at the start, c bought: 50 - 18 of goods - 10 days of a and c.
    # In 21-30 January a and c at the start, d and e bought: 56 - 23 of goods - 10 days of a and c.
    older, newer = 50 - 18 - 2 - 10, 56 - 23 - 2 - 100
    assert values("customer_profitability_total", tables, **some) == pytest.approx([newer, older])
    mean = compute("customer_profitability", tables, **some)
    assert mean["value"].tolist() == pytest.approx([newer / 4, older / 5])
    assert mean["n"].tolist() == [4, 5]
    # Each customer's profit in the newer window: a -2, c -100, d 30, e 10 - 5 - 4 + 2.
    each = np.array([-2, -100, 30, 3.0])
    bounds = mean_interval(4, each.sum(), (each**2).sum())[1:]
    assert (mean["low"][0], mean["high"][0]) == pytest.approx(tuple(float(x) for x in bounds))
    assert mean["why"][0] == "cost_to_serve is not known of 25 % of the customers: taken as 0"
    assert mean["why"][1].startswith("cost_to_serve is not known of 40 % of the customers: taken as 0; the transac")


def test_profitability_says_which_cost_is_missing(shop):
    costless = [row | {"cost": None} for row in SALES]
    found = compute("customer_profitability_total", shop(costless))
    assert found["value"].isna().all()
    assert "give cost of transactions, or cost_to_serve" in found["why"][0]
    served = [{"customer_id": name, "cost_to_serve": 36.5} for name in "abcdef"]
    found = compute("customer_profitability_total", shop(costless, customers=served), inactivity_days=12).iloc[0]
    assert (found["value"], found["why"]) == (56 - 4, "cost is not known of all of the lines: taken as 0")
    partly = shop([*SALES, *lines("e 23 7 - - -")])
    found = compute("customer_profitability_total", partly, inactivity_days=12).iloc[0]
    assert found["value"] == 56 + 7 - 23
    assert found["why"] == (
        "cost is not known of 25 % of the lines and cost_to_serve is not known of all of the customers: taken as 0"
    )
    by_category = {"grouping": Grouping("category", column="category")}
    assert "of customers, not of a category" in compute("customer_profitability", shop(SALES), **by_category)["why"][0]
    assert "by category" in compute("customer_profitability", shop(costless), **by_category)["why"][0]


def test_windows_before_the_data_have_no_value_and_those_at_its_start_a_caution(shop):
    tables = shop(lines("a 15 1\na 17 1\nb 18 1\nb 24 1\nc 28 1\nc 29 1"))
    three = Windows(TWO.until, 10, 3)
    found = compute("repurchase_ratio", tables, windows=three)
    assert found["value"].tolist()[:2] == [1, 1]
    assert found["why"].tolist() == [
        None,
        "the transactions given begin on 2024-01-15, within this window",
        "the transactions given begin on 2024-01-15, after this window",
    ]
    kept = compute("retention", tables, windows=three, inactivity_days=12)
    assert kept["value"].tolist()[0] == 50
    assert (
        kept["why"][0]
        == "the transactions given begin on 2024-01-15: who bought only before it is not known to be active"
    )
    assert "nobody is known to be active at the start" in kept["why"][1]
    assert kept["value"].isna().tolist() == [False, True, True]
    assert compute("retention", tables, inactivity_days=5)["why"][0] is None
    late = [row | {"available_at": "2024-02-03"} for row in lines("a 15 1")]
    assert compute("arpu", shop(late))["why"].tolist() == ["no transactions before 2024-01-31"] * 2
    by_store = compute("arpu", tables, grouping=Grouping("touchpoint", column="touchpoint"))
    assert by_store["why"].tolist() == ["transactions have no column touchpoint"] * 2


def test_what_is_available_later_is_invisible(shop):
    later = {"customer_id": "a", "ts": "2024-01-29", "available_at": "2024-01-31", "amount": 99, "category": "new"}
    tables, with_later = shop(SALES), shop([*SALES, later])
    for name in DISTINCT:
        found = compute(name, with_later, inactivity_days=12)
        pd.testing.assert_frame_equal(found, compute(name, tables, inactivity_days=12))


def test_repeat_purchases_of_cdnow_are_those_that_lifetimes_counts(cdnow):
    frame = cdnow.assign(amount=cdnow["amount"].astype(float))
    peer = summary_data_from_transaction_data(frame, "customer_id", "day", observation_period_end="1997-09-30")
    rows = ibis.memtable(cdnow)
    day = rows.day.cast("timestamp")
    sales = rows.select("customer_id", ts=day, available_at=day, amount=rows.amount.cast("decimal(18, 4)"))
    tables = Tables(sales.mutate(order_id=ibis.null("string")))
    whole = Windows(date(1997, 10, 1), 273, 1)
    share = compute("repeat_share", tables, windows=whole).iloc[0]
    assert share["value"] == pytest.approx(100 * (peer["frequency"] > 0).mean())
    assert (share["n"], share["why"]) == (23_570, None)
    ratio = compute("repeat_purchases_ratio", tables, windows=whole).iloc[0]
    assert ratio["value"] == pytest.approx(peer["frequency"].mean())
    assert ratio["high"] - ratio["value"] == pytest.approx(1.96 * peer["frequency"].sem(), rel=1e-4)


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


def brute_force(sales, served, windows, groups, inactivity):
    """Every measure of purchases once more, customer by customer in plain Python: {(name, group, window): value}."""
    frame = pd.DataFrame(sales).assign(group=groups, ts=lambda rows: pd.to_datetime(rows["ts"]))
    frame["day"] = frame["ts"].dt.date
    found = {}
    for group, rows in frame.groupby("group"):
        bought = rows[rows["amount"] >= 0]
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
            found |= {(name, group, window): value for name, value in values.items()}
    return found


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
    expected = brute_force(sales, None if by == "channel" else served, windows, groups, 20)
    tables = shop(sales, customers=served)
    for name in MEASURES if by == "everyone" else ("repurchase_ratio", "retention", *DISTINCT):
        found = compute(name, tables, windows=windows, grouping=grouping, inactivity_days=20)
        assert set(found["group"]) == set(groups)
        wanted = [expected[name, row.group, row.window] for row in found.itertuples()]
        np.testing.assert_allclose(found["value"], wanted, rtol=1e-12, atol=1e-9, err_msg=name)
        assert not ((found["low"] > found["value"]) | (found["high"] < found["value"])).any()


def test_rows_in_any_order_give_the_same_to_the_last_bit(shop, random_rows):
    sales, served = random_rows
    order = np.random.default_rng(1).permutation(len(sales))
    tables, shuffled = shop(sales, customers=served), shop([sales[k] for k in order], customers=served[::-1], threads=3)
    windows = Windows(date(2024, 4, 5), 15, 4)
    for name in DISTINCT:
        found = compute(name, tables, windows=windows)
        pd.testing.assert_frame_equal(compute(name, shuffled, windows=windows), found, check_exact=True)


def test_a_window_of_a_history_is_that_window_alone(shop, random_rows):
    sales, served = random_rows
    tables = shop(sales, customers=served)
    history = Windows(date(2024, 4, 5), 15, 3)
    for name in DISTINCT:
        found = compute(name, tables, windows=history, inactivity_days=20)
        alone = compute(name, tables, windows=Windows(history.end(2), 15, 1), inactivity_days=20)
        row = found[found["window"] == 2].reset_index(drop=True).assign(window=0)
        pd.testing.assert_frame_equal(row, alone, check_exact=True, check_dtype=False)
