"""A clock turns days into sums of daily rates, and an even one changes no score."""

import json
from dataclasses import asdict, replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from models.release.release import Release
from models.scoring.bg_nbd import p_purchase
from models.scoring.clock.clock import Clock, day_number, parts_of_year, share_of_year
from models.scoring.clock.future import Future
from models.scoring.clock.parameters import ClockParameters, Feast
from models.scoring.parameters import scorer_sections
from models.scoring.scorer import Scorer

INDEX = tuple(float(each) for each in 1.0 + 0.5 * np.sin(2 * np.pi * (np.arange(52) + 0.5) / 52))
CLOCK = ClockParameters("2023-07-01", INDEX, (1.0, 1.1, 1.2), 7, (Feast("2023-12-01", 20, 1.5),), ((0.1,) * 52,), 0.05)
EVEN = ClockParameters("2023-07-01", (1.0,) * 52)
FITTED = day_number("2023-07-01")


def test_parts_of_the_year():
    days = np.array([day_number(day) for day in ("2023-01-01", "2023-12-31", "2024-02-29", "2024-12-31")])
    assert list(parts_of_year(days, 52)) == [0, 51, 8, 51]


def test_times_are_sums_of_daily_rates():
    clock = Clock(CLOCK)
    as_of = FITTED + 200
    days = np.arange(as_of - 301, as_of)
    rates = clock.rates(days)
    recency, T = clock.times(as_of, [0.0, 120.0, 300.0], [300.0, 300.0, 300.0])
    assert pytest.approx([rates[1:].sum()] * 3) == T
    assert recency == pytest.approx([0.0, rates[1:121].sum(), rates[1:].sum()])
    ahead = np.arange(as_of, as_of + 90)
    assert float(clock.ahead(as_of, 90)) == pytest.approx(clock.rates(ahead).sum())
    # Steps of the level end at the fit; the level at the end lasts.
    assert clock.rates(np.array([FITTED - 1, FITTED - 8, FITTED - 15, FITTED - 500])) == pytest.approx(
        [INDEX[25], 1.1 * INDEX[24], 1.2 * INDEX[23], 1.2 * INDEX[parts_of_year(np.array([FITTED - 500]), 52)[0]]]
    )


def test_a_feast_holds_on_its_days_and_on_no_other():
    clock, start = Clock(replace(EVEN, feasts=(Feast("2023-12-01", 20, 1.5),))), day_number("2023-12-01")
    rates = clock.rates(start + np.array([-40, -1, 0, 10, 19, 20, 40]))
    assert rates.tolist() == [1.0, 1.0, 1.5, 1.5, 1.5, 1.0, 1.0]
    # The level is that of the oldest step before its steps, and 1 from the fit on, whatever the newest was.
    stepped = Clock(replace(EVEN, level=(1.3, 1.1)))
    assert stepped.rates(FITTED + np.array([-50, -8, -7, -1, 0, 7])).tolist() == [1.1, 1.1, 1.3, 1.3, 1.0, 1.0]
    # Noon of the first and of the last day of a year, and of the middle of one of 365 days.
    days = np.array([day_number(day) for day in ("2024-01-01", "2023-12-31", "2023-07-02")])
    assert share_of_year(days) == pytest.approx([0.5 / 366, 364.5 / 365, 0.5])


def test_times_do_not_depend_on_what_was_asked_before():
    far, near = Clock(CLOCK), Clock(CLOCK)
    far.at(FITTED + 5000.5)
    far.at(FITTED - 5000)
    days = FITTED + np.array([-700.0, -1.0, 0.0, 3.25, 350.0])
    assert (far.at(days) == near.at(days)).all()
    assert near.at(FITTED + 3.25) == pytest.approx(0.75 * near.at(FITTED + 3) + 0.25 * near.at(FITTED + 4))


def test_the_error_of_a_horizon_is_that_of_index_level_drift_and_days():
    assert Clock(CLOCK).ahead_error(FITTED, 90) == pytest.approx(np.hypot(0.1, 0.05))
    drifting = Clock(replace(EVEN, level_drift=0.2, noise=0.6))
    later = Future(drifting, FITTED + 73).error(90)
    assert (Future().error(90), Future().length(90.0)) == (0.0, 90.0)
    assert later == pytest.approx(np.sqrt(0.04 * (73 / 365.25 + 90 / 365.25 / 3) + 0.36 / 90))


