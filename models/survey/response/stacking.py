"""How much each candidate model of who answers counts: weights of greatest likelihood out of fold."""

import numpy as np
import scipy
from scipy.special import expit

from models.stats.typing import Flags, Floats

# Penalty on the distance of the stacked slope from 1, in observations: a few answers do not change a slope.
SLOPE_PENALTY = 5.0


def stack(log_odds: Floats, R: Flags) -> Floats:
    """Find the constant and the weights of the candidates of greatest likelihood, (1 + candidates,).

    Parameters
    ----------
    log_odds
        (n, candidates) out of fold.
    R
        (n,) whether the row was answered.

    Notes
    -----
    Weights are not negative. A small penalty draws their sum to 1.
    """
    sign, kinds = np.where(R, -1.0, 1.0), log_odds.shape[1]

    def loss(b: Floats) -> tuple[float, Floats]:
        margin = sign * (b[0] + log_odds @ b[1:])
        slope = sign * expit(margin)
        excess = b[1:].sum() - 1.0
        value = np.logaddexp(0.0, margin).sum() + 0.5 * SLOPE_PENALTY * excess**2
        return float(value), np.r_[slope.sum(), slope @ log_odds + SLOPE_PENALTY * excess]

    start = np.r_[0.0, np.full(kinds, 1.0 / kinds)]
    bounds = [(None, None)] + [(0.0, None)] * kinds
    return np.asarray(scipy.optimize.minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds).x)
