"""The gate's look at revenue: it sees a wrong total and the worse of two twins, and one account decides nothing."""

import numpy as np
import pandas as pd
import pytest

from models.release.promotion_gate import Holdout, judge
from models.release.release import Release
from models.release.revenue_gate import check_revenue, revenue_deviances, simulate_totals

MEAN = 30.0


@pytest.fixture
def expecting(a_scorer):
    """A release that expects ``mean`` of a purchase of everyone; values have a tail of index q."""

    def build(mean=MEAN, q=4.0, p=6.0):
        spend = {"p": p, "q": q, "v": mean * (q - 1.0) / p, "individual": True}
        purchases = {"r": 0.5, "alpha": 60.0, "a": 1e-6, "b": 1.0, "m": 0}
        return Release(a_scorer(horizon=90, purchases=purchases, spend=spend), {})

    return build


def base(n, seed=0, mean=MEAN, q=4.0, p=6.0):
    """One-time buyers and what they bring under the model with these parameters (r = .5, alpha = 60, T = 180)."""
    rng = np.random.default_rng(seed)
    count = rng.poisson(rng.gamma(0.5, 1 / 240.0, n) * 90)
    values = rng.gamma(np.maximum(p * count, 1e-9)) / rng.gamma(q, p / (mean * (q - 1.0)), n)
    columns = {"frequency": 0.0, "recency": 0.0, "T": 180.0, "spend_frequency": 0.0, "spend_value": 0.0}
    revenue = np.where(count > 0, values, 0.0)
    ids = [f"c{i:05d}" for i in range(n)]
    return pd.DataFrame({"customer_id": ids, **columns, "purchases": count.astype(float), "revenue": revenue})


def with_account(customers, revenue):
    """The same customers, the first of whom brings this revenue."""
    changed = customers["revenue"].to_numpy().copy()
    changed[0] = revenue
    return customers.assign(revenue=changed, purchases=customers["purchases"].mask(customers.index == 0, 1.0))


def checked(release, customers):
    return check_revenue(release.scorer, customers, release.scorer.predict_horizon(customers))


def test_the_simulated_totals_are_those_of_the_model(expecting):
    release, customers = expecting(), base(400)
    predicted = release.scorer.predict_horizon(customers)
    totals = simulate_totals(release.scorer, customers, predicted, seed=1)
    drawn = [frame["revenue"].sum() - frame["revenue"].max() for frame in (base(400, seed) for seed in range(1, 401))]
    error = np.hypot(np.std(totals), np.std(drawn)) / np.sqrt(400)
    assert abs(np.mean(totals) - np.mean(drawn)) < 4 * error
    assert np.std(totals) == pytest.approx(np.std(drawn), rel=0.2)
    assert (totals == simulate_totals(release.scorer, customers, predicted, seed=1)).all()


def test_a_wrong_value_of_purchases_is_refused(expecting):
    customers = base(2000)
    for wrong in (MEAN * 4, MEAN / 4):
        verdict = judge(expecting(wrong), None, Holdout(customers))
        assert not verdict.promote
        assert verdict.reason.startswith("refused: without the largest account, the twin expected ")
    assert judge(expecting(MEAN * 2), None, Holdout(customers)).promote
    assert judge(expecting(), None, Holdout(customers)).reason.endswith("absolute checks passed")


def test_an_account_that_no_model_could_expect_does_not_refuse_and_is_named(expecting):
    customers = with_account(base(2000), 1_000_000.0)
    verdict = judge(expecting(), None, Holdout(customers))
    assert verdict.promote
    expected, actual = verdict.metrics["revenue_expected"], verdict.metrics["revenue_actual"]
    each = expected / 2000
    assert verdict.reason.endswith(
        f"; revenue of the holdout: {expected:,.0f} expected, {actual:,.0f} came; without customer c00000 "
        f"{expected - each:,.0f} and {actual - 1_000_000:,.0f}"
    )


def test_an_account_that_makes_a_wrong_total_right_does_not_hide_it(expecting):
    customers, release = base(2000), expecting(MEAN * 4)
    missing = release.scorer.predict_horizon(customers)["expected_revenue"].sum() - customers["revenue"].sum()
    check = checked(release, with_account(customers, missing))
    assert check.expected == pytest.approx(check.actual, rel=0.01)
    assert check.fault is not None
    assert check.fault.startswith("refused: without the largest account")


@pytest.mark.parametrize("q", [1.1, 1.5, 4.0])
def test_the_true_model_is_hardly_ever_refused_however_heavy_the_tail(expecting, q):
    release = expecting(q=q)
    checks = [checked(release, base(200, seed, q=q)) for seed in range(60)]
    # At a level of 1 % and beside a factor of three: of 60, more than 3 would be beyond chance (p < .003).
    assert sum(check.fault is not None for check in checks) <= 3
    if q == 1.1:
        # The mean itself is far above what comes: a bound by the factor alone would refuse most of them.
        assert np.mean([check.expected > 3 * check.actual for check in checks]) > 0.4


def test_the_deviance_is_lowest_at_the_mean_and_takes_net_returns():
    realised = np.array([0.0, 0.0, 0.0, 400.0, 25.0, -30.0])
    of = {mu: revenue_deviances(realised, np.full(6, mu)).sum() for mu in (40.0, realised.mean(), 100.0)}
    assert min(of, key=of.__getitem__) == realised.mean()
    one = revenue_deviances(np.array([400.0, 0.0]), np.array([100.0, 9.0]))
    assert one == pytest.approx([4 * (20 - 10) ** 2 / 10, 4 * 3])


def test_the_worse_of_two_twins_is_refused_by_its_revenue(expecting):
    customers = base(2000)
    ours, theirs = expecting(MEAN * 2), expecting()
    verdict = judge(ours, theirs, Holdout(customers))
    expected = [each.scorer.predict_horizon(customers)["expected_revenue"].to_numpy() for each in (ours, theirs)]
    by_hand = [np.mean(4 * (np.sqrt(customers["revenue"]) - np.sqrt(mu)) ** 2 / np.sqrt(mu)) for mu in expected]
    assert not verdict.promote
    assert verdict.metrics["revenue_challenger"] == pytest.approx(by_hand[0], rel=1e-9)
    assert verdict.metrics["revenue_champion"] == pytest.approx(by_hand[1], rel=1e-9)
    assert f"deviance of revenue {by_hand[0]:.4f} against the champion's {by_hand[1]:.4f}: worse" in verdict.reason
    assert judge(theirs, ours, Holdout(customers)).promote


def test_one_account_does_not_decide_between_two_twins(expecting):
    customers = with_account(base(2000), 1_000_000.0)
    high, low = expecting(MEAN * 2), expecting()
    verdict = judge(low, high, Holdout(customers))
    metrics = verdict.metrics
    assert metrics["revenue_challenger"] > 1.01 * metrics["revenue_champion"]
    assert verdict.promote
