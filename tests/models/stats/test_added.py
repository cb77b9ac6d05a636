"""Sums by customer are those of grouping all rows, whatever the order of a base and whoever else is there."""

import numpy as np
import pandas as pd
import pytest

from models.stats.added import added_by_customer


@pytest.mark.parametrize(
    ("base", "others"),
    [
        (["a", "b", "d", "f"], ["d", "a", "d"]),
        (["a", "b", "d", "f"], ["d", "c", "g"]),
        (["a", "b", "d", "f"], ["g: of a longer name", "d", "c", "d", "g: of a longer name", "A"]),
        (["f", "b", "a", "d"], ["d", "a", "d"]),
        (["a", "b", "b", "f"], ["b", "a", "f"]),
    ],
)
def test_sums_are_those_of_all_rows_grouped(base, others):
    of_base, of_others = 0.1 * np.arange(1, 1 + len(base)), 10.0 ** -np.arange(len(others))
    grouped = pd.Series(np.append(of_base, of_others), index=[*base, *others]).groupby(level=0).sum()
    found = added_by_customer(np.array(base), of_base, np.array(others), of_others)
    pd.testing.assert_series_equal(found, grouped.rename_axis("customer_id"), check_exact=True)
    assert of_base[0] == 0.1
