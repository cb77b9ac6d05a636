"""A spell without a purchase is a closure where other years had purchases then; a season of its own is none."""

from datetime import date, timedelta

import numpy as np
import pytest

from models.purchases.bg_nbd import ModifiedBetaGeoModel
from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.purchases.season.closures import closed_spells
from models.purchases.season.estimate import by_clock, estimate_clock
from models.scoring.clock.clock import Clock, day_number
from models.scoring.clock.parameters import ClockParameters, Closure
from models.scoring.parameters import PurchaseParameters
from models.stats.typing import Floats
from tests.models.purchases.season.seasonal_shop import START, SeasonalShop, seasonal_shop

AS_OF = date(2024, 1, 1)


def shop_open_but(*spells: tuple[str, int], pace: float = 5.0, days: int = 1095) -> Floats:
    purchases = np.full(days, pace)
    for start, length in spells:
        first = days - (AS_OF - date.fromisoformat(start)).days
        purchases[first : first + length] = 0.0
    return purchases


def test_a_spell_is_a_closure_for_once():
    found = closed_spells(shop_open_but(("2022-03-01", 60)), AS_OF)
    assert found == (Closure("2022-03-01", 60),)


@pytest.mark.parametrize(
    ("purchases", "why"),
    [
        (shop_open_but(("2022-03-01", 60), ("2023-03-01", 60)), "every year"),
        (shop_open_but(("2023-11-01", 61)), "still closed"),
        (shop_open_but(("2022-03-01", 13)), "short"),
        (shop_open_but(("2022-03-01", 60), pace=0.2), "quiet anyway"),
        (shop_open_but(("2023-06-01", 60), days=365), "no other year"),
    ],
)
def test_others_are_not(purchases: Floats, why: str):
    assert closed_spells(purchases, AS_OF) == (), why


def test_the_clock_stands_still_while_the_shop_is_closed_and_its_season_stays_flat():
    def fit(statistics: SufficientStatistics) -> PurchaseParameters:
        return ModifiedBetaGeoModel().fit_sufficient_statistics(statistics).parameters

    # Everything from day 450 on happens 80 days later: nothing is bought meanwhile.
    shop, closed, days = seasonal_shop(2, 730, 0.0), 450, 80
    later = SeasonalShop(shop.customers, np.where(shop.days >= closed, shop.days + days, shop.days))
    statistics, repeats, as_of, _ = later.before(730 + days)
    closure = Closure((START + timedelta(days=closed)).isoformat(), days)
    assert closed_spells(repeats, as_of) == (closure,)
    told = estimate_clock(statistics, repeats, as_of, fit, closures=(closure,))
    untold = estimate_clock(statistics, repeats, as_of, fit)
    assert told is not None and untold is not None
    assert not told.is_season and told.is_uneven and untold.is_season
    assert np.abs(np.log(told.clock.index)).max() < 0.1
    clock, opened = Clock(told.clock), day_number(closure.start)
    assert float(clock.ahead(opened, days)) == 0.0
    # The customers are those of the shop that never closed.
    inside = fit(by_clock(statistics, clock, as_of))
    assert inside.alpha == pytest.approx(fit(shop.before(730)[0]).alpha, rel=0.15)
    assert ClockParameters.from_dict({"fitted_at": "2024-01-01", "index": [1.0], "closures": [vars(closure)]}) == (
        ClockParameters("2024-01-01", (1.0,), closures=(closure,))
    )
