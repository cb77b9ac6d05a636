"""What is added at publication, computed another way: from the raw rows, with pandas and plain loops."""

import math
from collections.abc import Callable
from dataclasses import astuple
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.describe import describe, everyone_described, materialise
from features.engine.stored import StoredTable
from features.spine import everyone
from models.monitoring.stability import MOVED_BY, transitions_between, transitions_since
from models.population.earlier_scores import EarlierScores, score_earlier
from models.population.scored import assemble_scores, publishable, score_described, scores_metadata
from models.population.scores_contract import check_stored_scores
from models.population.scores_table import COLUMNS, read_metadata, to_table, typed, write_scores
from models.scoring.bg_nbd import p_purchase
from models.scoring.columns import SCORE_COLUMNS
from tests.models.kept_orders import kept_sales

PROVENANCE = {"run_id": "a-run", "input_digest": "a-digest", "currency": "EUR"}


@pytest.fixture
def earlier_scores(simulated_shop, release, tmp_path) -> Callable[[date], EarlierScores]:
    def score(before: date) -> EarlierScores:
        return score_earlier(
            simulated_shop.tables, before, release, simulated_shop.as_of, tmp_path / f"{before}.parquet"
        )

    return score


def all_of(earlier: EarlierScores) -> pd.DataFrame:
    return earlier.stored.frame().set_index("customer_id")


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


def test_the_change_is_that_of_the_index_under_the_same_scorer(
    simulated_shop, release, described, predicted, earlier_scores
):
    before = simulated_shop.as_of - timedelta(days=170)
    scores = assemble_scores(described, predicted, release, all_of(earlier_scores(before)))
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
    simulated_shop, release, described, predicted, earlier_scores
):
    before = simulated_shop.as_of - timedelta(days=170)
    tables = simulated_shop.tables
    then = materialise(describe(tables, everyone(tables.transactions, before), release.vocabulary))
    expected = release.scorer.score(then).set_index(then["customer_id"])["nps_category"]
    # Some gave everything back since.
    expected = expected[expected.index.isin(described["customer_id"])]
    scores = assemble_scores(described, predicted, release, all_of(earlier_scores(before)))
    category_before = scores.set_index("customer_id")["nps_category_before"]
    assert category_before[expected.index].tolist() == expected.tolist()
    assert category_before.drop(expected.index).isna().all()
    assert (
        category_before[expected.index] != predicted.set_index(described["customer_id"])["nps_category"][expected.index]
    ).any()


def test_the_segment_before_is_by_the_same_cut_points(simulated_shop, release, described, predicted, earlier_scores):
    before, tables = simulated_shop.as_of - timedelta(days=170), simulated_shop.tables
    then = materialise(describe(tables, everyone(tables.transactions, before), release.vocabulary))
    expected = release.rfm_scores(then).set_index(then["customer_id"])["segment"]
    # Some gave everything back since.
    expected = expected[expected.index.isin(described["customer_id"])]
    earlier = all_of(earlier_scores(before))
    scores = assemble_scores(described, predicted, release, earlier).set_index("customer_id")
    assert scores["segment_before"][expected.index].tolist() == expected.tolist()
    assert scores["segment_before"].drop(expected.index).isna().all()
    today = simulated_shop.as_of
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


def test_rows_in_another_order_get_the_same_change(simulated_shop, release, described, predicted, earlier_scores):
    before = all_of(earlier_scores(simulated_shop.cutoff))
    scores = assemble_scores(described, predicted, release, before)
    turned = assemble_scores(described[::-1], predicted[::-1], release, before.sample(frac=1.0, random_state=1))
    pd.testing.assert_frame_equal(turned.sort_index(), scores, check_exact=True)


@pytest.mark.parametrize("days", [20, 400])
def test_the_size_of_batches_changes_no_bit(
    simulated_shop, release, predicted, tmp_path, monkeypatch, earlier_scores, days
):
    as_of = simulated_shop.as_of
    before = as_of - timedelta(days=days)
    described = everyone_described(simulated_shop.tables, as_of, release.vocabulary)

    earlier = all_of(earlier_scores(before))
    whole = assemble_scores(described.frame(), predicted, release, earlier)
    transitions = transitions_since(before, earlier, whole[list(MOVED_BY)], release, as_of)
    monkeypatch.setattr("features.engine.stored.BATCH_ROWS", 2 * len(described) // 3)
    monkeypatch.setattr("models.population.earlier_scores._PART_ROWS", len(earlier) // 7 + 1)
    kept = earlier_scores(before)
    in_two = score_described(described, release.scorer.score, release, kept, tmp_path / "scores.parquet")
    assert pq.read_table(in_two.file).equals(typed(whole))
    assert len(list(kept.beside(in_two, MOVED_BY))) == 2
    for name, table in vars(transitions_between(kept, in_two, release, as_of)).items():
        if name == "as_of":
            assert table == before
        else:
            pd.testing.assert_frame_equal(table, getattr(transitions, name), check_exact=True)


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


def test_what_is_published_passes_its_contract_and_says_where_it_comes_from(
    simulated_shop, release, described, scores, tmp_path, monkeypatch
):
    monkeypatch.setattr("models.population.scored.GROUP_ROWS", len(scores) // 3)
    as_of = simulated_shop.as_of
    metadata = scores_metadata(release, 3, as_of, PROVENANCE)
    write_scores([typed(scores)], tmp_path / "draft.parquet")
    reasons = pd.Series([None, "[]"] * (len(scores) // 2 + 1), dtype=object).iloc[: len(scores)]
    file = tmp_path / "scores.parquet"
    write_scores(publishable(StoredTable(tmp_path / "draft.parquet"), reasons, metadata), file)

    check_stored_scores(file, customers=len(scores))
    table = pq.read_table(file)
    assert table.equals(to_table(scores.assign(reasons=reasons.to_numpy()), metadata), check_metadata=True)
    assert read_metadata(table) == {
        "scorer_version": "3",
        "scorer_trained_after_as_of": "false",
        "horizon": "90",
        "churn_horizon": "365",
        "clv_horizon": "365",
        "currency": "",
        "nps_question": "nps",
        "nps_as_of": as_of.isoformat(),
        "nps_prior": str(list(release.parameters.nps.prior)),
        **PROVENANCE,
    }


def test_the_metadata_say_that_the_scorer_was_trained_later(simulated_shop, release):
    a_day_before = simulated_shop.as_of - timedelta(days=1)
    assert scores_metadata(release, 3, a_day_before, PROVENANCE)["scorer_trained_after_as_of"] == "true"
