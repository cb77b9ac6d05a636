"""What the living do ahead, beside a simulation of the process itself, in every limit of the model."""

import numpy as np
import pytest

from models.population.months_ahead import ahead_of_the_living
from models.scoring.bg_nbd import p_purchase_of_the_living, purchases_of_the_living
from models.scoring.parameters import PurchaseParameters

ENDS = np.array([20.0, 50.0, 150.0])
CUSTOMERS = 200_000
MODELS = (
    PurchaseParameters(0.6, 45.0, 0.8, 2.4, 1),
    PurchaseParameters(0.6, 45.0, 0.0, 1.0, 0, ("nobody_leaves",)),
    PurchaseParameters(0.25, 5.0, 0.3, 0.7, 0, ("equal_dropout",)),
    PurchaseParameters(0.6, 45.0, 0.3, 0.7, 0, ("at_once_or_never",)),
    PurchaseParameters(1.0, 30.0, 0.8, 2.4, 0, ("equal_rates",)),
)


def dropout_chances(model: PurchaseParameters, x: float, rng: np.random.Generator) -> np.ndarray:
    share = model.a / (model.a + model.b)
    if model.nobody_leaves:
        return np.zeros(CUSTOMERS)
    if "equal_dropout" in model.limits:
        return np.full(CUSTOMERS, share)
    if "at_once_or_never" in model.limits:
        return np.zeros(CUSTOMERS) if x else (rng.random(CUSTOMERS) < share).astype(float)
    return rng.beta(model.a, model.b + x + model.m, CUSTOMERS)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: " ".join(model.limits) or "mbg_nbd")
@pytest.mark.parametrize(("x", "T"), [(0.0, 100.0), (4.0, 60.0)])
def test_it_is_what_a_simulation_of_living_customers_does(model, x, T):
    rng = np.random.default_rng(5)
    ahead = ahead_of_the_living(ENDS, np.array([x]), np.array([T]), model)
    equal = np.full(CUSTOMERS, model.r / model.alpha)
    rate = equal if model.equal_rates else rng.gamma(model.r + x, 1 / (model.alpha + T), CUSTOMERS)
    p = dropout_chances(model, x, rng)
    last = np.where(p > 0, rng.geometric(np.maximum(p, 1e-12)), np.iinfo(np.int64).max)
    bought, before, start = np.zeros(CUSTOMERS, dtype=np.int64), np.zeros(CUSTOMERS, dtype=np.int64), 0.0
    for k, end in enumerate(ENDS):
        bought = bought + rng.poisson(rate * (end - start))
        n = np.minimum(bought, last)
        for expected, drawn in (
            (ahead.buys[0, k], (n > before).astype(float)),
            (ahead.buys_by_end[0, k], (n > 0).astype(float)),
            (ahead.purchases[0, k], n.astype(float)),
            (ahead.pairs[0, k], (n * (n - 1)).astype(float)),
        ):
            assert abs(expected - drawn.mean()) < 4.5 * drawn.std() / np.sqrt(CUSTOMERS)
        before, start = n, end


@pytest.mark.parametrize("model", MODELS, ids=lambda model: " ".join(model.limits) or "mbg_nbd")
def test_it_agrees_with_the_formulas_of_the_scorer(model):
    x, T = np.array([0.0, 1.0, 30.0]), np.array([1.0, 300.0, 600.0])
    ahead = ahead_of_the_living(ENDS, x, T, model)
    for k, end in enumerate(ENDS):
        np.testing.assert_allclose(ahead.purchases[:, k], purchases_of_the_living(end, x, T, model), rtol=2e-4)
    np.testing.assert_allclose(ahead.buys[:, 0], p_purchase_of_the_living(ENDS[0], x, T, model), rtol=1e-9)
