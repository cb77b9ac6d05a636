"""Drift of the fit and tracking of purchases: against quadrature, against shops simulated in another way, corners."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose
from scipy.integrate import quad
from scipy.special import gammaln

from models.monitoring.drift_figures import FitDrift, PurchaseTracking, compare
from models.monitoring.drift_simulation import Change, Histories, log_likelihoods, shifted
from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.bg_nbd_likelihood import count_sufficient_statistics
from models.scoring.bg_nbd import expected_purchases
from models.scoring.parameters import PurchaseParameters

SHOP = PurchaseParameters(0.8, 40.0, 0.7, 3.0)
CERTAIN = np.zeros((4, 4))


def purchase_days(customers, rng, after=90, rate=1.0, dropout=1.0, before=365):
    """Days on which each customer of a shop buys, in [-before, after); the shop changes on day 0.

    Purchases come at moments and count once a day, as in a shop. From day 0 on everybody buys ``rate`` times as often
    and leaves ``dropout`` times as readily.
    """
    last = rng.uniform(-before, after, customers)
    rates, chances = rng.gamma(SHOP.r, 1 / SHOP.alpha, customers), rng.beta(SHOP.a, SHOP.b, customers)
    buying, who, when = np.arange(customers), [np.arange(customers)], [last.copy()]
    while buying.size:
        # In a time that runs `rate` times as fast after day 0 nothing changes.
        time = np.where(last > 0, last * rate, last)[buying] + rng.exponential(size=buying.size) / rates[buying]
        time = np.where(time > 0, time / rate, time)
        buying, time = buying[time < after], time[time < after]
        last[buying] = time
        who.append(buying)
        when.append(time)
        leaving = rng.random(buying.size) < chances[buying] * np.where(time > 0, dropout, 1.0)
        buying = buying[~leaving]
    days = np.floor(np.concatenate(when)).astype(int)
    return pd.DataFrame({"customer": np.concatenate(who), "day": days}).drop_duplicates()


def seen_at(days, as_of):
    by_customer = days[days["day"] < as_of].groupby("customer")["day"].agg(["min", "max", "size"])
    T = as_of - 1 - by_customer["min"]
    return pd.DataFrame({"x": by_customer["size"] - 1, "t_x": by_customer["max"] - by_customer["min"], "T": T})


def change_of(days, after=90):
    now = seen_at(days, after)
    then = seen_at(days, 0).reindex(now.index)
    histories = [Histories(*frame.fillna(0).to_numpy(float).T) for frame in (then, now)]
    return Change(*histories, then["T"].notna().to_numpy(), np.ones(len(now)))


def shop(customers, seed, after=90, **changed):
    return change_of(purchase_days(customers, np.random.default_rng(seed), after, **changed), after)


def fitted(change):
    then = change.then.take(change.existing)
    model = BetaGeoModel().fit_sufficient_statistics(count_sufficient_statistics(then.x, then.t_x, then.T))
    return model.parameters, model.log_covariance


def of_one_kind(then, now, existing, customers):
    """Customers who all have the same history at both dates."""
    first, second = (Histories(*(np.array([float(value)]) for value in history)) for history in (then, now))
    return Change(first, second, np.array([existing]), np.array([float(customers)]))


@pytest.mark.parametrize("m", [0, 1])
def test_the_expected_log_likelihood_equals_its_integral(m):
    parameters, (before, after) = replace(SHOP, m=m), (100.0, 160.0)

    def integrals(T):
        """Total probability and mean log-likelihood: the x - 1 purchases before the last lie anywhere before it."""

        def log_density(x, t_x):
            return log_likelihoods(Histories(*(np.array([value]) for value in (x, t_x, T))), parameters)[0]

        nobody = log_density(0.0, 0.0)
        total = np.exp(nobody) * np.array([1.0, nobody])
        for x in range(1, 60):

            def density(t_x, x=float(x)):
                return np.exp(log_density(x, t_x) + (x - 1) * np.log(t_x) - gammaln(x))

            total[0] += quad(density, 0.0, T, epsrel=1e-6)[0]
            total[1] += quad(lambda t, d=density, x=float(x): d(t) * log_density(x, t), 0.0, T, epsrel=1e-6)[0]
        return total

    change = of_one_kind((0, 0, before), (0, 0, after), True, 1000)
    fit, _ = compare(change, parameters, CERTAIN, seed=1)
    for T, got in ((before, fit.expected_at_training), (after, fit.expected_now)):
        probability, mean = integrals(T)
        assert_allclose(probability, 1.0, atol=1e-4)
        assert_allclose(got, mean, atol=0.06)


def test_what_is_found_is_told_as_it_is():
    change = shop(500, seed=0)
    fit, purchases = compare(change, SHOP, CERTAIN, seed=0, size=2000)
    assert_allclose(fit.now, log_likelihoods(change.now, SHOP).mean())
    assert_allclose(fit.at_training, log_likelihoods(change.then.take(change.existing), SHOP).mean())
    assert purchases.actual_existing == (change.now.x - change.then.x)[change.existing].sum()
    assert purchases.actual_new == change.now.x[~change.existing].sum()
    then = change.then.take(change.existing)
    assert_allclose(purchases.expected_existing, expected_purchases(90.0, then.x, then.t_x, then.T, SHOP).sum())
    assert_allclose(fit.drift, fit.now - fit.expected_now - (fit.at_training - fit.expected_at_training))


def test_counted_pairs_say_what_customers_one_by_one_say():
    change = shop(400, seed=3)
    columns = [*vars(change.then).values(), *vars(change.now).values()]
    counted = pd.DataFrame(np.array(columns).T).assign(existing=change.existing, n=change.customers)
    counted = counted.groupby([0, 1, 2, 3, 4, 5, "existing"], as_index=False)["n"].sum()
    then, now = (Histories(*(counted[k].to_numpy() for k in part)) for part in ((0, 1, 2), (3, 4, 5)))
    together = Change(then, now, counted["existing"].to_numpy(bool), counted["n"].to_numpy())
    assert len(counted) < change.total
    (_, one_by_one), (_, by_count) = (compare(base, SHOP, CERTAIN, seed=0, size=5000) for base in (change, together))
    assert_allclose(by_count.expected, one_by_one.expected)
    assert_allclose(by_count.error, one_by_one.error, rtol=0.05)


def test_a_shop_that_does_not_change_gives_few_alarms():
    drifts, purchases = [], []
    for seed in range(24):
        change = shop(800, seed)
        fit, tracking = compare(change, *fitted(change), seed=0, size=4000)
        drifts.append(fit)
        purchases.append(tracking)
    alarms = sum(fit.is_beyond or tracking.is_beyond for fit, tracking in zip(drifts, purchases, strict=True))
    assert alarms <= 3
    for z in (
        [fit.drift / fit.error for fit in drifts],
        [(tracking.actual - tracking.expected) / tracking.error for tracking in purchases],
    ):
        # Errors are as large as they say: the mean of 24 has a standard error of 0.2, their standard deviation 0.14.
        assert abs(np.mean(z)) < 0.5
        assert 0.7 < np.std(z) < 1.3


@pytest.mark.parametrize(("rate", "ratio"), [(0.5, 0.52), (2.0, 1.8)])
def test_another_purchase_rate_is_found(rate, ratio):
    change = shop(6000, seed=5, after=60, rate=rate)
    fit, purchases = compare(change, *fitted(change), seed=0, size=10_000)
    assert purchases.is_beyond
    assert fit.is_beyond
    assert_allclose(purchases.ratio, ratio, rtol=0.1)
    # Fewer purchases make histories more likely, not less: hence the two sides.
    assert np.sign(fit.drift) == np.sign(1 - rate)


def test_customers_who_leave_twice_as_readily_are_found():
    change = shop(8000, seed=6, after=180, dropout=2.0)
    fit, purchases = compare(change, *fitted(change), seed=0, size=10_000)
    assert purchases.is_beyond
    assert fit.is_beyond
    assert purchases.ratio < 0.9


def test_notable_is_what_a_tenth_more_purchases_would_make():
    base = shop(5000, seed=7)
    fit, _ = compare(base, SHOP, CERTAIN, seed=0, size=40_000)
    # Two shops alike up to day 0, of which one then buys 20 % more than the other.
    more, less = (log_likelihoods(shop(60_000, 8, rate=rate).now, SHOP).mean() for rate in (1.1, 0.9))
    assert_allclose(fit.notable, abs(more - less) / 2, rtol=0.2)


def test_uncertain_parameters_widen_both():
    change = shop(1000, seed=9)
    parameters, covariance = fitted(change)
    (fit, narrow), (wide_fit, wide) = (
        compare(change, parameters, c, seed=0, size=20_000) for c in (CERTAIN, covariance)
    )
    # The delta method on the base itself, one factor of the covariance at a time.
    factors = np.linalg.cholesky(covariance).T
    totals = [
        [change.customers @ change.expected(shifted(parameters, s * 0.01 * step)) for s in (1, -1)] for step in factors
    ]
    added = sum(((up - down) / 0.02) ** 2 for up, down in totals)
    assert_allclose(wide.error**2 - narrow.error**2, added, rtol=0.15)
    assert wide.low < narrow.low < narrow.expected == wide.expected < narrow.high < wide.high
    assert wide_fit.drift == fit.drift


def test_a_large_shop_is_not_alarmed_by_little():
    large = PurchaseTracking(94_000.0, 100_000.0, 0.0, 0.0, error=500.0)
    assert large.is_outside
    assert not large.is_beyond
    assert replace(large, actual_existing=88_000.0).is_beyond
    assert not replace(large, actual_existing=88_000.0, error=10_000.0).is_beyond
    fit = FitDrift(-6.0, -7.05, -6.0, -7.0, error=0.001, notable=0.1)
    assert not fit.is_beyond
    assert replace(fit, now=-7.2).is_beyond
    assert replace(fit, now=-6.8).is_beyond
    assert not replace(fit, now=-7.2, error=0.15).is_beyond


def test_nobody_bought_since():
    quiet = of_one_kind((2, 20, 100), (2, 20, 107), True, 4)
    fit, purchases = compare(quiet, SHOP, CERTAIN, seed=0, size=4000)
    assert purchases.actual == purchases.ratio == purchases.low == 0.0
    assert 0 < purchases.expected < 1
    # Four customers without a purchase in a week are no sign of drift.
    assert not purchases.is_outside
    assert np.isfinite([fit.drift, fit.error, fit.notable]).all()


def test_all_customers_are_new():
    new = of_one_kind((0, 0, 0), (1, 5, 20), False, 50)
    fit, purchases = compare(new, SHOP, CERTAIN, seed=0, size=4000)
    assert fit is None
    assert (purchases.actual, purchases.actual_new, purchases.expected_existing) == (50, 50, 0)
    assert purchases.is_beyond


def test_all_customers_are_of_the_last_day():
    new = of_one_kind((0, 0, 0), (0, 0, 0), False, 50)
    _, purchases = compare(new, SHOP, CERTAIN, seed=0, size=4000)
    assert (purchases.expected, purchases.ratio, purchases.low, purchases.high) == (0.0, 1.0, 0.0, 0.0)
    assert not purchases.is_beyond


def test_a_base_of_three():
    then = Histories(*(np.array(column) for column in ([0.0, 3.0, 0.0], [0.0, 20.0, 0.0], [40.0, 50.0, 0.0])))
    now = Histories(*(np.array(column) for column in ([1.0, 4.0, 0.0], [50.0, 55.0, 0.0], [60.0, 70.0, 0.0])))
    fit, purchases = compare(Change(then, now, np.array([True, True, False]), np.ones(3)), SHOP, CERTAIN, seed=0)
    assert purchases.actual == 2
    assert np.isfinite([fit.drift, fit.error, fit.notable, purchases.low, purchases.high]).all()
    assert not fit.is_beyond
    assert not purchases.is_beyond


def test_the_same_data_give_the_same_figures():
    change = shop(300, seed=1)
    first, second = (compare(change, SHOP, CERTAIN, seed=4, size=2000) for _ in range(2))
    assert first == second
    assert compare(change, SHOP, CERTAIN, seed=5, size=2000)[0] != first[0]
