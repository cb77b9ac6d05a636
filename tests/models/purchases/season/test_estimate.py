"""The clock finds the season behind the purchases, none where there is none, and foretells the next quarter."""

from collections.abc import Callable

import numpy as np
import pytest

from models.purchases.bg_nbd import ModifiedBetaGeoModel
from models.purchases.bg_nbd_likelihood import SufficientStatistics, count_sufficient_statistics
from models.purchases.season.estimate import SeasonEstimate, by_clock, estimate_clock
from models.scoring.bg_nbd import expected_purchases
from models.scoring.clock.clock import Clock, day_number
from models.scoring.parameters import PurchaseParameters
from tests.models.purchases.season.seasonal_shop import START, seasonal_shop, wave

TWO_YEARS = 730


def fit(statistics: SufficientStatistics) -> PurchaseParameters:
    return ModifiedBetaGeoModel().fit_sufficient_statistics(statistics).parameters


@pytest.fixture(scope="module")
def in_season() -> SeasonEstimate:
    statistics, repeats, as_of, _ = seasonal_shop(1, TWO_YEARS + 90, 0.5).before(TWO_YEARS)
    estimate = estimate_clock(statistics, repeats, as_of, fit)
    assert estimate is not None
    return estimate


def test_the_index_is_that_of_the_simulation(in_season: SeasonEstimate):
    truth = wave(7 * np.arange(52) + 3, 0.5)
    error = np.sqrt(np.mean((np.log(in_season.clock.index) - np.log(truth / truth.mean())) ** 2))
    # Some 3,000 repeat purchases over 104 weeks; the index is at most 3 from top to bottom.
    assert error < 0.12
    assert np.mean(in_season.clock.index) == pytest.approx(1.0)
    assert in_season.is_season


@pytest.mark.parametrize("trend", [0.0, 0.4, -0.4])
def test_without_a_season_there_is_none_even_with_a_trend(trend: float):
    statistics, repeats, as_of, _ = seasonal_shop(2, TWO_YEARS, 0.0, trend).before(548)
    estimate = estimate_clock(statistics, repeats, as_of, fit)
    assert estimate is not None
    assert not estimate.is_season
    assert np.abs(np.log(estimate.clock.index)).max() < 0.1
    assert estimate.structure.slope == pytest.approx(trend, abs=0.2)


def test_the_next_quarter_is_foretold_within_its_error(in_season: SeasonEstimate):
    shop = seasonal_shop(1, TWO_YEARS + 90, 0.5)
    statistics, _, as_of, ids = shop.before(TWO_YEARS)
    clock = Clock(in_season.clock)
    inside = by_clock(statistics, clock, as_of)
    length = float(clock.ahead(day_number(as_of), 90))
    expected = {}
    for name, histories, horizon in (("season", inside, length), ("even", statistics, 90.0)):
        parameters = fit(count_sufficient_statistics(histories.x, histories.t_x, histories.T, histories.weights))
        each = expected_purchases(horizon, histories.x, histories.t_x, histories.T, parameters)
        expected[name] = float(each @ histories.weights)
    happened = shop.purchases_of(ids, TWO_YEARS, TWO_YEARS + 90)
    error = np.hypot(clock.ahead_error(day_number(as_of), 90), 1.5 / np.sqrt(happened))
    assert abs(np.log(expected["season"] / happened)) < 2 * error
    # January to March is low season.
    assert abs(np.log(expected["even"] / happened)) > 2 * abs(np.log(expected["season"] / happened))


def test_a_short_history_has_no_clock():
    statistics, repeats, as_of, _ = seasonal_shop(3, 500, 0.5, size=300).before(360)
    assert estimate_clock(statistics, repeats, as_of, fit) is None


def test_the_estimate_does_not_depend_on_the_order_of_customers(in_season: SeasonEstimate):
    shop = seasonal_shop(1, TWO_YEARS + 90, 0.5)
    statistics, repeats, as_of, _ = shop.before(TWO_YEARS)
    order = np.random.default_rng(0).permutation(statistics.x.size)
    columns = (statistics.x, statistics.t_x, statistics.T, statistics.weights)
    shuffled = count_sufficient_statistics(*(column[order] for column in columns))
    again = estimate_clock(shuffled, repeats, as_of, fit)
    assert again is not None
    assert again.clock == in_season.clock
    assert again.clock.fitted_at == as_of.isoformat() > START.isoformat()


@pytest.mark.parametrize("days", [365, 366])
def test_a_year_is_a_year_by_the_clock(in_season: SeasonEstimate, days: int):
    year: Callable[[int], float] = lambda start: float(Clock(in_season.clock).ahead(start, days))  # noqa: E731
    origin = day_number(in_season.clock.fitted_at)
    assert [year(origin + k) for k in (0, 100, 500)] == pytest.approx([days] * 3, rel=0.01)
