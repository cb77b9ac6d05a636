"""NPS of the base: what everyone would answer, from those who did, with an interval that is right.

Who answers is not who buys, so neither the survey's mean nor the mean of predictions is "the NPS". The estimator
joins both: predictions for everyone, corrected by the weighted residuals of those who answered (AIPW with Hajek
weights: Robins, Rotnitzky & Zhao 1994, JASA 89; Hajek 1971).
"""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# Answer's contribution to NPS by category: detractor, passive, promoter.
POINTS = np.array([-100.0, 0.0, 100.0])
GAMMAS = (-0.2, -0.1, 0.1, 0.2)
# No answer counts for more than this many typical answers: a few extreme weights cost more variance than they repair
# bias.
LARGEST_WEIGHT_RATIO = 10.0
NORMAL_95 = 1.959963984540054


@dataclass(frozen=True)
class BaseNps:
    """NPS of a base of customers, in points from -100 to 100; JSON-able by `to_dict`.

    Attributes
    ----------
    nps, low, high, standard_error
        The estimate, its 95 % interval and its standard error.
    n_base, n_frame, n_answers
        Customers in the base, in the frame, and those of the frame who answered.
    n_eff
        Effective number of answers (Kish 1965); below about 100 the interval is somewhat too narrow.
    survey_mean, mean_of_predictions
        The two figures that are not the NPS, to be shown beside it.
    largest_weight
        Largest share of one answer in the weighted mean.
    sensitivity
        The NPS if answering depended on satisfaction itself: gamma is the change of the log odds of answering for
        each step detractor -> passive -> promoter at equal behaviour.
    frame
        "invited" (customers who were asked) or "customers" (all: unanswered invitations are not in the data).
    unlike_share
        Share of the base that is less like those who answered than all but 1 % of them are; None where not measured.
    """

    nps: float
    low: float
    high: float
    standard_error: float
    n_base: int
    n_frame: int
    n_answers: int
    n_eff: float
    survey_mean: float
    mean_of_predictions: float
    largest_weight: float
    sensitivity: dict[str, float]
    frame: str = "customers"
    unlike_share: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)


def base_nps(
    probabilities: npt.ArrayLike,
    answered: npt.ArrayLike,
    category: npt.ArrayLike,
    propensity: npt.ArrayLike,
    frame: str = "customers",
    base: npt.ArrayLike | None = None,
    carrying_variance: float = 0.0,
) -> BaseNps:
    """Estimate the NPS of a base of customers.

    With t = 100 (1[promoter] - 1[detractor]) of an answer, m = 100 (p_promoter - p_detractor) and w = 1 / propensity:
    theta = mean(m) + sum_R w (t - m) / sum_R w. The mean of m is taken over the base; the residuals are those of the
    frame, weighted to stand for it.

    Parameters
    ----------
    probabilities
        (N, 3) predicted for every customer of the frame, without the customer's own answer for those who answered.
    answered
        (N,) whether the customer answered.
    category
        (N,) 0 detractor, 1 passive, 2 promoter; read where `answered` only.
    propensity
        (N,) probability of answering given behaviour, see `response_propensity`.
    frame
        What the frame is: "invited" or "customers".
    base
        (M, 3) predicted for everyone of the base, where that is not the frame: those who were asked in past waves
        stand for the base in what the predictions miss. Independent of the frame, but for the customers in both.
    carrying_variance
        Variance of mean(m) of the base less the weighted mean of m of those who answered, from the training of m.

    Raises
    ------
    ValueError
        If nobody answered, lengths differ, or a propensity is outside (0, 1].
    """
    p, R, y, pi = _checked(probabilities, answered, category, propensity)
    m = p @ POINTS
    t = POINTS[y]
    w = clipped_weights(1.0 / pi[R])
    theta, phi = _estimate(m, R, t, w)
    everyone = m if base is None else np.asarray(base, dtype=float) @ POINTS
    # Of phi, what is left without the predictions' own spread; that of the base takes its place.
    residual = phi - (m - m.mean())
    apart = np.var(residual, ddof=1) / len(m) + np.var(everyone, ddof=1) / len(everyone)
    error = float(np.sqrt(np.var(phi, ddof=1) / len(m) if base is None else apart + carrying_variance))
    shift = float(everyone.mean() - m.mean())
    theta += shift
    reach = NORMAL_95 * error
    return BaseNps(
        nps=float(np.clip(theta, -100.0, 100.0)),
        low=float(np.clip(theta - reach, -100.0, 100.0)),
        high=float(np.clip(theta + reach, -100.0, 100.0)),
        standard_error=error,
        n_base=len(everyone),
        n_frame=len(m),
        n_answers=int(R.sum()),
        n_eff=float(w.sum() ** 2 / np.sum(w**2)),
        survey_mean=float(t.mean()),
        mean_of_predictions=float(everyone.mean()),
        largest_weight=float(w.max() / w.sum()),
        sensitivity={
            f"{gamma:+.1f}": float(np.clip(tilted_nps(p, R, y, pi, gamma) + shift, -100.0, 100.0)) for gamma in GAMMAS
        },
        frame=frame,
    )


