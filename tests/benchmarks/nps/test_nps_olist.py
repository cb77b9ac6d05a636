"""The hand-made columns and ours tell the same orders, and nothing that came after the review was asked for."""

import numpy as np
import pandas as pd
import pytest

from benchmarks.nps.olist import ASKED, NINE, hand_made, judge, our_answers, plain_lightgbm

FILES = {
    "customers": "customer_id,customer_unique_id,customer_city,customer_state\no1,ann,x,SP\no2,bob,y,RJ\no3,cy,z,SP\n",
    "orders": (
        "order_id,customer_id,order_status,order_purchase_timestamp,order_delivered_carrier_date,"
        "order_delivered_customer_date,order_estimated_delivery_date\n"
        "1,o1,delivered,2018-01-01 10:00:00,2018-01-03 10:00:00,2018-01-09 10:00:00,2018-01-12 00:00:00\n"
        "2,o2,delivered,2018-01-01 10:00:00,2018-01-03 10:00:00,2018-01-20 10:00:00,2018-01-12 00:00:00\n"
        "3,o3,unavailable,2018-01-01 10:00:00,,,2018-01-12 00:00:00\n"
    ),
    "order_items": (
        "order_id,order_item_id,product_id,seller_id,price,freight_value\n"
        "1,1,p,s,10.00,2.00\n1,2,p,t,20.00,3.50\n2,1,p,s,7.00,1.00\n"
    ),
    "order_payments": "order_id,payment_installments\n1,1\n2,3\n",
    "order_reviews": (
        "order_id,review_score,review_creation_date,review_answer_timestamp\n"
        "1,5,2018-01-10 00:00:00,2018-01-11 10:00:00\n"
        "2,1,2018-01-15 00:00:00,2018-01-16 10:00:00\n"
        "3,1,2018-01-15 00:00:00,2018-01-16 10:00:00\n"
    ),
    "products": "product_id,product_category_name\np,toys\n",
}


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "release"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"olist_{name}_dataset.csv").write_text(text)
    return folder


def test_nine_columns_are_those_known_before_the_review(release):
    made = hand_made(release)
    assert made["is_sale"].tolist() == [True, True, False]
    first, second, third = made[NINE].astype(float).to_numpy()
    assert first.tolist() == [1, 8, -3, 11, 30.0, 5.5, 2, 2, 2]
    # Delivered only after the review was asked for: late by the days until then, and nothing is known of the delivery.
    np.testing.assert_array_equal(second, [0, np.nan, 3, 11, 7.0, 1.0, 1, 1, 1])
    assert np.isnan(third[4:8]).all()


def test_ours_are_the_answers_of_buyers_described_before_the_review(release, tmp_path):
    answers, names = our_answers(release, tmp_path / "clean")
    assert answers["customer_id"].tolist() == ["ann", "bob"]
    assert answers["category"].tolist() == [2, 0]
    assert answers["overdue_of_promised"].tolist() == [0.0, 1.0]
    assert answers["last_value_of_delivered"].fillna(99).tolist() == [-3.0, 99.0]
    assert {"store_satisfaction", "category_share_of_toys", "attribute_state_is_sp"} <= set(names)


def test_judgement_is_beside_the_shares_of_the_other_folds():
    rng = np.random.default_rng(2)
    signal = rng.normal(size=1500)
    category = np.digitize(signal + rng.normal(size=1500), [-0.7, 0.7])
    customer = pd.Series([f"c{k // 2}" for k in range(1500)])
    predicted, fold = plain_lightgbm(pd.DataFrame({"signal": signal}), category, customer)
    figures = judge(category, predicted, fold)
    # Of normal signal and noise of the same size, the order by the signal alone is what trees can find at best.
    best = judge(category, np.column_stack([-signal, np.zeros(1500), signal]), fold)
    low, high, below = ASKED
    assert best[low] - 0.03 < figures[low] <= best[low] + 0.01
    assert best[high] - 0.03 < figures[high] <= best[high] + 0.01
    shares = np.bincount(category) / 1500
    assert judge(category, np.tile(shares, (1500, 1)), fold)[below] == pytest.approx(0.0, abs=0.005)
    assert 0.2 < figures[below] < 0.5
