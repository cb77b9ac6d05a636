"""The gate's rules, each alone: whoever is promoted or refused can be computed by hand."""

import numpy as np
import pandas as pd
import pytest

from models.release.promotion_gate import Holdout, judge
from models.release.release import Release

HORIZON, AGE, ALPHA = 90, 180, 60.0


@pytest.fixture
def who_says(a_scorer):
    """A scorer that says ``p_purchase = p`` of every one-time buyer of this age, whatever else."""

    def build(p, prior=None, **parameters):
        # One-time buyers are alive under BG/NBD, and 1 - ((alpha + T) / (alpha + T + h))^r = p.
        r = -np.log1p(-p) / np.log1p(HORIZON / (ALPHA + AGE))
        # So few drop out that purchases come as a Poisson process mixed over rates.
        purchases = {"r": r, "alpha": ALPHA, "a": 1e-6, "b": 1.0, "m": 0}
        source = None if prior is None else "prior"
        nps = {"source": source, "why": "said so", "features": [], "prior": prior}
        return Release(
            a_scorer(horizon=parameters.pop("horizon", HORIZON), purchases=purchases, nps=nps, **parameters), {}
        )

    return build


def one_time_buyers(n, buyers, each=1, value=30.0):
    """Customers of whom the first ``buyers`` bought ``each`` times in the holdout; the scorer expects 30 a purchase."""
    purchases = np.where(np.arange(n) < buyers, each, 0)
    columns = {"frequency": 0.0, "recency": 0.0, "T": float(AGE), "spend_frequency": 0.0, "spend_value": 0.0}
    ids = [f"c{i:05d}" for i in range(n)]
    return pd.DataFrame({"customer_id": ids, **columns, "purchases": purchases, "revenue": value * purchases})


def log_losses(p, n, buyers):
    return np.where(np.arange(n) < buyers, -np.log(p), -np.log(1 - p))


def value_expected_by(release, n, buyers):
    """The value of a purchase with which the buyers bring what the release expects: its revenue is right."""
    return release.scorer.predict_horizon(one_time_buyers(n, buyers))["expected_revenue"].sum() / buyers


def bound_by_hand(ours, theirs):
    difference = ours - theirs
    n = len(difference)
    return difference.mean() - 1.645 * np.sqrt(np.sum((difference - difference.mean()) ** 2) / (n - 1) / n)


def test_worse_by_more_than_one_percent_and_beyond_chance_is_refused(who_says):
    verdict = judge(who_says(0.4), who_says(0.25), Holdout(one_time_buyers(2000, 500)))
    ours, theirs = log_losses(0.4, 2000, 500), log_losses(0.25, 2000, 500)
    assert not verdict.promote
    assert verdict.metrics["log_loss_challenger"] == pytest.approx(ours.mean(), rel=1e-9)
    assert verdict.metrics["log_loss_champion"] == pytest.approx(theirs.mean(), rel=1e-9)
    assert verdict.metrics["log_loss_bound"] == pytest.approx(bound_by_hand(ours, theirs), rel=2e-3)
    assert verdict.reason.startswith(
        f"log loss of p_purchase {ours.mean():.4f} against the champion's {theirs.mean():.4f}: worse; deviance"
    )


def test_far_worse_within_chance_is_promoted(who_says):
    verdict = judge(who_says(0.4), who_says(0.25), Holdout(one_time_buyers(12, 3)))
    metrics = verdict.metrics
    assert metrics["revenue_challenger"] > 1.05 * metrics["revenue_champion"]
    assert metrics["log_loss_challenger"] > 1.05 * metrics["log_loss_champion"]
    assert metrics["log_loss_bound"] < 0
    assert verdict.promote
    assert verdict.reason.endswith(": not worse")


def test_worse_beyond_chance_by_less_than_one_percent_is_promoted(who_says):
    ours = who_says(0.28)
    customers = one_time_buyers(10_000, 2500, value=value_expected_by(ours, 10_000, 2500))
    verdict = judge(ours, who_says(0.25), Holdout(customers))
    metrics = verdict.metrics
    assert 1 < metrics["log_loss_challenger"] / metrics["log_loss_champion"] < 1.01
    assert metrics["log_loss_bound"] > 0
    assert verdict.promote