def clipped_weights(weights: Array) -> Array:
    """Weights of the answers, none above `LARGEST_WEIGHT_RATIO` medians."""
    return np.minimum(weights, LARGEST_WEIGHT_RATIO * np.median(weights))


def tilted_nps(
    probabilities: Array, answered: Flags, category: npt.NDArray[np.int64], propensity: Array, gamma: float
) -> float:
    """NPS if, at equal behaviour, the log odds of answering rose by `gamma` with each category.

    Robins, Rotnitzky & Scharfstein (2000, in Statistical Models in Epidemiology).
    Those who did not answer then have class probabilities proportional to p_c exp(-gamma c), and an answer of
    category c stands for 1 + (1 - pi)/pi exp(-gamma c) / sum_c p_c exp(-gamma c) customers. `category` is that of
    those who answered.
    """
    tilt = np.exp(-gamma * np.arange(3))
    norm = probabilities @ tilt
    silent_m = (probabilities * tilt) @ POINTS / norm
    pi = propensity[answered]
    w = clipped_weights(1.0 + (1.0 - pi) / pi * tilt[category] / norm[answered])
    return float(np.clip(_estimate(silent_m, answered, POINTS[category], w)[0], -100.0, 100.0))


def newest_per_customer(customer: npt.ArrayLike, as_of: npt.ArrayLike, answered: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Positions of one row per customer: the newest answer, or the newest invitation of those who never answered.

    Parameters
    ----------
    customer, as_of, answered
        (n,) ids, dates and flags. Of equal dates the first row counts.

    Returns
    -------
    numpy.ndarray
        Positions in ascending order of customer.
    """
    who = np.unique(np.asarray(customer).astype(str), return_inverse=True)[1]
    day = np.asarray(as_of).astype("datetime64[us]").astype(np.int64)
    replied = np.asarray(answered).astype(bool)
    order = np.lexsort((np.arange(len(who)), -day, ~replied, who))
    return order[np.unique(who[order], return_index=True)[1]]


def _estimate(m: Array, R: Flags, t: Array, w: Array) -> tuple[float, Array]:
    """Theta and its influence per customer, phi; t and w are of those who answered.

    phi_i = (m_i - mean m) + R_i (N w_i / sum w)(t_i - m_i - weighted mean residual).
    """
    residual = t - m[R]
    correction = float(w @ residual / w.sum())
    phi = m - m.mean()
    phi[R] += len(m) * w / w.sum() * (residual - correction)
    return float(m.mean()) + correction, phi


def _checked(
    probabilities: npt.ArrayLike, answered: npt.ArrayLike, category: npt.ArrayLike, propensity: npt.ArrayLike
) -> tuple[Array, Flags, npt.NDArray[np.int64], Array]:
    """Arrays of equal length; category of those who answered only."""
    p, pi = np.asarray(probabilities, dtype=float), np.asarray(propensity, dtype=float)
    R, given = np.asarray(answered).astype(bool), np.asarray(category)
    if p.ndim != 2 or p.shape[1] != 3 or not len(p) == len(R) == len(given) == len(pi):
        raise ValueError(
            "probabilities must be (N, 3) and answered, category and propensity (N,), "
            f"got {p.shape}, {R.shape}, {given.shape}, {pi.shape}"
        )
    if R.sum() < 2:
        raise ValueError(f"An NPS needs at least two customers who answered, got {int(R.sum())}")
    if not ((pi > 0) & (pi <= 1)).all():
        raise ValueError(f"propensity must be in (0, 1], got {np.nanmin(pi)} to {np.nanmax(pi)}")
    y = given[R].astype(float)
    if not np.isin(y, (0, 1, 2)).all():
        raise ValueError("category of those who answered must be 0, 1 or 2")
    return p, R, y.astype(np.int64), pi
