"""What is added at publication, computed another way: from the raw rows, with pandas and plain loops."""

import math
from dataclasses import astuple
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pytest

from features.describe import describe, everyone_described, materialise
from features.spine import everyone
from models.monitoring.stability import transitions_since
from models.population.scored import assemble_scores, score_described, scores_at, scores_table
from models.population.scores_table import COLUMNS, check_scores, read_metadata
from models.scoring.bg_nbd import p_purchase
from models.scoring.columns import SCORE_COLUMNS
from tests.models.kept_orders import kept_sales

PROVENANCE = {"run_id": "a-run", "input_digest": "a-digest", "currency": "EUR"}


@pytest.fixture(scope="module")
def scores(described, predicted, release) -> pd.DataFrame:
    return assemble_scores(described, predicted, release, None)


def index_by_hand(raw: pd.DataFrame, as_of: date, release) -> dict[str, float]:
    """100 P(alive) (1 - ((alpha + T) / (alpha + T + h))^(r + x)) of each customer, from the rows before as_of."""
    r, alpha, a, b, *_ = astuple(release.parameters.purchases)
    h = release.parameters.horizon
    sales = kept_sales(raw, as_of)
    indices = {}
    for customer, days in sales["ts"].dt.date.groupby(sales["customer_id"]):
        first, last, x = min(days), max(days), len(set(days)) - 1
        t_x, T = (last - first).days, (as_of - first).days - 1
        odds = a / (b + x - 1) * ((alpha + T) / (alpha + t_x)) ** (r + x) if x else 0.0
        indices[customer] = 100 / (1 + odds) * (1 - math.pow((alpha + T) / (alpha + T + h), r + x))
    return indices


def test_every_column_of_the_contract_is_there_row_for_row(scores, described, predicted):
    assert set(scores.columns) == set(COLUMNS)
    assert scores["customer_id"].tolist() == described["customer_id"].tolist()
    for name in SCORE_COLUMNS:
        pd.testing.assert_series_equal(scores[name], predicted[name], check_exact=True, check_dtype=False)
    for name in ("frequency", "recency", "T"):
        assert scores[name].dtype == np.int64
        assert (scores[name] == described[name]).all()
    assert scores["reasons"].isna().all()


def test_a_scorer_of_an_earlier_release_says_how_probable_revenue_is_by_p_purchase(described, predicted, release):
    scores = assemble_scores(described, predicted.drop(columns="p_any_revenue"), release, None)
    assert scores["p_any_revenue"].tolist() == predicted["p_purchase"].tolist()


def test_the_changes_are_null_at_first(scores):
    assert scores[["next_purchase_index_change", "nps_category_before", "segment_before"]].isna().all(axis=None)


def test_the_change_is_that_of_the_index_under_the_same_scorer(simulated_shop, release, described, predicted):
    before = simulated_shop.as_of - timedelta(days=170)
    scores = assemble_scores(described, predicted, release, scores_at(simulated_shop.tables, before, release))
    raw = pd.read_parquet(simulated_shop.files["transactions"])
    then, now = (index_by_hand(raw, day, release) for day in (before, simulated_shop.as_of))
    change = scores.set_index("customer_id")["next_purchase_index_change"]
    new = [customer for customer in change.index if customer not in then]
    assert new
    assert change[new].isna().all()
    existing = change.drop(new)
    by_hand = [now[customer] - then[customer] for customer in existing.index]
    assert existing.to_numpy() == pytest.approx(by_hand, abs=1e-9)
    assert existing.abs().max() > 5


def test_the_category_before_is_the_one_the_same_scorer_gave_the_features_of_then(
    simulated_shop, release, described, predicted
):
    before = simulated_shop.as_of - timedelta(days=170)
    tables = simulated_shop.tables
    then = materialise(describe(tables, everyone(tables.transactions, before), release.vocabulary))
    expected = release.scorer.score(then).set_index(then["customer_id"])["nps_category"]
    # Some gave everything back since.
    expected = expected[expected.index.isin(described["customer_id"])]
    scores = assemble_scores(described, predicted, release, scores_at(tables, before, release))
    category_before = scores.set_index("customer_id")["nps_category_before"]
    assert category_before[expected.index].tolist() == expected.tolist()
    assert category_before.drop(expected.index).isna().all()
    assert (
        category_before[expected.index] != predicted.set_index(described["customer_id"])["nps_category"][expected.index]
    ).any()


