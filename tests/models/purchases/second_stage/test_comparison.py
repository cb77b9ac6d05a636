"""Both stages side by side: ranking and level are two questions, each with figures of its own."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit, logit

from models.purchases.second_stage.comparison import compare_stages
from models.stats.metrics import auc

FIRST, SECOND = "BG/NBD", "second stage"


@dataclass(frozen=True)
class Judged:
    """One cutoff, as a rolling backtest gives it."""

    customers: pd.DataFrame
    predictions: dict[str, pd.DataFrame]


def predicted(p) -> pd.DataFrame:
    return pd.DataFrame({"p_purchase": p, "expected_purchases": 1.5 * p, "expected_revenue": 30.0 * p})


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


def test_who_knows_more_ranks_better_and_only_its_level_is_off(rng):
    comparison = compare_stages([judged(rng, level=0.4), judged(rng, level=0.4)], FIRST)
    m = comparison.metrics
    assert m["auc_second"] > m["auc_first"] + 5 * m["auc_gain_error"]
    # Ranking is judged at the realised level, so that 0.4 too much on the log odds costs nothing there.
    at_right_level = compare_stages([judged(rng), judged(rng)], FIRST).metrics
    assert m["ranking_loss_second"] == pytest.approx(at_right_level["ranking_loss_second"], abs=0.02)
    assert m["ranking_loss_second"] < m["ranking_loss_first"] - 0.03
    assert m["log_loss_second"] > m["ranking_loss_second"] + 0.005
    assert m["buyers_bias_second"] > 0.15 > m["buyers_bias_first"]
    told = comparison.why
    assert told.startswith("Second stage against the first, over 2 cutoffs. Ranking: AUC of p_purchase 0.")
    assert f"Level: absolute bias of the number of buyers {100 * m['buyers_bias_second']:.1f} against" in told


def test_figures_are_means_over_cuts(rng):
    cutoffs = [judged(rng, 2000), judged(rng, 4000)]
    m = compare_stages(cutoffs, FIRST).metrics
    aucs = [auc(cutoff.customers["purchases"] > 0, cutoff.predictions[SECOND]["p_purchase"]) for cutoff in cutoffs]
    assert m["auc_second"] == pytest.approx(np.mean(aucs))
    bias = [
        abs(cutoff.predictions[FIRST]["expected_purchases"].sum() / cutoff.customers["purchases"].sum() - 1)
        for cutoff in cutoffs
    ]
    assert m["bias_first"] == pytest.approx(np.mean(bias))


def test_standard_errors_are_those_of_a_bootstrap_over_customers(rng):
    # The same people at both cutoffs, who behave alike at both.
    one = judged(rng, 800)
    cutoffs = [one, Judged(one.customers, one.predictions)]
    m = compare_stages(cutoffs, FIRST).metrics
    bought = (one.customers["purchases"] > 0).to_numpy()
    p = {name: frame["p_purchase"].to_numpy() for name, frame in one.predictions.items()}

    def gains(rows):
        loss = {name: -np.log(np.where(bought, q, 1 - q))[rows].mean() for name, q in p.items()}
        return auc(bought[rows], p[SECOND][rows]) - auc(bought[rows], p[FIRST][rows]), loss[FIRST] - loss[SECOND]

    again = np.array([gains(rng.integers(0, 800, 800)) for _ in range(600)])
    assert m["auc_gain_error"] == pytest.approx(again[:, 0].std(), rel=0.15)
    assert m["log_loss_gain_error"] == pytest.approx(again[:, 1].std(), rel=0.15)


def test_cuts_without_both_stages_or_without_buyers_do_not_count(rng):
    cutoff = judged(rng)
    alone = Judged(cutoff.customers, {FIRST: cutoff.predictions[FIRST]})
    empty = Judged(cutoff.customers.assign(purchases=0.0), cutoff.predictions)
    assert compare_stages([cutoff, alone, empty], FIRST) == compare_stages([cutoff], FIRST)
    nothing = compare_stages([alone, empty], FIRST)
    assert nothing.why.startswith("There is no cutoff at which the second stage could be judged")
    assert nothing.metrics == {}
