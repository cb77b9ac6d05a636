from datetime import date

import pytest

from features.describe import describe, materialise
from features.spine import everyone
from features.vocabulary import learn_vocabulary

AS_OF = date(2024, 12, 31)


def described(shop, lines, as_of=AS_OF):
    """Describe the one customer who has these lines."""
    tables = shop([{"customer_id": "a", **line} for line in lines])
    table = describe(tables, everyone(tables.transactions, as_of), learn_vocabulary(tables, as_of))
    (row,) = materialise(table).to_dict("records")
    return row


def nothing(value):
    return value != value


def test_windows_reach_back_whole_days_from_as_of(shop):
    row = described(
        shop,
        [
            {"ts": "2024-12-30 23:59", "amount": 1},
            {"ts": "2024-12-01 00:00", "amount": 10},  # 30 days before as_of: the first of the window
            {"ts": "2024-11-30 23:59", "amount": 100},
            {"ts": "2024-10-02", "amount": 1000},  # 90 days
            {"ts": "2024-10-01", "amount": 10000},
            {"ts": "2024-01-01", "amount": 100000},  # 365 days
            {"ts": "2023-12-31", "amount": 1000000},
        ],
    )
    assert [row[f"net_value_{w}"] for w in ("30d", "90d", "365d", "ever")] == [11, 1111, 111111, 1111111]
    assert [row[f"orders_{w}"] for w in ("30d", "90d", "365d", "ever")] == [2, 4, 6, 7]


def test_orders_are_counted_by_id_on_the_day_of_their_first_sale(shop):
    row = described(
        shop,
        [
            {"ts": "2024-12-20", "amount": 5, "order_id": "1"},
            {"ts": "2024-12-20", "amount": 5, "order_id": "1"},
            {"ts": "2024-12-20", "amount": 5, "order_id": "2"},
            {"ts": "2024-11-15", "amount": 5, "order_id": "3"},
            {"ts": "2024-12-15", "amount": 5, "order_id": "3"},  # sent later, ordered in November
            {"ts": "2024-12-22", "amount": -5, "order_id": "0"},  # its sale is not here: it undoes order 2
            {"ts": "2024-12-10 08:00", "amount": 5},
            {"ts": "2024-12-10 09:00", "amount": 5},  # without an id: one order a day
        ],
    )
    assert (row["orders_30d"], row["orders_90d"]) == (2, 3)
    assert (row["purchase_days_30d"], row["purchase_days_90d"]) == (3, 4)


def test_returns_are_counted_and_their_rate_is_of_all_lines(shop):
    row = described(
        shop,
        [
            {"ts": "2024-12-01", "amount": 30},
            {"ts": "2024-12-01", "amount": 20},
            {"ts": "2024-12-05", "amount": -20},
            {"ts": "2024-06-01", "amount": 50},
            {"ts": "2024-06-02", "amount": 0},
        ],
    )
    assert (row["returns_30d"], row["returns_value_30d"], row["net_value_30d"]) == (1, 20, 30)
    assert row["return_rate_30d"] == 1 / 3
    assert row["return_rate_365d"] == 1 / 5
    assert row["frequency"] == 2


def test_a_window_without_lines_has_counts_of_zero_and_no_rate(shop):
    row = described(shop, [{"ts": "2024-01-01", "amount": 30, "discount": 3}])
    assert [row[f"{n}_30d"] for n in ("orders", "net_value", "returns", "returns_value", "discount")] == [0] * 5
    assert nothing(row["return_rate_30d"])
    assert nothing(row["discount_share_30d"])
    assert nothing(row["orders_trend_90d"])
    assert nothing(row["sales_trend_90d"])


def test_rhythm_compares_the_time_since_with_the_customers_own_gaps(shop):
    # Gaps of 10, 20 and 30 days: mean 20, standard deviation 10; 40 days since.
    days = ["2024-09-22", "2024-10-02", "2024-10-22", "2024-11-21"]
    lines = [{"ts": day, "amount": 1} for day in days]
    row = described(shop, [*lines, {"ts": "2024-12-29", "amount": "-0.5"}])
    assert row["T"] - row["recency"] == row["days_since_last_purchase"] == 39
    assert row["days_between_purchases"] == 20
    assert row["gap_ratio"] == 39 / 20
    assert row["gap_z"] == (39 - 20) / 10


def test_too_few_gaps_have_no_rhythm(shop):
    one = described(shop, [{"ts": "2024-12-01", "amount": 1}])
    assert [nothing(one[n]) for n in ("days_between_purchases", "gap_ratio", "gap_z")] == [True] * 3
    assert one["days_since_last_purchase"] == 29
    two = described(shop, [{"ts": "2024-12-01", "amount": 1}, {"ts": "2024-12-11", "amount": 1}])
    assert (two["days_between_purchases"], two["gap_ratio"]) == (10, 1.9)
    assert nothing(two["gap_z"])


