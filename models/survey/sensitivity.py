"""Sensitivity of the NPS to non-response that depends on satisfaction itself, beyond what behaviour explains."""

import numpy as np
import scipy

from models.nps.out_of_fold import POINTS
from models.stats.typing import Floats
from models.survey.frame import Survey

# Changes of the log odds of answering per category for which the NPS is reported.
GAMMAS = (-0.2, -0.1, 0.1, 0.2)
LARGEST_GAMMA = 3.0


def tilted_nps(survey: Survey, gamma: float) -> float:
    """NPS in points if, at equal behaviour, the log odds of answering rose by `gamma` with each category.

    It is not limited to +-100. Non-respondents then have class probabilities proportional to p_c exp(-gamma c), and an
    answer of category c represents 1 + (1 - pi)/pi exp(-gamma c) / sum_c p_c exp(-gamma c) of those asked (Robins,
    Rotnitzky & Scharfstein 2000, in Statistical Models in Epidemiology).
    """
    tilt = np.exp(-gamma * np.arange(3))
    R, pi, y = survey.answered, survey.propensity[survey.answered], survey.category[survey.answered]
    non_respondent_m, norm = _tilted_points(survey.probabilities[R], tilt)
    w = survey.weights_if(1.0 + (1.0 - pi) / pi * tilt[y] / norm)
    base_m = _tilted_points(survey.base_probabilities, tilt)[0]
    return float(base_m.mean() + w @ (POINTS[y] - non_respondent_m) / w.sum())


def sign_gamma(survey: Survey) -> float | None:
    """Gamma nearest to 0 at which `tilted_nps` is 0; None if there is none from -3 to 3."""
    untilted = tilted_nps(survey, 0.0)
    ends = [end for end in (-LARGEST_GAMMA, LARGEST_GAMMA) if untilted * tilted_nps(survey, end) <= 0.0]
    roots = [float(scipy.optimize.brentq(lambda gamma: tilted_nps(survey, gamma), 0.0, end)) for end in ends]
    return min(roots, key=abs, default=None)


def shift_of_points(probabilities: Floats, gamma: float) -> Floats:
    """Give by how much a tilt of `gamma` moves predicted points m, (n,), not negative: the mean of both directions."""
    down, up = (_tilted_points(probabilities, np.exp(-g * np.arange(3)))[0] for g in (gamma, -gamma))
    return np.asarray(np.abs(up - down) / 2.0)


def _tilted_points(probabilities: Floats, tilt: Floats) -> tuple[Floats, Floats]:
    """Points m of non-respondents, (n,), by tilted probabilities; and sum_c p_c tilt_c, (n,)."""
    norm = probabilities @ tilt
    return (probabilities * tilt) @ POINTS / norm, norm
