"""The regression starts from the first stage: a peer's optimum, and the first stage itself where nothing is told."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from scipy.special import expit
from sklearn.linear_model import LogisticRegression

from models.purchases.second_stage.cuts import PastCut
from models.purchases.second_stage.logistic import FEATURES, PENALTY, fit_logistic
from models.scoring.second_stage.correction import log_scale, regression, standardised
from models.scoring.second_stage.first import Offsets


def a_cut(rng, effect: float, n: int = 1500, level: float = 0.0) -> PastCut:
    """Customers of whom recent orders tell what the first stage does not know."""
    described = pd.DataFrame({name: rng.gamma(1.0, 20.0, n) for name in FEATURES})
    described.loc[::7, "gap_ratio"] = np.nan
    odds = rng.normal(-1.0, 1.0, n)
    z = np.log1p(described["orders_90d"])
    p = expit(odds + effect * (z - z.mean()) + level)
    first = pd.DataFrame(
        {
            "p_alive": 1.0,
            "p_purchase": expit(odds),
            "expected_purchases": 1.5 * expit(odds),
            "expected_spend": 10.0,
            "expected_revenue": 15.0 * expit(odds),
        }
    )
    return PastCut(date(2024, 1, 1), described.assign(purchases=1.0 * (rng.random(n) < p), revenue=0.0), first, False)


def test_it_learns_what_a_feature_tells_whatever_the_levels_of_the_cuts(rng):
    cuts = [a_cut(rng, 0.8), a_cut(rng, 0.8, level=-1.0)]
    fitted = fit_logistic(cuts)
    at = 1 + FEATURES.index("orders_90d")
    assert fitted.coefficients[at] / fitted.scales[at] == pytest.approx(0.8, abs=0.15)
    others = np.delete(np.array(fitted.coefficients), at)
    assert np.abs(others).max() < 0.2


def test_without_an_effect_it_is_nearly_the_first_stage(rng):
    fitted = fit_logistic([a_cut(rng, 0.0, n=300)])
    added = regression(fitted, np.zeros(50), a_cut(rng, 0.0, n=50).described)
    assert np.abs(added).std() < 0.5
    assert np.abs(fitted.coefficients).mean() < 0.2


def test_the_optimum_is_that_of_a_peer(rng):
    """Scikit-learn has no offset, but an offset is a feature of coefficient 1 with a penalty of nearly none."""
    cut = a_cut(rng, 0.6)
    fitted = fit_logistic([cut])
    odds = Offsets.of(cut.first).buys
    Z = standardised(log_scale(odds, cut.described, FEATURES), fitted.centres, fitted.scales)
    peer = LogisticRegression(C=1.0 / PENALTY, tol=1e-10, max_iter=5000)
    # The coefficient of the log odds is penalised towards 1, of which scikit-learn knows nothing: it is left out.
    huge = 1e3
    X = np.column_stack([odds * huge, Z[:, 1:]])
    peer.fit(X, cut.bought)
    free = peer.coef_[0]
    ours = np.array(fitted.coefficients)
    np.testing.assert_allclose(ours[1:], free[1:], atol=0.03)