def test_a_better_challenger_is_promoted_and_its_mirror_image_refused(who_says):
    holdout = Holdout(one_time_buyers(2000, 500))
    better, worse = who_says(0.25), who_says(0.4)
    assert judge(better, worse, holdout).promote
    assert not judge(worse, better, holdout).promote
    assert judge(worse, worse, holdout).promote


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("horizon", 30),
        ("currency", "USD"),
        ("returns_policy", "returns are ignored"),
    ],
)
def test_what_is_not_the_same_question_is_not_compared(who_says, name, value):
    holdout = Holdout(one_time_buyers(2000, 500))
    verdict = judge(who_says(0.4), who_says(0.25, **{name: value}), holdout)
    assert verdict.promote
    assert verdict.reason == f"not comparable: {name} changed; absolute checks passed"
    assert not judge(who_says(0.4), who_says(0.25), holdout).promote


def test_another_question_leaves_the_purchases_to_be_compared(who_says):
    holdout = Holdout(one_time_buyers(2000, 500))
    assert not judge(who_says(0.4), who_says(0.25, nps_question="csat"), holdout).promote


def test_a_currency_that_nobody_named_differs_from_none(who_says):
    holdout = Holdout(one_time_buyers(2000, 500))
    assert not judge(who_says(0.4, currency=None), who_says(0.25), holdout).promote


def test_the_first_version_only_passes_absolute_checks(who_says):
    verdict = judge(who_says(0.4), None, Holdout(one_time_buyers(2000, 500)))
    assert verdict.promote
    assert verdict.reason.startswith("not comparable: there is no champion with a twin")
    assert set(verdict.metrics) == {
        *("purchases_expected", "purchases_actual"),
        *("revenue_expected", "revenue_actual"),
    }


@pytest.mark.parametrize("champion_is_there", [True, False])
@pytest.mark.parametrize("each", [1, 40])
def test_a_twin_off_by_a_factor_of_three_is_refused_whatever_it_is_compared_with(who_says, each, champion_is_there):
    release, buyers = who_says(0.25), 500 if each > 1 else 20
    customers = one_time_buyers(1000, buyers, each)
    expected = release.scorer.score(customers)["expected_purchases"].sum()
    actual = customers["purchases"].sum()
    assert not 1 / 3 < expected / actual < 3
    verdict = judge(release, who_says(0.25, currency="USD") if champion_is_there else None, Holdout(customers))
    assert not verdict.promote
    assert verdict.reason == (
        f"refused: the twin expected {expected:,.0f} purchases in the holdout, {actual:,.0f} came"
    )
    assert verdict.metrics == {
        "purchases_expected": pytest.approx(expected),
        "purchases_actual": pytest.approx(actual),
        "revenue_expected": pytest.approx(30 * expected),
        "revenue_actual": pytest.approx(30 * actual),
    }


def test_a_handful_of_purchases_proves_no_factor(who_says):
    customers = one_time_buyers(60, 2)
    expected = who_says(0.3).scorer.score(customers)["expected_purchases"].sum()
    assert expected > 3 * 2
    assert expected < 30
    assert judge(who_says(0.3), None, Holdout(customers)).promote


def test_scores_that_are_not_finite_are_refused(who_says):
    broken = who_says(0.25, spend={"p": 6.0, "q": 4.0, "v": float("nan"), "individual": True})
    verdict = judge(broken, None, Holdout(one_time_buyers(2000, 500)))
    assert not verdict.promote
    assert verdict.reason.startswith("refused: the twin's scores are not finite: expected_spend")


def test_a_short_history_is_not_judged(who_says):
    holdout = Holdout(one_time_buyers(2000, 500))
    nobody = Holdout(holdout.customers.head(0))
    for challenger, one in ((None, None), (None, holdout), (who_says(0.4), None), (who_says(0.4), nobody)):
        verdict = judge(challenger, who_says(0.25), one)
        assert verdict.promote
        assert verdict.reason == "not comparable: the history before as_of is shorter than the horizon"
        assert verdict.metrics == {}


