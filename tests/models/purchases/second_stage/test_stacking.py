"""Weights of the members: those that predict best out of time, near 0 where members know nothing."""

import numpy as np
import pytest
from scipy.special import expit

from models.purchases.second_stage.stacking import PRICE, JudgedOutcomes, stacked_weights
from models.purchases.second_stage.trees import losses


def judged(rng, truth: float, n=4000, level=0.0, noise=1) -> JudgedOutcomes:
    """A cut at which the first of the members tells so much of what remains, the others nothing."""
    offset, told = rng.normal(-1.0, 1.0, n), rng.normal(size=n)
    y = (rng.random(n) < expit(offset + truth * told + level)).astype(float)
    return JudgedOutcomes(y, offset, np.column_stack([told, *rng.normal(size=(noise, n))]))


def test_the_weight_is_what_the_member_tells(rng):
    for truth in (0.3, 0.7):
        weights = stacked_weights("binary", [judged(rng, truth) for _ in range(3)])
        assert weights[0] == pytest.approx(truth, abs=0.08)
        assert weights[1] < 0.06
    # A member that says too little counts 1 at most, and members share that.
    assert stacked_weights("binary", [judged(rng, 1.6)])[0] == 1.0
    twice = judged(rng, 1.6)
    both = JudgedOutcomes(twice.y, twice.offset, twice.members[:, [0, 0]])
    assert stacked_weights("binary", [both]).sum() == pytest.approx(1.0, abs=0.011)


def test_the_weight_is_the_minimum_of_the_priced_loss(rng):
    cut = judged(rng, 0.4, n=500, noise=0)
    [weight] = stacked_weights("binary", [cut])

    def cost(w: float) -> float:
        constants = np.linspace(-0.5, 0.5, 401)
        score = cut.offset + w * cut.members[:, 0]
        return min(losses("binary", cut.y, score + c).sum() for c in constants) + PRICE * w

    grid = np.arange(0.0, 1.001, 0.01)
    assert weight == pytest.approx(grid[np.argmin([cost(w) for w in grid])], abs=0.011)


def test_members_that_know_nothing_count_nothing_and_few_customers_shrink(rng):
    weights = [stacked_weights("binary", [judged(rng, 0.0, n=1000) for _ in range(2)]) for _ in range(20)]
    assert np.mean(weights) < 0.02
    few = [stacked_weights("binary", [judged(rng, 0.5, n=60)])[0] for _ in range(40)]
    many = [stacked_weights("binary", [judged(rng, 0.5, n=2000)])[0] for _ in range(10)]
    assert np.mean(few) < np.mean(many) - 0.1


def test_the_level_of_a_cut_weighs_nothing(rng):
    """In a quiet quarter everybody buys less, which says nothing about who does."""
    state = rng.bit_generator.state
    usual = stacked_weights("binary", [judged(rng, 0.5, n=20_000)])
    rng.bit_generator.state = state
    quiet = stacked_weights("binary", [judged(rng, 0.5, n=20_000, level=-1.0)])
    assert quiet[0] == pytest.approx(usual[0], abs=0.05)


@pytest.mark.parametrize("objective", ["poisson", "tweedie"])
def test_counts_and_amounts_are_stacked_by_their_quasi_likelihood(rng, objective):
    offset, told = rng.normal(0.0, 0.5, 3000), rng.normal(size=3000)
    mean = np.exp(offset + 0.5 * told)
    y = rng.poisson(mean).astype(float) if objective == "poisson" else rng.gamma(2.0, mean / 2.0)
    [weight] = stacked_weights(objective, [JudgedOutcomes(y, offset, told[:, None], np.ones(3000))])
    assert weight == pytest.approx(0.5, abs=0.07)
    assert stacked_weights(objective, []).size == 0
