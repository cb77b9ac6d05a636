"""The index against its closed form, chance against simulation, bins against pandas, and the words by hand."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy.stats import entropy

from models.stats.population_stability import FEWEST_EXPECTED, profile_of, psi_parts, stability, verdict_of


def compared(before, now, **options):
    frames = [pd.DataFrame({"x": values}) for values in (before, now)]
    profile = json.loads(json.dumps(profile_of(frames[0], ["x"]), allow_nan=False))
    return stability(profile, frames[1], **options).iloc[0]


def test_the_index_is_both_kullback_leibler_divergences():
    p, q = np.array([5e8, 3e8, 2e8]), np.array([4e8, 4e8, 2e8])
    assert psi_parts(p, q).sum() == pytest.approx(entropy(p, q) + entropy(q, p), rel=1e-6)
    assert psi_parts(p, q) == pytest.approx([-0.1 * np.log(0.8), 0.1 * np.log(4 / 3), 0.0], rel=1e-6)
    # By hand: 60 of 100 against 50 of 100, with one row more in the shares of both.
    by_hand = 0.1 * 100 / 101 * (np.log(60.55 / 50.55) - np.log(40.45 / 50.45))
    assert psi_parts([50, 50], [60, 40]).sum() == pytest.approx(by_hand)


def test_an_empty_bin_is_finite_and_one_that_is_empty_in_both_adds_nothing():
    parts = psi_parts([100, 0, 0], [80, 0, 20])
    assert np.isfinite(parts).all() and parts[1] == 0 and parts[2] > 0.5
    assert psi_parts([7, 3], [70, 30]).sum() == pytest.approx(0, abs=1e-12)


def skewed(rng, n):
    """Half are 0, a few missing, the rest skewed."""
    x = np.where(rng.random(n) < 0.5, 0.0, rng.lognormal(3, 1, n))
    return np.where(rng.random(n) < 0.08, np.nan, x)


@pytest.mark.parametrize(
    ("draw", "n0", "n1"),
    [
        (lambda rng, n: rng.normal(size=n), 1000, 300),
        (skewed, 3000, 400),
        (lambda rng, n: rng.poisson(1.0, n).astype(float), 2000, 2000),
        (lambda rng, n: rng.choice(list("aaaabbbccdefghijk"), n), 1000, 150),
    ],
)
def test_chance_alone_makes_the_index_that_is_expected(draw, n0, n1):
    rng = np.random.default_rng(n0 + n1)
    comparison = pd.DataFrame([compared(draw(rng, n0), draw(rng, n1)) for _ in range(200)])
    ratio = comparison["psi"] / comparison["expected"]
    # A chi-square of about eight degrees of freedom: the ratio has a standard deviation of about a half. The logarithm
    # adds a few per cent where few rows are expected in a bin.
    error = ratio.std() / np.sqrt(len(ratio))
    assert ratio.mean() == pytest.approx(1, abs=0.05 + 3 * error)
    assert 0.015 < (comparison["psi"] > comparison["upper"]).mean() < 0.10


def test_the_same_customers_at_two_dates_vary_less_and_the_verdict_says_so():
    rng = np.random.default_rng(3)
    rows = []
    for _ in range(60):
        x = rng.normal(size=2000)
        rows.append(compared(x, 0.95 * x + np.sqrt(1 - 0.95**2) * rng.normal(size=2000), same_customers=True))
    comparison = pd.DataFrame(rows)
    assert comparison["psi"].mean() < 0.75 * comparison["expected"].mean()
    assert (comparison["verdict"] == "stable, within chance of separate samples").all()


def test_a_shift_has_the_index_of_two_normals():
    rng = np.random.default_rng(4)
    comparison = compared(rng.normal(size=200_000), 0.3 + rng.normal(size=200_000))
    # Two normals one standard deviation apart by d have d^2; ten bins keep most of it.
    assert 0.9 * 0.09 < comparison["psi"] < 0.09 + 2 * comparison["expected"]
    assert comparison["verdict"] == "stable, more than chance"
    assert compared(rng.normal(size=5000), 0.4 + rng.normal(size=5000))["verdict"] == "moved"
    assert compared(rng.normal(size=5000), 0.7 + rng.normal(size=5000))["verdict"] == "moved much"
    assert compared(rng.normal(size=100), rng.normal(size=100))["verdict"] in (
        "stable, within chance",
        "within chance: too few rows to tell",
    )


def test_the_verdict_looks_at_chance_and_at_size():
    assert verdict_of(0.02, 0.03) == "stable, within chance"
    assert verdict_of(0.12, 0.15) == "within chance: too few rows to tell"
    assert verdict_of(0.02, 0.01) == "stable, more than chance"
    assert [verdict_of(psi, 0.05) for psi in (0.1, 0.249, 0.25)] == ["moved", "moved", "moved much"]
    assert "of separate samples" in verdict_of(0.02, 0.03, same_customers=True)


def test_counts_are_those_that_pandas_finds_in_the_same_bins():
    rng = np.random.default_rng(5)
    frame = pd.DataFrame({"x": skewed(rng, 5000), "y": rng.gamma(0.5, size=5000)})
    for name, profile in profile_of(frame, ["x", "y"])["columns"].items():
        bins = [-np.inf, *profile["edges"], np.inf]
        by_pandas = pd.cut(frame[name], bins).value_counts(sort=False).to_numpy()
        assert profile["counts"] == [*by_pandas, frame[name].isna().sum()]
    # Edges are observed values, a tenth of the rows apart.
    quantiles = np.quantile(frame["y"], np.arange(1, 10) / 10, method="inverted_cdf")
    assert profile["edges"] == quantiles.tolist()


def test_a_value_that_many_share_has_a_bin_of_its_own():
    heavy = np.concatenate([np.linspace(0, 1, 301), np.full(500, 5.0), np.linspace(8, 9, 200)])
    profile = profile_of(pd.DataFrame({"x": heavy}), ["x"])["columns"]["x"]
    position = profile["edges"].index(5.0)
    assert profile["edges"][position - 1] == 1.0
    assert profile["counts"][position] == 500
    at_the_top = profile_of(pd.DataFrame({"x": np.minimum(np.linspace(0, 1.25, 1001), 1.0)}), ["x"])["columns"]["x"]
    assert at_the_top["edges"][-1] < 1.0 and at_the_top["counts"][-2:] == [201, 0]


def test_few_values_flags_and_text_have_a_bin_each_and_news_has_one_too():
    frame = pd.DataFrame(
        {"n": [0.0, 0, 1, np.nan], "flag": [True, False, True, True], "name": ["b", "a", "b", None], "void": np.nan}
    )
    columns = profile_of(frame, list(frame))["columns"]
    assert (columns["n"]["levels"], columns["n"]["counts"]) == ([0.0, 1.0], [2, 1, 0, 1])
    assert (columns["flag"]["levels"], columns["flag"]["counts"]) == ([0.0, 1.0], [1, 3, 0, 0])
    assert (columns["name"]["levels"], columns["name"]["counts"]) == (["b", "a"], [2, 1, 0, 1])
    assert (columns["void"]["levels"], columns["void"]["counts"]) == ([], [0, 4])
    new = compared(np.zeros(1000), np.repeat([0.0, 2.0], [800, 200]))
    assert new["verdict"] == "moved much"
    assert new["most_moved"] == "x another value: 0.0 % -> 20 %"
    assert compared(["a"] * 500 + ["b"] * 500, ["a"] * 300 + ["c"] * 700)["verdict"] == "moved much"
    # A column that says nothing any more is all missing, whatever its type has become.
    assert compared(np.zeros(100), np.array([None] * 100, dtype=object))["verdict"] == "moved much"


def test_bins_of_too_few_expected_rows_are_merged_with_their_neighbours():
    rng = np.random.default_rng(6)
    before, now = rng.normal(size=5000), rng.normal(size=30)
    comparison = compared(before, now)
    # 30 rows in ten bins are three each; two neighbours hold six.
    assert 30 / FEWEST_EXPECTED > comparison["bins"] >= 3
    assert compared(before, rng.normal(size=300))["bins"] == 10
    some_missing = np.where(np.arange(5000) < 3, np.nan, before)
    assert compared(some_missing, rng.normal(size=5000))["bins"] == 10
    assert compared(before, now[:2])["bins"] == 1
    assert compared(before, now[:2])["psi"] == 0


def test_the_bin_that_moved_most_in_words():
    before, now = np.arange(1000.0), np.arange(1000.0)
    now[:100] += 900.5
    comparison = stability(profile_of(pd.DataFrame({"days": before}), ["days"]), pd.DataFrame({"days": now}))
    assert comparison["most_moved"][0] == "days up to 99: 10 % -> 0.0 %"
    middle = np.where((before > 449) & (before < 499.5), before + 50, before)
    comparison = compared(before, middle)
    assert comparison["most_moved"] == "x above 399 up to 499: 10 % -> 5.0 %"
    few = compared(np.repeat(["s", "t", "u", "v", "w", "x"], [900, 1, 1, 1, 1, 1]), ["s"] * 900 + ["w"] * 90)
    assert few["most_moved"] == "x t or u or v or 2 other values: 0.6 % -> 9.1 %"


def test_columns_come_the_most_moved_first_and_rows_in_any_order_are_the_same():
    rng = np.random.default_rng(7)
    frame = pd.DataFrame({"a": rng.normal(size=900), "b": skewed(rng, 900), "c": rng.integers(0, 3, 900)})
    later = frame.assign(b=frame["b"] * 1.7 + 1)
    profile = profile_of(frame, ["a", "b", "c"])
    assert profile == profile_of(frame.sample(frac=1, random_state=1), ["a", "b", "c"])
    comparison = stability(profile, later)
    assert comparison["column"].tolist() == ["b", "a", "c"]
    assert comparison.loc[1:, "psi"].tolist() == [0, 0]
    pd.testing.assert_frame_equal(comparison, stability(profile, later.iloc[::-1]))


def test_nothing_to_compare_and_mistakes_are_told():
    frame = pd.DataFrame({"x": [1.0, 2.0], "t": pd.to_datetime(["2024-01-01", "2024-01-02"]), "s": ["a", "b"]})
    comparison = stability(profile_of(frame, ["x"]), frame[:0])
    assert comparison["verdict"].tolist() == ["too few rows to tell"] and comparison["psi"].isna().all()
    with pytest.raises(TypeError, match="column t must hold numbers or text"):
        profile_of(frame, ["t"])
    with pytest.raises(KeyError, match="lacks the column y"):
        profile_of(frame, ["y"])
    with pytest.raises(TypeError, match="held numbers when"):
        stability(profile_of(frame, ["x"]), pd.DataFrame({"x": ["a"]}))
    with pytest.raises(TypeError, match="held text when"):
        stability(profile_of(frame, ["s"]), pd.DataFrame({"s": [1.0]}))
