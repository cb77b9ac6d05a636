"""The second stage enters the scores only where it wins on every count, and the verdict says by which figures."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from models.purchases.second_stage_gate import judge_second_stage
from models.stats.metrics import auc, brier

FIRST, SECOND = "BG/NBD", "second stage"
COLUMNS = ("p_purchase", "expected_purchases", "expected_revenue")


@dataclass(frozen=True)
class Judged:
    """One cutoff, as a rolling backtest gives it."""

    customers: pd.DataFrame
    predictions: dict[str, pd.DataFrame]


def predicted(p) -> pd.DataFrame:
    return pd.DataFrame({"p_purchase": p, "expected_purchases": 1.5 * p, "expected_revenue": 30.0 * p})


def error_in_deciles(by, happened, expected) -> float:
    decile = pd.qcut(by, 10, labels=False)
    apart = (expected - happened).groupby(decile).sum().abs().sum()
    return apart / happened.sum()


def judged(rng, n=3000, knows_more=True, level=0.0, people=None) -> Judged:
    """A first stage that knows half of what decides, and a second one that knows all of it but for its level."""
    visible, hidden = rng.normal(-1.5, 0.8, n), rng.normal(0, 1.0, n)
    truth = expit(visible + hidden)
    bought = rng.random(n) < truth
    purchases = bought * (1 + (rng.random(n) < 0.5))
    customers = pd.DataFrame(
        {
            "customer_id": np.arange(n).astype(str) if people is None else people,
            "purchases": purchases.astype(float),
            "revenue": 20.0 * purchases,
        }
    )
    # The mean of expit(visible + hidden) over hidden, to a thousandth.
    nodes, weights = np.polynomial.hermite_e.hermegauss(20)
    first = expit(visible[:, None] + nodes) @ (weights / weights.sum())
    second = expit(logit(truth if knows_more else first) + level)
    return Judged(customers, {FIRST: predicted(first), SECOND: predicted(second)})


def test_who_knows_more_enters(rng):
    verdict = judge_second_stage([judged(rng), judged(rng)], FIRST)
    assert verdict.used
    assert verdict.why.startswith("The second stage enters the scores: it wins on ranking and on calibration.")
    assert "Over 2 cutoffs, beside BG/NBD: AUC of p_purchase" in verdict.why
    m = verdict.metrics
    assert f"{m['auc_second']:.3f} against {m['auc_first']:.3f}" in verdict.why
    assert m["cutoffs"] == 2
    # Each is right in its own deciles; only in the other's does it show who knows less.
    assert m["own_deciles_first"] < 1.5 * m["own_deciles_chance"]
    assert m["calibration_first"] > 3 * m["calibration_second"]


def test_who_knows_the_same_stays_out(rng):
    verdict = judge_second_stage([judged(rng, knows_more=False)], FIRST)
    assert not verdict.used
    assert "for it does not win on AUC, log loss" in verdict.why


def test_noise_stays_out(rng):
    cutoff = judged(rng, knows_more=False)
    for _ in range(20):
        noisy = expit(logit(cutoff.predictions[FIRST]["p_purchase"]) + rng.normal(0, 0.3, 3000))
        assert not judge_second_stage(
            [Judged(cutoff.customers, cutoff.predictions | {SECOND: predicted(noisy)})], FIRST
        ).used


def test_who_ranks_better_and_is_biased_stays_out(rng):
    verdict = judge_second_stage([judged(rng, level=0.4)], FIRST)
    assert not verdict.used
    assert verdict.metrics["auc_second"] > verdict.metrics["auc_first"] + 0.05
    assert "calibration error in own deciles, bias" in verdict.why


def test_the_gini_of_revenue_must_not_fall(rng):
    cutoff = judged(rng)
    unsorted = cutoff.predictions[SECOND].assign(expected_revenue=lambda rows: rows["expected_revenue"].mean())
    verdict = judge_second_stage([Judged(cutoff.customers, cutoff.predictions | {SECOND: unsorted})], FIRST)
    assert not verdict.used
    assert "does not win on Gini" in verdict.why


def test_figures_are_means_over_cuts(rng):
    cutoffs = [judged(rng, 2000), judged(rng, 4000)]
    m = judge_second_stage(cutoffs, FIRST).metrics
    aucs = [auc(cutoff.customers["purchases"] > 0, cutoff.predictions[SECOND]["p_purchase"]) for cutoff in cutoffs]
    assert m["auc_second"] == pytest.approx(np.mean(aucs))
    bias = [
        abs(cutoff.predictions[FIRST]["expected_purchases"].sum() / cutoff.customers["purchases"].sum() - 1)
        for cutoff in cutoffs
    ]
    assert m["bias_first"] == pytest.approx(np.mean(bias))


def test_calibration_error_is_that_of_the_deciles_of_either_stage(rng):
    cutoff = judged(rng, 2000)
    m = judge_second_stage([cutoff], FIRST).metrics
    purchases, revenue = cutoff.customers["purchases"], cutoff.customers["revenue"]
    happened = dict(zip(COLUMNS, ((purchases > 0).astype(float), purchases, revenue), strict=True))
    for stage, name in (("first", FIRST), ("second", SECOND)):
        error = {
            by: np.mean(
                [error_in_deciles(cutoff.predictions[by][c], happened[c], cutoff.predictions[name][c]) for c in COLUMNS]
            )
            for by in (FIRST, SECOND)
        }
        assert m[f"own_deciles_{stage}"] == pytest.approx(error[name])
        assert m[f"calibration_{stage}"] == pytest.approx(np.mean([error[FIRST], error[SECOND]]))


def test_standard_errors_are_those_of_a_bootstrap_over_customers(rng):
    # The same people at both cutoffs, who behave alike at both.
    one = judged(rng, 800)
    cutoffs = [one, Judged(one.customers, one.predictions)]
    m = judge_second_stage(cutoffs, FIRST).metrics
    bought = (one.customers["purchases"] > 0).to_numpy()
    p = {name: frame["p_purchase"].to_numpy() for name, frame in one.predictions.items()}

    def gains(rows):
        loss = {name: -np.log(np.where(bought, q, 1 - q))[rows].mean() for name, q in p.items()}
        return auc(bought[rows], p[SECOND][rows]) - auc(bought[rows], p[FIRST][rows]), loss[FIRST] - loss[SECOND]

    again = np.array([gains(rng.integers(0, 800, 800)) for _ in range(600)])
    assert m["auc_gain_error"] == pytest.approx(again[:, 0].std(), rel=0.15)
    assert m["log_loss_gain_error"] == pytest.approx(again[:, 1].std(), rel=0.15)


def test_chance_is_the_error_of_right_probabilities(rng):
    chance, errors = [], []
    for _ in range(60):
        m = judge_second_stage([judged(rng, 1500)], FIRST).metrics
        chance.append(m["own_deciles_chance"])
        errors.append(m["own_deciles_second"])
    assert np.mean(errors) == pytest.approx(np.mean(chance), rel=0.1)


def test_sharper_is_better_by_any_proper_score(rng):
    cutoff = judged(rng)
    bought = cutoff.customers["purchases"] > 0
    assert judge_second_stage([cutoff], FIRST).used
    assert brier(bought, cutoff.predictions[SECOND]["p_purchase"]) < brier(
        bought, cutoff.predictions[FIRST]["p_purchase"]
    )


def test_cuts_without_both_stages_or_without_buyers_do_not_count(rng):
    cutoff = judged(rng)
    alone = Judged(cutoff.customers, {FIRST: cutoff.predictions[FIRST]})
    empty = Judged(cutoff.customers.assign(purchases=0.0), cutoff.predictions)
    assert judge_second_stage([cutoff, alone, empty], FIRST) == judge_second_stage([cutoff], FIRST)
    verdict = judge_second_stage([alone, empty], FIRST)
    assert not verdict.used
    assert "there is no cutoff at which it could be judged" in verdict.why
    assert verdict.metrics == {}
