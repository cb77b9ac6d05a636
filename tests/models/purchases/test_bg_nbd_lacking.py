"""BG/NBD: what is said where the data are no purchase histories, or do not determine the model."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose

from data.errors import InputError
from models.purchases.bg_nbd import BetaGeoModel
from models.scoring.parameters import PurchaseParameters
from tests.models.simulated_purchases import simulate_purchases


def histories(summary):
    return summary["frequency"], summary["recency"], summary["T"]


def refused(*columns, **kwargs):
    with pytest.raises(InputError) as caught:
        BetaGeoModel().fit(*columns, **kwargs)
    return str(caught.value)


def test_one_time_buyers_only():
    message = refused(np.zeros(50), np.zeros(50), np.arange(50))
    assert "None of the 50 customers bought on more than one day" in message
    assert "customer_id" in message


def test_no_customers_at_all():
    assert "no customers" in refused([], [], [])


def test_everybody_came_today():
    assert "age" in refused([0, 0], [0, 0], [0, 0])


def test_two_customers_lack_and_a_penalty_holds():
    message = refused([2, 0], [30, 0], [90, 60])
    assert "2 customers, 1 of whom bought again" in message
    assert "penalizer_coef" in message
    fit = BetaGeoModel(penalizer_coef=0.1).fit([2, 0], [30, 0], [90, 60])
    assert np.isfinite(fit.params_).all() and (fit.params_ > 0).all()


def test_alike_customers_show_no_spread():
    assert "no spread" in refused(np.full(300, 4), np.full(300, 80), np.full(300, 100))


def test_customers_who_buy_at_one_rate():
    rng = np.random.default_rng(0)
    shop = simulate_purchases(np.full(600, 300.0), PurchaseParameters(1e6, 2e7, 0.7, 3.0), rng)
    assert "purchase rates do not differ" in refused(*histories(shop))


def test_customers_who_leave_with_one_chance_and_a_penalty_that_holds_it():
    rng = np.random.default_rng(0)
    shop = simulate_purchases(np.full(600, 300.0), PurchaseParameters(0.8, 40.0, 1e6, 3e6), rng)
    assert "chances of leaving do not differ" in refused(*histories(shop))
    held = BetaGeoModel(penalizer_coef=0.001).fit(*histories(shop))
    assert_allclose(held.params_["a"] / (held.params_["a"] + held.params_["b"]), 0.25, atol=0.07)


def test_customers_who_never_leave(rng):
    shop = simulate_purchases(np.full(400, 900.0), PurchaseParameters(5.0, 50.0, 1e-4, 1e3), rng)
    assert "no sign of customers leaving" in refused(*histories(shop))


@pytest.mark.parametrize(
    ("column", "value", "words"),
    [
        ("frequency", 1.5, "whole number"),
        ("frequency", -1, "whole number"),
        ("frequency", 0, "recency must be 0 where frequency is 0"),
        ("recency", 50.0, "between 0 and T"),
        ("recency", -1.0, "between 0 and T"),
        ("recency", np.nan, "between 0 and T"),
        ("T", np.inf, "finite"),
        ("weights", 0, "weights must be positive"),
        ("weights", np.nan, "weights must be positive"),
    ],
)
def test_what_is_no_history_is_named_with_its_row(column, value, words):
    rows = pd.DataFrame({"frequency": [1.0, 2, 0], "recency": [3.0, 9, 0], "T": [10.0, 20, 30], "weights": [1.0, 1, 1]})
    rows.loc[1, column] = value
    message = refused(rows["frequency"], rows["recency"], rows["T"], rows["weights"])
    assert words in message and "row 1" in message and "1 such row" in message


def test_columns_of_different_lengths():
    assert "one length" in refused([1, 0], [3.0], [10.0, 10.0])


def test_too_few_to_tell_who_left():
    rng = np.random.default_rng(41)
    shop = simulate_purchases(np.full(40, 200.0), PurchaseParameters(0.7, 35.0, 0.8, 2.8), rng)
    assert "too few to tell customers who left" in refused(*histories(shop))
