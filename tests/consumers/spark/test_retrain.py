"""`revealed retrain` on a cluster learns what it learns on one machine, from whole customers that the cluster draws."""

import numpy as np
import pandas as pd
import pytest
from ibis.backends.pyspark import Backend

from features.vocabulary import learn_vocabulary
from flows.retrain import retrain
from flows.settings import Settings
from flows.steps.cluster.learning import take_learning_inputs
from flows.steps.stores import open_settings_store
from models.nps.point_in_time import answers_with_features
from models.purchases.counts import histories_at, spends_at
from models.purchases.fit import fit_purchases_at
from models.registry.scorers import read_champion
from models.registry.store import open_store
from models.registry.tracking import tracked
from models.release.holdout import cutoff_of
from tests.consumers.conftest import AS_OF

# Counts, sums and examples; the shop has more customers and far more rows.
MOST_ROWS_COLLECTED = 500


def settings_of(folder, named, remote=None):
    (folder / "shared").mkdir(exist_ok=True)
    of_cluster = {"engine": "spark", "spark_remote": remote, "scores_location": str(folder / "shared")}
    return Settings(**named, mlruns=str(folder / "mlruns"), as_of=AS_OF, **(of_cluster if remote else {}))


@pytest.fixture(scope="module")
def collected():
    """The rows that each query on the cluster brought to the driver."""
    rows, execute = [], Backend.execute

    def counted(self, expr, **options):
        result = execute(self, expr, **options)
        rows.append(len(result) if hasattr(result, "__len__") else 1)
        return result

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Backend, "execute", counted)
        yield rows


def test_a_shop_that_one_machine_holds_gets_the_same_scorer(named, remote, tmp_path, collected):
    for name in ("here", "there"):
        (tmp_path / name).mkdir()
    retrain(settings_of(tmp_path / "here", named))
    retrain(settings_of(tmp_path / "there", named, remote))
    here, there = (read_champion(open_store(str(tmp_path / name / "mlruns"))).release for name in ("here", "there"))
    assert there.parameters == here.parameters
    assert there.boosters == here.boosters
    assert max(collected) <= MOST_ROWS_COLLECTED
    assert not list((tmp_path / "there" / "shared").iterdir())


def in_order(rows, of):
    """Put the rows of some customers in one order."""
    chosen = rows[rows.customer_id.isin(of)]
    return chosen.sort_values(list(rows.columns), ignore_index=True)


def assert_whole(rows, all_rows, customers):
    """All rows of these customers are there, and no others."""
    assert set(rows.customer_id) <= set(customers)
    whole = all_rows.to_pandas()
    pd.testing.assert_frame_equal(in_order(rows, customers), in_order(whole[rows.columns], customers))


@pytest.fixture(scope="module")
def drawn(named, remote, tmp_path_factory, collected):
    """What a retraining learns from that takes half of the customers, and the rows that each query brought."""
    folder = tmp_path_factory.mktemp("sample")
    settings = settings_of(folder, named, remote).model_copy(update={"learn_from": 400})
    collected.clear()
    with tracked(open_settings_store(settings), "retrain", {}) as run:
        inputs = take_learning_inputs(run, settings)
        yield inputs, list(collected)


def test_of_a_larger_shop_whole_customers_are_brought_and_all_who_answered(drawn, shop):
    (inputs, collected), of_shop = drawn, shop.embedded
    tables, surveyed = inputs.tables, inputs.tables.surveyed
    customers = set(tables.transactions.customer_id.to_pandas())
    assert 450 < len(customers) < 600
    answers = of_shop.answers.to_pandas()
    is_learned = answers.score.notna() & answers.question.isin(["nps", "csat"]) & (answers.answered_at < AS_OF)
    answered = set(answers[is_learned].customer_id)
    assert len(answered - customers) > 50
    assert_whole(tables.transactions.to_pandas(), of_shop.transactions, customers)
    for name in ("transactions", "events", "answers", "customers"):
        assert_whole(getattr(surveyed, name).to_pandas(), getattr(of_shop, name), customers | answered)
    assert "all else is learned from" in inputs.intake.notes[-1]
    assert "and from all who answered" in inputs.intake.notes[-1]
    # Histories are bounded by their own limit (`models.purchases.counts`); all other queries bring a few rows.
    histories = len(histories_at(tables, inputs.as_of).x)
    assert max(collected) <= max(histories, len(spends_at(tables, inputs.as_of).value))
    assert sorted(collected)[-7] <= MOST_ROWS_COLLECTED


def test_purchases_and_spend_are_fitted_on_everyone(drawn, shop):
    inputs, _ = drawn
    for day in (inputs.as_of, cutoff_of(inputs.as_of, 90)):
        here, there = (fit_purchases_at(tables, day, "bg_nbd") for tables in (shop.embedded, inputs.tables))
        assert there.customers == here.customers > 500
        np.testing.assert_allclose(there.fits.iloc[:, 2:], here.fits.iloc[:, 2:], rtol=1e-9, equal_nan=True)
        assert there.returns.kept == pytest.approx(here.returns.kept, rel=1e-9)


def test_all_answers_are_learned_from(drawn, shop):
    inputs, _ = drawn
    vocabulary = learn_vocabulary(shop.embedded, inputs.as_of)
    here, there = (
        answers_with_features(tables, "nps", vocabulary, before=inputs.as_of)
        for tables in (shop.embedded, inputs.tables)
    )
    pd.testing.assert_frame_equal(there, here, rtol=1e-9)
