"""Histories are counted in the engine; where they are too many, in cells that change no fit by what would show."""

from datetime import date

import ibis
import numpy as np
import pandas as pd
import pytest

from data.samples.cdnow import write_cdnow
from features.purchases import purchase_summary
from features.tables import tables_of
from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.counts import count_at, count_histories, count_spends, take_over
from models.purchases.fit import fit_purchases_at
from models.purchases.gamma_gamma import GammaGammaModel

AS_OF, CUTOFF = date(1998, 7, 1), date(1998, 4, 2)


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    engine = ibis.duckdb.connect()
    rows = engine.read_parquet(write_cdnow(tmp_path_factory.mktemp("cdnow"))["transactions"])
    ts, amount = rows.ts.cast("timestamp"), rows.amount.cast("decimal(18, 4)")
    lines = rows.select("customer_id", ts=ts, amount=amount, available_at=ts)
    return tables_of(lines.mutate(order_id=ibis.null("string")).cache())


def fitted(model):
    return np.log(model.params_.to_numpy(float)), np.sqrt(np.diag(model.log_covariance))


def test_cells_hold_all_customers_and_change_no_fit(tables):
    summary = purchase_summary(tables, AS_OF)
    whole, cells = count_histories(summary), count_histories(summary, 4000)
    assert len(cells.x) <= 4000 < len(whole.x)
    assert cells.in_order
    for name in ("x", "t_x", "T"):
        total = getattr(whole, name) @ whole.weights
        assert getattr(cells, name) @ cells.weights == pytest.approx(total, rel=1e-12), name
    assert cells.customers == whole.customers
    logs, errors = fitted(BetaGeoModel().fit_sufficient_statistics(whole))
    assert np.abs((fitted(BetaGeoModel().fit_sufficient_statistics(cells))[0] - logs) / errors).max() < 0.02


def test_cells_of_spends_change_no_fit(tables):
    summary = purchase_summary(tables, AS_OF)
    whole, cells = count_spends(summary), count_spends(summary, 2000)
    assert len(cells.value) <= 2000 < len(whole.value)
    assert cells.customers.sum() == whole.customers.sum()
    assert (cells.total_value, cells.purchases) == (whole.total_value, whole.purchases)
    log_value = np.log(whole.value) @ whole.customers
    assert np.log(cells.value) @ cells.customers == pytest.approx(log_value, rel=1e-6)
    logs, errors = fitted(GammaGammaModel().fit(whole.frequency, whole.value, whole.customers))
    moved = fitted(GammaGammaModel().fit(cells.frequency, cells.value, cells.customers))[0] - logs
    assert np.abs(moved / errors).max() < 0.01


def test_a_sample_is_fitted_on_the_counts_of_everyone(tables):
    """What a retraining on a cluster does: it counts there, and fits here, where only some customers are."""
    some = tables_of(tables.transactions.filter(tables.transactions.customer_id < "05000").drop("no_returns"))
    for day in (AS_OF, CUTOFF):
        take_over(some, day, count_at(tables, day))
        here, there = (fit_purchases_at(each, day, "mbg_nbd") for each in (tables, some))
        assert there.purchases == here.purchases
        assert there.spend == here.spend
        pd.testing.assert_frame_equal(there.fits, here.fits)
        assert there.customers > 20_000
    assert fit_purchases_at(some, date(1998, 5, 1), "mbg_nbd").customers < 6_000
