"""`revealed retrain` on a cluster learns what it learns on one machine, from whole customers that the cluster draws."""

import pandas as pd
import pytest
from ibis.backends.pyspark import Backend

from features.spine import everyone
from flows.retrain import retrain
from flows.settings import TABLES, Settings
from flows.steps.cluster.learning import take_learning_inputs
from flows.steps.stores import open_settings_store
from models.registry.scorers import read_champion
from models.registry.store import open_store
from models.registry.tracking import tracked
from tests.consumers.conftest import AS_OF

# Counts, sums and examples; the shop has more customers and far more rows.
MOST_ROWS_COLLECTED = 500


@pytest.fixture(scope="module")
def named(files):
    return {name: [str(path)] for name, path in files.items() if name in TABLES}


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
    chosen = rows[rows.customer_id.isin(of.customer_id)]
    return chosen.sort_values(list(rows.columns), ignore_index=True)


def test_of_a_larger_shop_whole_customers_are_learned_from(named, remote, shop, tmp_path, collected):
    settings = settings_of(tmp_path, named, remote)
    with tracked(open_settings_store(settings), "retrain", {}) as run:
        drawn = take_learning_inputs(run, settings, most=400)
        table = drawn.tables.transactions.to_pandas()
        answers, events = drawn.tables.answers.to_pandas(), drawn.tables.events.to_pandas()
        customers = everyone(drawn.tables.transactions, drawn.as_of).table.count().to_pyarrow().as_py()
    assert 300 < customers < 500
    assert f"Learned from {customers:,} of" in drawn.intake.notes[-1]
    for rows, all_rows in ((table, shop.embedded.transactions), (answers, shop.embedded.answers)):
        whole = all_rows.to_pandas()
        pd.testing.assert_frame_equal(in_order(rows, table), in_order(whole[rows.columns], table))
    assert len(events)
    assert max(collected) <= MOST_ROWS_COLLECTED
