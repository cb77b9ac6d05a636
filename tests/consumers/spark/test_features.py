"""The features of a cluster are those of the embedded engine: the same expressions, to the last digits of a double."""

from datetime import timedelta

import numpy as np
import pandas as pd
import pytest

from features.describe import describe, everyone_described
from features.purchases import (
    purchase_changes,
    purchase_statistics,
    purchase_summary,
    purchase_summary_with_first_value,
    spend_statistics,
)
from features.returns.kept import everyone_matched
from features.returns.lags import repeat_value_by_age, returned_by_lag, sold_by_age
from features.spine import everyone
from features.vocabulary import learn_vocabulary
from models.purchases.counts import count_at
from tests.consumers.spark.conftest import ATTRIBUTES


def assert_alike(there: pd.DataFrame, here: pd.DataFrame, tolerance: float = 1e-12) -> None:
    assert list(there.columns) == list(here.columns)
    assert len(there) == len(here) > 0
    for name in here.columns:
        if pd.api.types.is_float_dtype(here[name]):
            np.testing.assert_allclose(there[name], here[name], rtol=tolerance, atol=tolerance, err_msg=name)
        else:
            assert there[name].astype(str).tolist() == here[name].astype(str).tolist(), name


def as_of_of(both):
    return both.taken.intake.newest_day + timedelta(days=1)


@pytest.mark.parametrize("name", ["cdnow", "shop"])
def test_everyone_is_described_alike(name, request):
    both = request.getfixturevalue(name)
    as_of = as_of_of(both)
    vocabulary = learn_vocabulary(both.embedded, as_of, ATTRIBUTES if name == "shop" else ())
    assert learn_vocabulary(both.cluster, as_of, ATTRIBUTES if name == "shop" else ()) == vocabulary
    here = everyone_described(both.embedded, as_of, vocabulary).frame()
    there = describe(both.cluster, everyone_matched(both.cluster, as_of), vocabulary).to_pandas()
    there = there.sort_values("customer_id").reset_index(drop=True)
    there[["as_of", "first_purchase", "last_purchase"]] = there[["as_of", "first_purchase", "last_purchase"]].astype(
        "datetime64[us]"
    )
    assert_alike(there, here)
    assert len(here.columns) > (90 if name == "shop" else 30)


@pytest.mark.parametrize("name", ["cdnow", "shop"])
def test_sufficient_statistics_are_counted_alike(name, request):
    both = request.getfixturevalue(name)
    as_of, before = as_of_of(both), as_of_of(both) - timedelta(days=90)

    def of(tables):
        summary, spine = purchase_summary(tables, as_of), everyone(tables.transactions, as_of)
        counted = {
            "purchases": purchase_statistics(summary),
            "spend": spend_statistics(summary),
            "changes": purchase_changes(tables, before, as_of),
            "sold": sold_by_age(tables.transactions, spine),
            "kept": repeat_value_by_age(tables.transactions, spine, purchase_summary_with_first_value(tables, as_of)),
            "returned": returned_by_lag(tables.transactions, spine),
        }
        return {key: table.to_pandas() for key, table in counted.items()}

    here, there = of(both.embedded), of(both.cluster)
    for key, table in here.items():
        if len(table) or key != "returned":
            assert_alike(_in_order(there[key]), _in_order(table))
    assert len(here["returned"]) == len(there["returned"]) and (len(here["returned"]) > 0) == (name == "shop")


@pytest.mark.parametrize("most", [1_000_000, 200])
def test_what_models_learn_from_is_counted_alike_in_cells_too(shop, most):
    here, there = (count_at(tables, as_of_of(shop), most) for tables in (shop.embedded, shop.cluster))
    assert len(here.histories.x) > (200 if most > 200 else 50)
    for part in ("x", "t_x", "T", "weights"):
        np.testing.assert_allclose(getattr(there.histories, part), getattr(here.histories, part), rtol=1e-9)
    for part in ("frequency", "value", "customers", "total_value", "purchases"):
        np.testing.assert_allclose(getattr(there.spends, part), getattr(here.spends, part), rtol=1e-9)
    np.testing.assert_array_equal(there.by_day, here.by_day)
    assert there.returns == here.returns


def _in_order(table: pd.DataFrame) -> pd.DataFrame:
    doubles = table.astype("float64")
    return doubles.sort_values(list(doubles.columns)).reset_index(drop=True)
