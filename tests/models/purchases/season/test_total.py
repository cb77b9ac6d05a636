"""The interval of a total holds what a simulation of the model's own story gives."""

import numpy as np
import pytest

from models.purchases.bg_nbd_likelihood import count_sufficient_statistics
from models.purchases.season.total import total_purchases
from models.scoring.parameters import PurchaseParameters
from tests.models.simulated_purchases import simulate_purchases

TRUTH = PurchaseParameters(0.8, 50.0, 0.3, 4.0, 1)


def test_chance_alone_is_that_of_the_story():
    inside, errors = [], []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        ages = rng.integers(1, 400, 300).astype(float)
        later = simulate_purchases(ages + 90, TRUTH, np.random.default_rng([seed, 1]))
        # The same customers as they were 90 days before: the rest of their story is what happened in the horizon.
        rate, dropout, T = (later[name].to_numpy() for name in ("lambda", "p", "T"))
        story = np.random.default_rng([seed, 2])
        x, t_x, after = np.zeros((3, 300))
        living = story.random(300) >= dropout
        now = np.zeros(300)
        while living.any():
            now = np.where(living, now + story.exponential(1 / np.maximum(rate, 1e-12)), np.inf)
            before, within = now < T - 90, (now >= T - 90) & (now < T)
            x, t_x, after = x + before, np.where(before, now, t_x), after + within
            living &= (before | within) & (story.random(300) >= dropout)
        total = total_purchases(count_sufficient_statistics(x, t_x, T - 90), 90.0, TRUTH, None)
        inside.append(total.low <= after.sum() <= total.high)
        errors.append(after.sum() / total.expected - 1)
    assert np.mean(errors) == pytest.approx(0.0, abs=0.05)
    # 90 % of 60 with a standard error of 4 %.
    assert 0.78 <= np.mean(inside) <= 1.0


def test_errors_add_up_in_squares():
    histories = count_sufficient_statistics([0.0, 2.0, 5.0], [0.0, 40.0, 90.0], [100.0, 100.0, 100.0], [500, 300, 200])
    chance = total_purchases(histories, 90.0, TRUTH, None)
    known = np.log(chance.high / chance.expected)
    clock = total_purchases(histories, 90.0, TRUTH, None, clock_error=0.1)
    assert np.log(clock.high / clock.expected) == pytest.approx(np.hypot(known, 0.1 * 1.645), rel=1e-3)
    covariance = tuple(tuple(0.01 * float(i == j == 1) for j in range(4)) for i in range(4))
    fitted = total_purchases(histories, 90.0, TRUTH, covariance)
    assert clock.high > chance.high
    assert chance.high < fitted.high < clock.high
    assert chance.low * chance.high == pytest.approx(chance.expected**2)
