import numpy as np
import pytest

from features.measures.intervals import mean_interval
from features.measures.windows import Grouping
from tests.features.measures.sales import SALES, compute, lines, values


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
    options = {"inactivity_days": 12}
    # In 11-20 January a, b, d and f were active at the start, c bought: 50 - 18 of goods - 10 days of a and c.
    # In 21-30 January a and c at the start, d and e bought: 56 - 23 of goods - 10 days of a and c.
    older, newer = 50 - 18 - 2 - 10, 56 - 23 - 2 - 100
    assert values("customer_profitability_total", tables, **options) == pytest.approx([newer, older])
    mean = compute("customer_profitability", tables, **options)
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
    figures = compute("customer_profitability_total", shop(costless))
    assert figures["value"].isna().all()
    assert "give cost of transactions, or cost_to_serve" in figures["why"][0]
    served = [{"customer_id": name, "cost_to_serve": 36.5} for name in "abcdef"]
    figures = compute("customer_profitability_total", shop(costless, customers=served), inactivity_days=12).iloc[0]
    assert (figures["value"], figures["why"]) == (56 - 4, "cost is not known of all of the lines: taken as 0")
    partly = shop([*SALES, *lines("e 23 7 - - -")])
    figures = compute("customer_profitability_total", partly, inactivity_days=12).iloc[0]
    assert figures["value"] == 56 + 7 - 23
    assert figures["why"] == (
        "cost is not known of 25 % of the lines and cost_to_serve is not known of all of the customers: taken as 0"
    )
    by_category = {"grouping": Grouping("category", column="category")}
    assert "of customers, not of a category" in compute("customer_profitability", shop(SALES), **by_category)["why"][0]
    assert "by category" in compute("customer_profitability", shop(costless), **by_category)["why"][0]
