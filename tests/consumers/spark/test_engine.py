"""What an engine of Spark Connect does as DuckDB does; what it does not yet is a mark with its reason.

A mark names the engines that lack something and what they raise. It fails where an engine has learned it, so that what
stands in its place is taken out.
"""

from dataclasses import replace
from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from ibis.common.exceptions import UnsupportedOperationError
from pyspark.errors import UnsupportedOperationException

from features.measures.panel import MEASURES, measure
from features.measures.windows import Grouping, Windows
from features.purchases import purchase_summary
from flows.steps.cluster.levels import grouping_there
from flows.steps.cluster.ranks import ranked, tenths
from flows.steps.cluster.watching import _where_it_is_known
from models.population.segment_labels import NOT_KNOWN, Segmentations, segment_of
from tests.consumers.conftest import AS_OF

WINDOWS = Windows(date.fromisoformat(AS_OF), 30, 12)
BY_NAME = {each.name: each for each in MEASURES}
TIME_SPENT = pytest.param(
    "activity_time",
    marks=pytest.mark.notyet(
        "sail", raises=UnsupportedOperationException, reason="Sail has no difference of timestamps in microseconds"
    ),
)


@pytest.mark.parametrize("name", [TIME_SPENT if name == "activity_time" else name for name in BY_NAME])
def test_a_measure_is_that_of_one_machine(shop, name):
    here, there = (
        measure(tables, WINDOWS, Grouping(), measures=[BY_NAME[name]]) for tables in (shop.embedded, shop.cluster)
    )
    for column in ("value", "low", "high", "n", "change"):
        np.testing.assert_allclose(there[column].astype(float), here[column].astype(float), rtol=1e-9, err_msg=column)
    assert there["why"].fillna("").tolist() == here["why"].fillna("").tolist()


def test_a_measure_that_an_engine_does_not_know_says_so(shop):
    def unknown(*_):
        raise UnsupportedOperationError("no such operation")

    each = _where_it_is_known(BY_NAME["nps"].__class__("new", "New", "", "", unknown))
    figures = measure(shop.cluster, WINDOWS, Grouping(), measures=[each])
    assert figures["value"].isna().all()
    assert set(figures["why"]) == {"the engine of the cluster does not know an operation that this measure needs"}


def test_places_and_tenths_are_those_of_one_process(shop, backend):
    as_of = date.fromisoformat(AS_OF)
    summary = purchase_summary(shop.cluster, as_of)
    customers = int(summary.count().to_pyarrow().as_py())
    for by in ("total_value", "frequency"):
        found = ranked(summary, by, customers).select("customer_id", "place").to_pandas().sort_values("place")
        whole = purchase_summary(shop.embedded, as_of).to_pandas().sort_values([by, "customer_id"])
        assert found["customer_id"].tolist() == whole["customer_id"].tolist()
        assert found["place"].tolist() == list(range(customers))
    values = np.sort(np.maximum(whole["total_value"].to_numpy(), 0.0))[::-1]
    upto = np.interp(np.linspace(0, customers, 11), np.arange(customers + 1), np.concatenate([[0.0], values.cumsum()]))
    assert tenths(summary, "total_value", customers) == pytest.approx(np.diff(upto) / values.sum(), rel=1e-9)


@pytest.fixture(scope="module")
def doubles(backend):
    rows = backend.session.createDataFrame([(1.0,), (float("nan"),), (float("inf"),)], "value double")
    rows.createOrReplaceTempView("doubles")
    return backend.table("doubles").value


@pytest.mark.notyet("sail", "spark", raises=AssertionError, reason="Ibis takes NaN for null on Spark")
def test_nan_is_not_null(doubles):
    assert doubles.isnull().sum().to_pyarrow().as_py() == 0


@pytest.mark.notyet("sail", "spark", raises=AssertionError, reason="Ibis writes an isinf that is false on Spark")
def test_infinity_is_infinite(doubles):
    assert doubles.isinf().sum().to_pyarrow().as_py() == 1


@pytest.mark.notyet(
    "sail", "spark", raises=AssertionError, reason="Ibis writes \\v and \\f, which Spark reads as these letters"
)
def test_strip_leaves_letters(backend):
    backend.session.createDataFrame([(" fief ",)], "kind string").createOrReplaceTempView("kinds")
    assert backend.table("kinds").kind.strip().to_pandas().tolist() == ["fief"]


@pytest.mark.notyet(
    "sail", "spark", raises=UnsupportedOperationError, reason="Ibis does not extract microseconds on Spark"
)
def test_microseconds_are_extracted(shop):
    shop.cluster.events.ts.microsecond().max().to_pyarrow()


@pytest.mark.notyet("sail", raises=AssertionError, reason="Sail leaves out an order where it may write over files")
def test_rows_are_written_in_order(backend, tmp_path):
    (tmp_path / "rows").mkdir()
    for part in range(4):
        pq.write_table(
            pa.table({"id": [7 * k % 1009 for k in range(part, 1009, 4)]}), tmp_path / f"rows/{part}.parquet"
        )
    rows = backend.session.read.parquet(str(tmp_path / "rows")).sort("id")
    rows.write.mode("overwrite").parquet(str(tmp_path / "sorted"))
    assert pq.read_table(tmp_path / "sorted")["id"].to_pylist() == list(range(1009))


@pytest.mark.parametrize("name", ["region", "cost_to_serve", "is_member", "stars"])
def test_customers_are_grouped_by_an_attribute_as_on_one_machine(shop, backend, name):
    here, there = (with_more_attributes(tables) for tables in (shop.embedded, shop.cluster))
    as_of = date.fromisoformat(AS_OF)
    segments = segment_of(here, as_of, Segmentations(None), name)
    found = grouping_there(backend, there, as_of, name).customers.to_pandas().set_index("customer_id")["group"]
    assert found.sort_index().to_dict() == segments.to_dict()
    assert NOT_KNOWN in set(found)


def with_more_attributes(tables):
    """The tables with a truth value and a number of few values; every fifth customer has no attribute at all."""
    customers = tables.customers.filter(tables.customers.customer_id.substr(7, 1) != "5")
    stars = customers.region.length()
    return replace(tables, customers=customers.mutate(stars=stars, is_member=stars > 4))