def test_discounting_is_the_integral():
    future = Future(Clock(CLOCK), FITTED)
    nodes = future.discounting(365, 0.1)
    assert nodes is not None
    rate = np.log(1.1) / 365.25
    days = np.linspace(0.0, 365.0, 200_001)
    # E(u) = sqrt(u): the integral of its discounted growth, by the trapezoid rule.
    lengths = Clock(CLOCK).ahead(FITTED, days)
    exact = np.sqrt(lengths[-1]) * np.exp(-rate * 365) + rate * np.trapezoid(
        np.exp(-rate * days) * np.sqrt(lengths), days
    )
    assert float(nodes.weights @ np.sqrt(nodes.lengths)) == pytest.approx(exact, rel=1e-4)


def test_discounting_takes_two_nodes_in_four_weeks_and_they_hold_ten_digits():
    rate = np.log(1.1) / 365.25
    for days, pieces in ((28, 4), (112, 4), (113, 5), (365, 14), (392, 14)):
        nodes = Future(Clock(EVEN), FITTED).discounting(days, 0.1)
        assert nodes is not None
        assert nodes.weights.size == nodes.lengths.size == 2 * pieces + 1
        assert (nodes.lengths.min() > 0, nodes.lengths.max()) == (True, pytest.approx(days))
        # Of E(h) = 1, and of E(h) = h, of which each day's share is worth e^(-d s).
        assert nodes.weights.sum() == pytest.approx(1.0, rel=1e-10)
        assert nodes.weights @ nodes.lengths == pytest.approx(-np.expm1(-rate * days) / rate, rel=1e-10)
    assert Future(Clock(EVEN), FITTED).discounting(365, 0.0) is None
    assert Future().discounting(365, 0.1) is None


@pytest.fixture
def base(described: pd.DataFrame) -> pd.DataFrame:
    return described.head(200)


def scorer_of(release: Release, clock: ClockParameters | None) -> Scorer:
    values = release.parameters.to_dict() | ({} if clock is None else {"clock": asdict(clock)})
    return Scorer(replace(release.parameters, **scorer_sections(json.loads(json.dumps(values)))), release.boosters)


def test_an_even_clock_changes_no_score(release: Release, base: pd.DataFrame):
    plain, even = (scorer_of(release, clock).score(base) for clock in (None, EVEN))
    for name in plain.select_dtypes("number"):
        tolerance = 1e-4 if name.startswith("clv") else 1e-9
        np.testing.assert_allclose(even[name], plain[name], rtol=tolerance, atol=1e-9, err_msg=name)


def test_scores_by_the_clock_are_the_formulas_at_its_times(release: Release, base: pd.DataFrame):
    scorer = scorer_of(release, CLOCK)
    rows = base.assign(as_of=[pd.Timestamp("2023-09-01"), pd.Timestamp("2024-01-15")] * 100)
    scores = scorer.predict_horizon(rows)
    assert (scorer.score(rows).index == rows.index).all()
    assert scores.index.equals(rows.index)
    clock, horizon = Clock(CLOCK), release.parameters.horizon
    for day in (date(2023, 9, 1), date(2024, 1, 15)):
        of_day = rows[rows["as_of"] == pd.Timestamp(day)]
        t_x, T = clock.times(day_number(day), of_day["recency"], of_day["T"])
        length = clock.ahead(day_number(day), horizon)
        expected = p_purchase(length, of_day["frequency"], t_x, T, release.parameters.purchases)
        np.testing.assert_allclose(scores.loc[of_day.index, "p_purchase"], expected, rtol=1e-12)
    # A uncertain season widens the revenue's interval.
    known = scorer_of(release, replace(CLOCK, index_errors=(), level_error=0.0)).score(rows)
    assert scorer.score(rows)["revenue_high"].sum() > 1.001 * known["revenue_high"].sum()


def test_rows_without_a_date_are_refused(release: Release, base: pd.DataFrame):
    scorer = scorer_of(release, CLOCK)
    with pytest.raises(ValueError, match="lacks as_of"):
        scorer.score(base.drop(columns="as_of"))
    with pytest.raises(ValueError, match=r"as_of must be a date such as .* in every row; it is not in 200 rows"):
        scorer.score(base.assign(as_of=None))
