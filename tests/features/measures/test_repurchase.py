from datetime import date
from statistics import stdev

import ibis
import numpy as np
import pandas as pd
import pytest
from lifetimes.utils import summary_data_from_transaction_data

from features.measures.intervals import NORMAL_95, mean_interval, wilson_interval
from features.measures.repurchase import odds_interval
from features.measures.windows import Grouping, Windows
from features.tables import Tables
from tests.features.measures.sales import TWO, compute, lines, values

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
    # the 20th. 21-30 January: g one, f two, one of them for nothing; e gave back the order.
    assert values("repurchase_ratio", tables) == [1 / 1, 2 / 2]
    assert values("repeat_share", tables) == [50, 50]
    assert values("repeat_purchases_ratio", tables) == [1 / 2, 3 / 4]
    assert compute("repurchase_ratio", tables)["n"].tolist() == [2, 4]
    newest = compute("repeat_share", tables).iloc[0]
    assert (newest["low"], newest["high"]) == tuple(100 * float(x) for x in wilson_interval(1, 2)[1:])
    ratio = compute("repeat_purchases_ratio", tables).iloc[1]
    assert (ratio["low"], ratio["high"]) == tuple(float(x) for x in mean_interval(4, 3, 5, lowest=0)[1:])


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
            c 5 2
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
    figures = compute("days_to_second_purchase", tables).iloc[0]
    assert figures["high"] - figures["value"] == pytest.approx(4.302653 * sd / 3**0.5)


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
    figures = compute("upselling_ratio", tables)
    assert figures["value"].tolist() == [1 / 3, 0]
    assert figures["n"].tolist() == [4, 1]
    by_category = compute("upselling_ratio", tables, grouping=Grouping("category", column="category"))
    assert by_category["value"].isna().all()
    assert "give the column category" in compute("upselling_ratio", shop(ORDERS))["why"][0]


def test_windows_before_the_data_have_no_value_and_those_at_its_start_a_caution(shop):
    tables = shop(lines("a 15 1\na 17 1\nb 18 1\nb 24 1\nc 28 1\nc 29 1"))
    three = Windows(TWO.until, 10, 3)
    figures = compute("repurchase_ratio", tables, windows=three)
    assert figures["value"].tolist()[:2] == [1, 1]
    assert figures["why"].tolist() == [
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
