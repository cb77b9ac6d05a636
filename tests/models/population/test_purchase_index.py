"""The next purchase index of a base is the mean of what the scorer says of each customer, at both dates."""

import ibis
import pandas as pd
import pytest

from features.describe import describe, materialise
from features.measures.panel import measure
from features.measures.windows import NOT_KNOWN, Grouping, Windows
from features.spine import everyone
from models.population.purchase_index import purchase_index_measure
from models.population.segment_labels import RFM, segment_of, segmentations_of


def index_at(tables, release, as_of):
    base = materialise(describe(tables, everyone(tables.transactions, as_of), release.vocabulary))
    return release.scorer.score(base).set_index(base["customer_id"])["next_purchase_index"]


@pytest.fixture(scope="module")
def windows(simulated_shop):
    return Windows(simulated_shop.as_of, 60, count=3)


@pytest.fixture(scope="module")
def indices(simulated_shop, release, windows):
    """The index of every customer at the end of the newest window and of the one before."""
    return [index_at(simulated_shop.tables, release, windows.end(number)) for number in (0, 1)]


def test_it_is_the_mean_of_the_scores_at_the_end_of_each_window(simulated_shop, release, windows, indices):
    values = measure(simulated_shop.tables, windows, measures=[purchase_index_measure(release)])
    now, then = indices
    assert values["value"][:2].tolist() == pytest.approx([now.mean(), then.mean()])
    assert values["n"][:2].tolist() == [len(now), len(then)]
    assert values["change"][0] == pytest.approx(now.mean() - then.mean())
    assert pd.isna(values["value"][2])
    assert "newest windows" in values["why"][2]


def test_segments_of_today_hold_at_both_dates(simulated_shop, release, windows, indices):
    tables = simulated_shop.tables
    segment = segment_of(tables, simulated_shop.as_of, segmentations_of(release), RFM)
    rows = pd.DataFrame({"customer_id": segment.index, "group": segment.to_numpy()})
    grouping = Grouping(RFM, customers=ibis.memtable(rows))
    values = measure(tables, windows, grouping, measures=[purchase_index_measure(release)])
    for number, index in enumerate(indices):
        # Who gave everything back since has no segment today.
        expected = index.groupby(segment.reindex(index.index).fillna(NOT_KNOWN).to_numpy()).mean()
        by_group = values[(values["window"] == number) & values["value"].notna()].set_index("group")["value"]
        assert by_group.to_dict() == pytest.approx(expected.to_dict())


def test_it_is_of_customers_and_of_days_that_are_past(simulated_shop, release, windows):
    by_column = Grouping("touchpoint", column="touchpoint")
    [why] = set(measure(simulated_shop.tables, windows, by_column, measures=[purchase_index_measure(release)])["why"])
    assert "touchpoint" in why
    before_all = Windows(pd.Timestamp("2000-01-01").date(), 60)
    values = measure(simulated_shop.tables, before_all, measures=[purchase_index_measure(release)])
    assert values["value"].isna().all()
    assert set(values["why"]) == {"no purchase is visible yet"}
