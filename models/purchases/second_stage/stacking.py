"""What the members of the second stage count beside the first one: weights stacked by their loss out of time."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from models.purchases.second_stage.trees import Objective, losses, slopes
from models.stats.typing import Floats

# A weight is paid for like so many units of log likelihood: with few customers it is 0 unless much speaks for it.
PRICE = 3.0
_ROUNDED_TO = 2


@dataclass(frozen=True)
class JudgedOutcomes:
    """Outcomes of one past cut beside what was predicted of them by models that had not seen them.

    Attributes
    ----------
    y, offset : numpy.ndarray
        Outcomes, and the first stage on the scale of the link, (n,) each.
    members : numpy.ndarray
        (n, m) what each member adds to the first stage.
    weight : numpy.ndarray or None
        Weights of the rows.
    """

    y: Floats
    offset: Floats
    members: Floats
    weight: Floats | None = None


def stacked_weights(objective: Objective, judged: Sequence[JudgedOutcomes]) -> Floats:
    """Return the weights, (m,), each in [0, 1] and no more than 1 together, that minimise the loss of past cuts.

    Stacking (Wolpert 1992, Neural Networks 5; Breiman 1996, Machine Learning 24) with the first stage as the member
    that takes what the others leave. Each cut has a constant of its own, so that the level, which is another question,
    weighs nothing. The sum of weights times `PRICE` is added to the loss, which is in units of log likelihood: of
    counts and amounts in those of a quasi-likelihood with the dispersion that the first stage leaves (Wedderburn 1974,
    Biometrika 61).

    Parameters
    ----------
    objective : "binary", "poisson" or "tweedie"
        Of which the loss is.
    judged : sequence of JudgedOutcomes
        One for each cut.

    Returns
    -------
    numpy.ndarray
        Rounded to two digits, as more are chance; zeros without a cut.
    """
    if not judged:
        return np.zeros(0)
    members, cuts = judged[0].members.shape[1], len(judged)
    units = [_dispersion(objective, each) for each in judged]

    def loss(parameters: Floats) -> tuple[float, Floats]:
        total, gradient = PRICE * parameters[:members].sum(), np.r_[np.full(members, PRICE), np.zeros(cuts)]
        for number, (each, unit) in enumerate(zip(judged, units, strict=True)):
            score = each.offset + each.members @ parameters[:members] + parameters[members + number]
            weight = 1.0 / unit if each.weight is None else each.weight / (each.weight.mean() * unit)
            total += (weight * losses(objective, each.y, score)).sum()
            slope = weight * slopes(objective, each.y, score)
            gradient[:members] += each.members.T @ slope
            gradient[members + number] += slope.sum()
        return float(total) / scale, gradient / scale

    scale = float(sum(len(each.y) for each in judged))
    found = scipy.optimize.minimize(
        loss,
        np.zeros(members + cuts),
        jac=True,
        method="SLSQP",
        bounds=scipy.optimize.Bounds(
            np.r_[np.zeros(members), np.full(cuts, -20.0)], np.r_[np.ones(members), np.full(cuts, 20.0)]
        ),
        constraints=[scipy.optimize.LinearConstraint(np.r_[np.ones(members), np.zeros(cuts)], -np.inf, 1.0)],
        options={"maxiter": 200, "ftol": 1e-10},
    )
    weights = np.clip(np.nan_to_num(found.x[:members]), 0.0, 1.0)
    return np.round(weights / max(float(weights.sum()), 1.0), _ROUNDED_TO)


def _dispersion(objective: Objective, judged: JudgedOutcomes) -> float:
    """Return the Pearson dispersion that the first stage leaves, at least that of the likelihood; 1 of binary."""
    if objective == "binary":
        return 1.0
    mean = np.exp(judged.offset)
    mean = mean * (judged.y.sum() / max(float(mean.sum()), np.finfo(float).tiny))
    variance = mean if objective == "poisson" else mean**1.5
    ratio = (judged.y - mean) ** 2 / np.maximum(variance, np.finfo(float).tiny)
    pearson = float(np.average(ratio, weights=judged.weight))
    return max(pearson, 1.0) if objective == "poisson" else max(pearson, 1e-3)
