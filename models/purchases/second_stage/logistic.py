"""A ridge logistic regression of who buys, which starts from the first stage's log odds."""

from collections.abc import Sequence

import numpy as np
from scipy.special import expit

from models.purchases.second_stage.cuts import PastCut
from models.purchases.second_stage.levels import level_of_buyers
from models.scoring.parameters import LogisticParameters
from models.scoring.second_stage.correction import log_scale, standardised
from models.scoring.second_stage.first import Offsets
from models.stats.typing import Floats

# Counts, ages and amounts that every shop has.
FEATURES = (
    *("frequency", "recency", "T", "days_since_last_purchase", "days_between_purchases", "gap_ratio"),
    *("orders_30d", "orders_90d", "orders_365d"),
    *("monetary_value", "last_purchase_value", "net_value_90d", "net_value_365d", "net_value_ever"),
)
# As if each standardised coefficient had been seen to be 0 with this precision: the regression is the first stage
# where there are few customers. Of 3, 30 and 100 the first served best where the regression leads, regular groceries.
PENALTY = 3.0
_MOST_STEPS, _CLOSE_ENOUGH = 50, 1e-9


def fit_logistic(cuts: Sequence[PastCut]) -> LogisticParameters:
    """Fit the regression on the customers of past cuts; each cut has an intercept of its own, which is not kept.

    Parameters
    ----------
    cuts : sequence of PastCut
        With customers who bought and customers who did not.

    Returns
    -------
    LogisticParameters
        The log odds are penalised towards their own coefficient 1, all others towards 0.
    """
    odds = [Offsets.of(cut.first).buys for cut in cuts]
    seen = np.vstack([log_scale(each, cut.described, FEATURES) for each, cut in zip(odds, cuts, strict=True)])
    centres, scales = _moments(seen)
    Z = standardised(seen, centres, scales)
    of_cut = np.repeat(np.arange(len(cuts)), [len(each) for each in odds])
    X = np.column_stack([Z, np.eye(len(cuts))[of_cut]])
    offset, y = np.concatenate(odds), np.concatenate([cut.bought for cut in cuts]).astype(float)
    penalty = np.r_[np.full(Z.shape[1], PENALTY), np.zeros(len(cuts))]
    start = [level_of_buyers(each, cut.bought.sum()) for each, cut in zip(odds, cuts, strict=True)]
    coefficients = _newton(X, y, offset, penalty, np.r_[np.zeros(Z.shape[1]), start])
    kept = tuple(float(each) for each in coefficients[: Z.shape[1]])
    return LogisticParameters(FEATURES, tuple(centres.tolist()), tuple(scales.tolist()), kept)


def _moments(seen: Floats) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of each column, of the values that are there."""
    there = ~np.isnan(seen)
    count = np.maximum(there.sum(axis=0), 1)
    values = np.where(there, seen, 0.0)
    centres = values.sum(axis=0) / count
    spread = np.sqrt(np.where(there, (seen - centres) ** 2, 0.0).sum(axis=0) / count)
    return centres, np.where(spread > 1e-9, spread, 1.0)


def _newton(X: Floats, y: Floats, offset: Floats, penalty: Floats, start: Floats) -> Floats:
    """Maximise the penalised likelihood; it is concave, and a step that overshoots is halved."""
    beta, best = start, _objective(X, y, offset, penalty, start)
    for _ in range(_MOST_STEPS):
        p = expit(offset + X @ beta)
        slope = X.T @ (y - p) - penalty * beta
        curvature = (X * (p * (1.0 - p))[:, None]).T @ X + np.diag(penalty + 1e-9)
        step = np.linalg.solve(curvature, slope)
        gain = -np.inf
        while gain < 0 and np.abs(step).max() > _CLOSE_ENOUGH:
            value = _objective(X, y, offset, penalty, beta + step)
            gain = value - best
            if gain < 0:
                step = step / 2.0
        if gain < 0:
            break
        beta, best = beta + step, best + gain
        if gain < _CLOSE_ENOUGH:
            break
    return beta


def _objective(X: Floats, y: Floats, offset: Floats, penalty: Floats, beta: Floats) -> float:
    score = offset + X @ beta
    return float((y * score - np.logaddexp(0.0, score)).sum() - 0.5 * (penalty * beta**2).sum())