def test_each_is_judged_on_the_customers_as_described_for_it(who_says):
    customers = one_time_buyers(2000, 500)
    blind = customers.assign(T=AGE * 100.0)
    ours, theirs = judge(who_says(0.25), who_says(0.25), Holdout(customers), Holdout(blind)).reason.split(" against ")[
        :2
    ]
    assert ours == f"log loss of p_purchase {log_losses(0.25, 2000, 500).mean():.4f}"
    assert not theirs.startswith(f"the champion's {log_losses(0.25, 2000, 500).mean():.4f}")


# --- Answers: RPS of the NPS category ---

GOOD, BAD = (0.25, 0.25, 0.5), (0.6, 0.3, 0.1)


def answers(n, customers=None):
    """One in four a detractor, one in four a passive, half promoters; of as many customers as are given."""
    category = np.array([0, 1, 2, 2])[np.arange(n) % 4]
    return pd.DataFrame({"customer_id": np.arange(n) % (customers or n), "category": category})


def rps(prior, category):
    """(1 / 2) sum over the two cuts of (F_k - 1[category <= k])^2, of each answer."""
    first, second = prior[0], prior[0] + prior[1]
    return 0.5 * ((first - (category <= 0)) ** 2 + (second - (category <= 1)) ** 2)


def judge_answers(who_says, ours, theirs, frame, their_frame=None):
    customers = one_time_buyers(2000, 500)
    holdouts = Holdout(customers, frame), Holdout(customers, their_frame)
    return judge(who_says(0.25, ours), who_says(0.25, theirs), *holdouts)


def test_worse_categories_are_refused_from_two_hundred_answers_on(who_says):
    enough, too_few = answers(200), answers(199)
    verdict = judge_answers(who_says, BAD, GOOD, enough, enough)
    ours, theirs = (rps(prior, enough["category"].to_numpy()) for prior in (BAD, GOOD))
    assert not verdict.promote
    assert verdict.metrics["rps_challenger"] == pytest.approx(ours.mean(), rel=1e-9)
    assert verdict.metrics["rps_champion"] == pytest.approx(theirs.mean(), rel=1e-9)
    assert verdict.metrics["rps_bound"] == pytest.approx(bound_by_hand(ours, theirs), rel=1e-2)
    purchases, revenue, categories = verdict.reason.split("; ")
    assert purchases.endswith("not worse")
    assert revenue.endswith("not worse")
    assert categories == f"RPS of the NPS category {ours.mean():.4f} against the champion's {theirs.mean():.4f}: worse"

    verdict = judge_answers(who_says, BAD, GOOD, too_few, too_few)
    assert verdict.promote
    assert "rps_bound" not in verdict.metrics
    assert judge_answers(who_says, GOOD, BAD, enough, enough).promote


def test_good_categories_do_not_make_up_for_worse_purchases(who_says):
    frame = answers(400)
    holdout = Holdout(one_time_buyers(2000, 500), frame)
    verdict = judge(who_says(0.4, GOOD), who_says(0.25, BAD), holdout)
    assert not verdict.promote


def test_many_answers_of_one_customer_count_as_one_customer(who_says):
    assert not judge_answers(who_says, BAD, GOOD, answers(400), answers(400)).promote
    # Three customers with different answers each: the differences are no longer beyond chance.
    few = answers(400).sort_values("category", ignore_index=True)
    few["customer_id"] = few["category"]
    assert judge_answers(who_says, BAD, GOOD, few, few).promote


def test_categories_are_judged_only_where_both_predict_them(who_says):
    frame = answers(400)
    for ours, theirs, their_frame in ((BAD, None, frame), (None, GOOD, frame), (BAD, GOOD, None)):
        verdict = judge_answers(who_says, ours, theirs, frame, their_frame)
        assert verdict.promote
        assert "RPS" not in verdict.reason
    assert "RPS" not in judge_answers(who_says, BAD, GOOD, None, frame).reason
