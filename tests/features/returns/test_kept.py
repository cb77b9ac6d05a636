"""The matching that is kept says the same as the one that each expression works out, and is made once."""

from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

from features.describe import describe, materialise
from features.purchases import purchase_days, summarise_purchases
from features.returns.kept import everyone_matched, with_matching
from features.returns.lags import returned_by_lag
from features.spine import everyone, pairs
from features.vocabulary import learn_vocabulary

AS_OF = date(2024, 2, 1)


@pytest.fixture
def random_shop(shop):
    """Sales and returns with and without order ids, some of them beyond all sales."""
    random = np.random.default_rng(5)
    lines = []
    for _ in range(600):
        day = date(2024, 1, 1) + timedelta(days=int(random.integers(0, 40)))
        order = f"o{random.integers(0, 4)}" if random.random() < 0.7 else None
        amount = int(random.integers(-40, 60))
        lines.append({"customer_id": str(random.integers(0, 60)), "ts": f"{day}", "amount": amount, "order_id": order})
    # Someone who returned nothing, and someone all of whose returns have their orders.
    lines += [{"customer_id": "none", "ts": "2024-01-03", "amount": 5, "order_id": "a"}]
    lines += [{"customer_id": "told", "ts": "2024-01-03", "amount": 5 * k, "order_id": f"{k}"} for k in range(1, 4)]
    lines += [{"customer_id": "told", "ts": "2024-01-09", "amount": -10, "order_id": "2"}]
    return shop(lines)


def test_kept_and_worked_out_describe_alike(random_shop):
    tables, vocabulary = random_shop, learn_vocabulary(random_shop, AS_OF)
    dates = ibis.memtable({"customer_id": [str(k) for k in range(60)] + ["told", "none"], "as_of": [AS_OF] * 62})
    earlier = dates.mutate(as_of=ibis.literal(date(2024, 1, 15)))
    spine = pairs(dates.union(earlier))
    kept = with_matching(tables, spine)
    assert kept.matching.beyond.count().to_pyarrow().as_py() > 5
    assert kept.matching.cancelled.count().to_pyarrow().as_py() > 20
    worked_out = materialise(describe(tables, spine, vocabulary))
    pd.testing.assert_frame_equal(materialise(describe(tables, kept, vocabulary)), worked_out, check_exact=True)


@pytest.mark.parametrize("query", [purchase_days, summarise_purchases])
def test_kept_and_worked_out_purchases_of_everyone_are_alike(random_shop, query):
    spine = everyone(random_shop.transactions, AS_OF)
    kept = query(random_shop.transactions, with_matching(random_shop, spine)).to_pandas()
    names = [name for name in ("customer_id", "day") if name in kept]
    wanted = query(random_shop.transactions, spine).to_pandas().sort_values(names, ignore_index=True)
    pd.testing.assert_frame_equal(kept.sort_values(names, ignore_index=True), wanted, check_exact=True)


def test_it_is_matched_once_a_date_and_no_expression_matches_again(random_shop):
    tables = random_shop
    kept = everyone_matched(tables, AS_OF)
    assert everyone_matched(tables, AS_OF).matching is kept.matching
    assert everyone_matched(tables, AS_OF - timedelta(days=9)).matching is not kept.matching
    vocabulary = learn_vocabulary(tables, AS_OF)
    assert "lacking" not in ibis.to_sql(describe(tables, kept, vocabulary))
    assert "lacking" in ibis.to_sql(summarise_purchases(tables.transactions, everyone(tables.transactions, AS_OF)))


def test_what_came_back_by_lag_is_worked_out_beside_the_matching(random_shop):
    tables = random_shop
    kept = everyone_matched(tables, AS_OF, with_lags=True)
    of_kept = returned_by_lag(tables.transactions, kept)
    assert "lacking" not in ibis.to_sql(of_kept)
    worked_out = returned_by_lag(tables.transactions, everyone(tables.transactions, AS_OF)).to_pyarrow()
    assert of_kept.to_pyarrow().equals(worked_out)
    assert len(worked_out) > 50


def test_where_nothing_is_returned_nothing_is_kept(shop):
    tables = shop([{"customer_id": "a", "ts": "2024-01-01", "amount": 5}])
    assert everyone_matched(tables, AS_OF).matching is None
