"""BG/NBD: what is said where the data are no purchase histories, or hold no repeat purchase."""

import numpy as np
import pandas as pd
import pytest

from data.errors import InputError
from models.purchases.bg_nbd import BetaGeoModel


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