def test_trends_set_ninety_days_against_the_ninety_before(shop):
    row = described(
        shop,
        [
            {"ts": "2024-12-30", "amount": 30},
            {"ts": "2024-10-02", "amount": 60},  # the 90th day
            {"ts": "2024-12-29", "amount": -50},  # returns are no sales
            {"ts": "2024-10-01", "amount": 10},
            {"ts": "2024-07-04", "amount": 20},  # the 180th
            {"ts": "2024-07-03", "amount": 500},
            {"ts": "2024-08-03", "amount": 0},
        ],
    )
    assert row["sales_trend_90d"] == (90 - 30) / (90 + 30)
    assert row["orders_trend_90d"] == (2 - 3) / (2 + 3)


def test_the_last_purchase_is_worth_its_days_net_whenever_it_came_back(shop):
    lines = [
        {"ts": "2024-12-02 10:00", "amount": 30},
        {"ts": "2024-12-02 09:00", "amount": 5},
        {"ts": "2024-12-02 11:00", "amount": -10},
        {"ts": "2024-12-01", "amount": 99},
        {"ts": "2024-12-03", "amount": -5},
    ]
    assert described(shop, lines)["last_purchase_value"] == 20


def test_discounts_are_shares_of_the_price_before_them(shop):
    row = described(
        shop,
        [
            {"ts": "2024-12-01", "amount": 75, "discount": 25},
            {"ts": "2024-12-02", "amount": 100},
            {"ts": "2024-12-03", "amount": -75, "discount": 25},  # a return's discount is none
            {"ts": "2024-06-01", "amount": 50, "discount": 50},
        ],
    )
    assert (row["discount_30d"], row["discount_share_30d"]) == (25, 25 / 200)
    assert (row["discount_365d"], row["discount_share_365d"]) == (75, 75 / 300)


def test_margin_is_of_the_sales_whose_cost_is_known(shop):
    lines = [
        {"ts": "2024-12-01", "amount": 100, "cost": 60},
        {"ts": "2024-12-01", "amount": 100, "cost": 80},
        {"ts": "2024-12-01", "amount": 900},
        {"ts": "2024-12-02", "amount": -100, "cost": 60},
    ]
    assert described(shop, lines)["margin_share"] == (200 - 140) / 200


def test_breadth_counts_categories_and_the_share_of_the_first(shop):
    categories = ["shoes", "shoes", "shoes", "hats", "bags", None]
    lines = [{"ts": "2024-12-01", "amount": 1, "category": category} for category in categories]
    row = described(shop, [*lines, {"ts": "2024-12-02", "amount": -1, "category": "coats"}])
    assert (row["categories"], row["top_category_share"]) == (3, 3 / 5)
    assert [row[f"category_share_of_{name}"] for name in ("shoes", "hats", "bags")] == [3 / 5, 1 / 5, 1 / 5]
    assert "category_share_of_coats" not in row  # only ever returned


def test_channels_are_shares_of_the_lines_that_name_one(shop):
    channels = ["Web shop", "Web shop", "store", None, "Web shop"]
    lines = [{"ts": "2024-12-01", "amount": 1, "channel": channel} for channel in channels]
    row = described(shop, [*lines, {"ts": "2024-12-02", "amount": -1, "channel": "store"}])
    assert (row["channel_share_of_web_shop"], row["channel_share_of_store"]) == (3 / 4, 1 / 4)


def test_quantity_is_per_order_that_tells_it(shop):
    row = described(
        shop,
        [
            {"ts": "2024-12-01", "amount": 1, "order_id": "1", "quantity": 2},
            {"ts": "2024-12-01", "amount": 1, "order_id": "1", "quantity": 3},
            {"ts": "2024-12-01", "amount": 1, "order_id": "2", "quantity": "1.5"},
            {"ts": "2024-12-01", "amount": 1, "order_id": "3"},
        ],
    )
    assert row["quantity_per_order"] == 6.5 / 2


@pytest.mark.parametrize(("last", "share"), [("2024-12-06", 1 / 3), ("2024-12-07", 2 / 3), ("2024-12-09", 1 / 3)])
def test_the_weekend_is_saturday_and_sunday(shop, last, share):
    # 8 December 2024 was a Sunday.
    lines = [{"ts": day, "amount": 1} for day in ("2024-12-04", "2024-12-08", last)]
    assert described(shop, lines)["weekend_share"] == share
