"""Several answers of one customer count as one customer: intervals hold what is true, and fall back to one of each."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import ndtr
from scipy.stats import t as student

from features.measures.definition import MeasureOptions
from features.measures.intervals import effective_number, effective_number_of, nps_interval
from features.measures.survey import ANSWER_MEASURES
from features.measures.windows import Grouping, Windows

MEASURES = {measure.name: measure for measure in ANSWER_MEASURES}
JANUARY = Windows(until=date(2024, 1, 31), days=30, count=1)


def compute(name, tables, column=None):
    grouping = Grouping(column or "everyone", column=column)
    figures = MEASURES[name].compute(tables, JANUARY, grouping, MeasureOptions())
    return figures if column else figures.iloc[0]


def answer(customer, score, question="nps", scale=(0, 10), **more):
    place = {"scale_low": scale[0], "scale_high": scale[1], "answered_at": "2024-01-10 12:00"}
    return {"customer_id": customer, "question": question, "score": score} | place | more


# c0 has three answers, c1 two, the others one.
WHO = np.array([0, 0, 0, 1, 1, 2, 3, 4, 5])
SCORES = [10, 9, 9, 2, 7, 0, 10, 8, 3]


def leverage_corrected_variance(who, values):
    """Variance of a mean with customers drawn, by a loop over customers."""
    n, mean = len(values), np.mean(values)
    shares = np.bincount(who) / n
    total = 0.0
    for customer, share in enumerate(shares):
        deviation = np.sum(values[who == customer] - mean) / n
        total += deviation**2 / (1 - 2 * share + np.sum(shares**2))
    return total


def test_the_net_score_weighs_answers_by_customer(shop):
    points = np.select([np.array(SCORES) >= 9, np.array(SCORES) <= 6], [1.0, -1.0], 0.0)
    n, m = len(WHO), 6
    simple = np.var(points, ddof=1) / n
    freedom = student.ppf(0.975, n - 1) / student.ppf(0.975, m - 1)
    effective = n * min(simple / leverage_corrected_variance(WHO, points), 1.0) * freedom**2
    assert 1 < effective < m
    assert effective_number_of(WHO, points) == pytest.approx(effective, rel=1e-12)
    figures = compute("nps", shop([], answers=[answer(f"c{k}", s) for k, s in zip(WHO, SCORES, strict=True)]))
    assert figures["n"] == n
    expected = [float(x) for x in nps_interval(3, 2, 4, effective)]
    assert figures[["value", "low", "high"]].tolist() == pytest.approx(expected, rel=1e-12)


def test_a_mean_has_the_freedom_of_its_customers(shop):
    values = np.array([7, 6, 7, 2, 5, 1, 7, 5, 3.0])
    rows = [answer(f"c{k}", int(s), "ces", (1, 7)) for k, s in zip(WHO, values, strict=True)]
    figures = compute("ces_mean", shop([], answers=rows))
    reach = student.ppf(0.975, 5) * np.sqrt(leverage_corrected_variance(WHO, values))
    assert figures["value"] == pytest.approx(values.mean())
    assert figures["high"] - figures["value"] == pytest.approx(min(reach, 7 - values.mean()), rel=1e-12)
    assert figures["value"] - figures["low"] == pytest.approx(reach, rel=1e-12)


def test_one_customer_alone_weighs_as_one_answer(shop):
    figures = compute("nps", shop([], answers=[answer("c", score) for score in (10, 9, 3, 10)]))
    assert figures[["value", "low", "high"]].tolist() == [float(x) for x in nps_interval(1, 0, 3, 1)]


def test_the_effective_number_is_that_of_answers_where_each_customer_has_one():
    # Six answers, four of them 1, of six customers: the sum over customers is that over answers.
    squares = 4 * (1 - 4 / 6) ** 2 + 2 * (4 / 6) ** 2
    assert effective_number([6], [6], [4], [4], [squares]).tolist() == [6.0]
    # All answers alike: nothing tells how customers differ.
    assert effective_number([6], [3], [6], [6], [0.0]).tolist() == [3.0]


@pytest.mark.parametrize(
    ("sizes", "icc"),
    [(np.r_[np.ones(40, int), 20], 0.7), (np.tile([1, 2, 4, 6], 8), 0.5), (np.full(30, 4), 0.0)],
    ids=["one customer of a third", "one to six answers each", "independent answers"],
)
def test_intervals_hold_the_truth(shop, sizes, icc):
    """500 surveys, told apart by touchpoint: 30 % detractors, 40 % promoters, opinions of one customer alike by icc."""
    surveys, rng = 500, np.random.default_rng(5)
    who = np.repeat(np.arange(len(sizes)), sizes)
    opinion = rng.normal(size=(surveys, len(sizes)))[:, who]
    latent = ndtr(np.sqrt(icc) * opinion + np.sqrt(1 - icc) * rng.normal(size=(surveys, len(who))))
    scores = np.select([latent < 0.3, latent < 0.6], [3, 8], 9)
    frame = pd.DataFrame(
        {"customer_id": np.tile(who, surveys).astype(str), "score": scores.ravel(), "question": "nps"}
    ).assign(scale_low=0, scale_high=10, answered_at="2024-01-10", touchpoint=np.repeat(np.arange(surveys), len(who)))
    figures = compute("nps", shop([], answers=frame.astype({"touchpoint": str}).to_dict("records")), "touchpoint")
    assert len(figures) == surveys
    covered = figures["low"].le(10) & figures["high"].ge(10)
    # The standard error of a share of 500 is one point.
    assert 0.92 <= covered.mean() <= 0.985
    promoters, detractors = (scores == 9).sum(axis=1), (scores == 3).sum(axis=1)
    _, low, high = nps_interval(detractors, len(who) - promoters - detractors, promoters)
    by_rows = ((low <= 10) & (high >= 10)).mean()
    assert (by_rows < 0.85) == (icc > 0)