def test_the_segment_before_is_by_the_same_cut_points(simulated_shop, release, described, predicted):
    before, tables = simulated_shop.as_of - timedelta(days=170), simulated_shop.tables
    then = materialise(describe(tables, everyone(tables.transactions, before), release.vocabulary))
    expected = release.rfm_scores(then).set_index(then["customer_id"])["segment"]
    # Some gave everything back since.
    expected = expected[expected.index.isin(described["customer_id"])]
    scores = assemble_scores(described, predicted, release, scores_at(tables, before, release))
    scores = scores.set_index("customer_id")
    assert scores["segment_before"][expected.index].tolist() == expected.tolist()
    assert scores["segment_before"].drop(expected.index).isna().all()
    today = simulated_shop.as_of
    earlier = scores_at(tables, before, release, today)
    transitions = transitions_since(before, earlier, scores.reset_index(), release, today)
    both = scores.loc[expected.index]
    by_hand = pd.crosstab(both["segment_before"], both["segment"])
    for was, row in by_hand.iterrows():
        for now, customers in row.items():
            assert transitions.segments.loc[was, now] == customers
    assert transitions.segments.loc["(new)"].sum() == len(scores) - len(expected)
    # Who bought nothing since is now where silence alone would have moved them.
    frame = then.set_index("customer_id")
    bought = (scores.loc[expected.index, "T"] - scores.loc[expected.index, "recency"]) < 170
    if_silent = earlier.loc[expected.index, "segment_if_silent"]
    assert (both["segment"][~bought] == if_silent[~bought]).mean() > 0.95
    moved = both["segment"] != both["segment_before"]
    assert transitions.by_time["left_by_time"].sum() == pytest.approx((moved & ~bought).sum(), rel=0.05)
    assert earlier["p_silent"].to_numpy() == pytest.approx(
        1.0
        - p_purchase(
            170, *(frame[name].to_numpy(float) for name in ("frequency", "recency", "T")), release.scorer.purchases
        )
    )


def test_rows_in_another_order_get_the_same_change(simulated_shop, release, described, predicted):
    before = scores_at(simulated_shop.tables, simulated_shop.cutoff, release)
    scores = assemble_scores(described, predicted, release, before)
    turned = assemble_scores(described[::-1], predicted[::-1], release, before.sample(frac=1.0, random_state=1))
    pd.testing.assert_frame_equal(turned.sort_index(), scores, check_exact=True)


def test_the_size_of_batches_changes_no_bit(simulated_shop, release, predicted, monkeypatch):
    tables, as_of, before = simulated_shop.tables, simulated_shop.as_of, simulated_shop.cutoff
    described = everyone_described(tables, as_of, release.vocabulary)

    whole = assemble_scores(described.frame(), predicted, release, scores_at(tables, before, release))
    monkeypatch.setattr("features.tables.BATCH_ROWS", 2 * len(described) // 3)
    in_two = score_described(described, release.scorer.score, release, scores_at(tables, before, release))
    pd.testing.assert_frame_equal(in_two, whole, check_exact=True)


def test_rfm_by_the_cut_points_of_the_release(simulated_shop, release, scores):
    raw = pd.read_parquet(simulated_shop.files["transactions"])
    sold = kept_sales(raw, simulated_shop.as_of)
    sold = sold.assign(day=sold["ts"].dt.normalize())
    measures = {
        "recency": (pd.Timestamp(simulated_shop.as_of) - sold.groupby("customer_id")["day"].max()).dt.days - 1,
        "frequency": sold.groupby("customer_id")["day"].nunique(),
    }
    rfm = scores.set_index("customer_id")["rfm"]
    for place, (name, values) in enumerate(measures.items()):
        above = sum((values > cut).astype(int) for cut in getattr(release.parameters.rfm, name))
        digits = 5 - above if name == "recency" else 1 + above
        assert (rfm.str[place].astype(int) == digits.reindex(rfm.index)).all()
    shares = rfm.str[2].value_counts(normalize=True)
    assert shares.to_numpy() == pytest.approx(0.2, abs=0.01)
    assert scores["segment"].nunique() > 8


def test_the_table_passes_its_contract_and_says_where_it_comes_from(simulated_shop, release, scores):
    table = scores_table(scores, release, 3, simulated_shop.as_of, PROVENANCE)
    check_scores(table, customers=len(scores))
    assert read_metadata(table) == {
        "scorer_version": "3",
        "scorer_trained_after_as_of": "false",
        "horizon": "90",
        "churn_horizon": "365",
        "clv_horizon": "365",
        "currency": "",
        "nps_question": "nps",
        "nps_as_of": simulated_shop.as_of.isoformat(),
        "nps_prior": str(list(release.parameters.nps.prior)),
        **PROVENANCE,
    }


def test_the_table_says_that_the_scorer_was_trained_later(simulated_shop, release, scores):
    a_day_before = simulated_shop.as_of - timedelta(days=1)
    table = scores_table(scores, release, 3, a_day_before, PROVENANCE)
    assert read_metadata(table)["scorer_trained_after_as_of"] == "true"
