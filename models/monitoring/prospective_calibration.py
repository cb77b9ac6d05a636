"""Prospective calibration: published NPS predictions compared with answers that were given after the publication.

This is the strictest test of a probability: it was published first, and then the customer was asked. Which pairs count
is decided in `models.monitoring.prospective_predictions`. Those who answer are not like everyone, so each answer has a
weight: how many customers it represents. Level and slopes are then those of everyone, as the predictions are.
"""

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import expit, logit

from models.monitoring.prospective_predictions import PRIORS
from models.scoring.columns import PROBABILITIES
from models.stats import metrics
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats

# With fewer an interval is too wide to say anything, and a slope cannot be fitted.
FEWEST_ANSWERS = 30
FEWEST_OF_EACH = 10
# A published probability may be 0 or 1; for log odds it is limited to this distance from them.
_LEAST_PROBABILITY = 1e-6


@dataclass(frozen=True)
class Level:
    """A predicted and an observed value.

    Attributes
    ----------
    predicted, observed
        A share, 0 to 1, or an NPS in points.
    low, high
        95 % interval of `observed`, in its unit.
    """

    predicted: float
    observed: float
    low: float
    high: float

    @property
    def is_off(self) -> bool:
        """Whether the prediction lies outside the interval."""
        return not self.low <= self.predicted <= self.high


@dataclass(frozen=True)
class CoxLine:
    """Line of the observed log odds on the predicted ones: intercept 0 and slope 1 if predictions are calibrated.

    Attributes
    ----------
    intercept, intercept_error
        Log odds, and their standard error.
    slope, slope_error
        Below 1 predictions are too far apart, above 1 too close together; and its standard error.
    """

    intercept: float
    intercept_error: float
    slope: float
    slope_error: float

    @property
    def words(self) -> str | None:
        """The slope in words; None if it differs from 1 by no more than chance."""
        if abs(self.slope - 1.0) <= NORMAL_95 * self.slope_error:
            return None
        spread = "too far apart" if self.slope < 1.0 else "too close together"
        return f"{spread} (slope {self.slope:.2f}, standard error {self.slope_error:.2f})"


@dataclass(frozen=True)
class ProspectiveCalibration:
    """Published predictions beside the answers given after them; JSON-able by `to_dict`.

    Attributes
    ----------
    verdict
        The result in sentences; with too few answers the reason why there is none.
    answers, customers
        Answers that have such a prediction, and the customers who gave them.
    from_prior
        Answers whose prediction was the prior, the same for everyone.
    first_asked, last_asked
        ISO dates; None with too few answers.
    days_before
        Mean days from the as_of of the prediction to that of the invitation; None with too few answers.
    detractor, passive, promoter
        Mean probability and share of the class; None with too few answers.
    nps
        Predicted and observed, points; None with too few answers.
    detractor_line, promoter_line
        None with fewer than 10 answers inside or outside that class, or with equal predictions.
    figures
        rps, log_loss, ece (mean over the classes), auc_detractor, auc_promoter; rps_prior and log_loss_prior of the
        shares of the classes in training. Figures that are not defined are left out.
    """

    verdict: str
    answers: int
    customers: int
    from_prior: int = 0
    first_asked: str | None = None
    last_asked: str | None = None
    days_before: float | None = None
    detractor: Level | None = None
    passive: Level | None = None
    promoter: Level | None = None
    nps: Level | None = None
    detractor_line: CoxLine | None = None
    promoter_line: CoxLine | None = None
    figures: dict[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)


def prospective_calibration(joined: pd.DataFrame, weight: npt.ArrayLike | None = None) -> ProspectiveCalibration:
    """Compare published predictions with the answers given after them.

    Parameters
    ----------
    joined : pandas.DataFrame
        As `models.monitoring.prospective_predictions.predictions_before_answers` gives it.
    weight : array_like of shape (n,), optional
        Customers that each answer represents, up to a constant factor; all equal unless given. Figures of ranking and
        of scoring rules stay those of the answers.

    Returns
    -------
    ProspectiveCalibration
        Answers of one customer count as one cluster in every interval and standard error.

    Notes
    -----
    Intervals are adjusted Wald: of a share Agresti & Coull 1998 (American Statistician 52), of the NPS Rocks 2016
    (American Statistician 70: three quarters of a detractor and of a promoter are added, three answers in all), with
    the number of answers divided by the design effect of customers (Kish 1965). Lines are Cox 1958 (Biometrika 45),
    with the clustered sandwich (Liang & Zeger 1986).
    """
    y, who = joined["category"].to_numpy(np.int64), joined["customer_id"].to_numpy(str)
    p, prior = joined[list(PROBABILITIES)].to_numpy(float), joined[list(PRIORS)].to_numpy(float)
    n, people = len(y), int(np.unique(who).size)
    if n < FEWEST_ANSWERS or people < FEWEST_ANSWERS:
        why = (
            f"Too few to tell: {n:,} answers of {people:,} customers were given after their prediction was published; "
            f"{FEWEST_ANSWERS} answers of as many customers are needed."
        )
        return ProspectiveCalibration(why, n, people)
    w = np.ones(n) if weight is None else np.asarray(weight, dtype=float)
    w = w * n / w.sum()
    shares = [_share(y == k, p[:, k], who, w) for k in range(3)]
    nps = _nps(y, p, who, w)
    lines = [cox_line(y == k, p[:, k], who, w) for k in (0, 2)]
    figures = {
        "rps": metrics.ranked_probability_score(y, p),
        "rps_prior": metrics.ranked_probability_score(y, prior),
        "log_loss": metrics.log_loss(y, p),
        "log_loss_prior": metrics.log_loss(y, prior),
        "ece": metrics.expected_calibration_error(y, p),
        "auc_detractor": metrics.auc(y == 0, p[:, 0]),
        "auc_promoter": metrics.auc(y == 2, p[:, 2]),
    }
    return ProspectiveCalibration(
        verdict=_verdict(n, people, nps, lines, figures),
        answers=n,
        customers=people,
        from_prior=int((joined["nps_source"] == "prior").sum()),
        first_asked=joined["as_of"].min().date().isoformat(),
        last_asked=joined["as_of"].max().date().isoformat(),
        days_before=float((joined["as_of"] - joined["predicted_as_of"]).dt.days.mean()),
        detractor=shares[0],
        passive=shares[1],
        promoter=shares[2],
        nps=nps,
        detractor_line=lines[0],
        promoter_line=lines[1],
        figures={name: value for name, value in figures.items() if np.isfinite(value)},
    )


def cox_line(
    happened: npt.ArrayLike, probability: npt.ArrayLike, cluster: npt.ArrayLike, weight: npt.ArrayLike | None = None
) -> CoxLine | None:
    """Fit logit P(happened) = intercept + slope * logit(probability) (Cox 1958).

    Parameters
    ----------
    happened : array_like of shape (n,)
        Flags.
    probability : array_like of shape (n,)
        As predicted; limited to 1e-6 from 0 and 1.
    cluster : array_like of shape (n,)
        Label that dependent rows share.
    weight : array_like of shape (n,), optional
        Weight of each row; 1 unless given.

    Returns
    -------
    CoxLine or None
        None if fewer than 10 happened or did not happen, the predictions are equal, or they separate the outcomes.
    """
    y = np.asarray(happened, dtype=float)
    x = logit(np.clip(np.asarray(probability, dtype=float), _LEAST_PROBABILITY, 1.0 - _LEAST_PROBABILITY))
    if min(y.sum(), (1.0 - y).sum()) < FEWEST_OF_EACH or np.ptp(x) < _LEAST_PROBABILITY:
        return None
    X = np.column_stack([np.ones_like(x), x])
    w = np.ones(len(y)) if weight is None else np.asarray(weight, dtype=float)
    line = np.array([0.0, 1.0])
    for _ in range(50):
        fitted = expit(X @ line)
        information = X.T @ (X * (w * fitted * (1.0 - fitted))[:, None])
        if not np.linalg.cond(information) < 1e12:
            return None
        step = np.linalg.solve(information, X.T @ (w * (y - fitted)))
        # Newton's method may overshoot from a distant start, so a step is at most one on log odds.
        line = line + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    of_row = np.unique(np.asarray(cluster), return_inverse=True)[1]
    scores = X * (w * (y - expit(X @ line)))[:, None]
    sums = np.column_stack([np.bincount(of_row, weights=scores[:, j]) for j in range(2)])
    bread = np.linalg.inv(information)
    covariance = bread @ (sums.T @ sums) @ bread * len(sums) / (len(sums) - 1)
    errors = np.sqrt(np.diag(covariance))
    return CoxLine(float(line[0]), float(errors[0]), float(line[1]), float(errors[1]))


def _share(happened: npt.NDArray[np.bool_], probability: Floats, who: npt.NDArray[np.str_], w: Floats) -> Level:
    observed = float(np.average(happened, weights=w))
    n = _effective(happened.astype(float), who, w)
    adjusted = (n * observed + 0.5 * NORMAL_95**2) / (n + NORMAL_95**2)
    margin = NORMAL_95 * np.sqrt(adjusted * (1.0 - adjusted) / (n + NORMAL_95**2))
    low, high = max(adjusted - margin, 0.0), min(adjusted + margin, 1.0)
    return Level(float(np.average(probability, weights=w)), observed, float(low), float(high))


def _nps(y: npt.NDArray[np.int64], p: Floats, who: npt.NDArray[np.str_], w: Floats) -> Level:
    t = (y == 2).astype(float) - (y == 0)
    n = _effective(t, who, w)
    promoters, detractors = ((n * np.average(y == k, weights=w) + 0.75) / (n + 3.0) for k in (2, 0))
    centre = promoters - detractors
    margin = NORMAL_95 * np.sqrt((promoters + detractors - centre**2) / (n + 3.0))
    low, high = max(centre - margin, -1.0), min(centre + margin, 1.0)
    predicted, observed = np.average(p[:, 2] - p[:, 0], weights=w), np.average(t, weights=w)
    return Level(100.0 * float(predicted), 100.0 * float(observed), 100.0 * float(low), 100.0 * float(high))


def _effective(values: Floats, who: npt.NDArray[np.str_], w: Floats) -> float:
    """Effective number of answers: the variance of one over that of the weighted mean, clustered; at most n."""
    centre = float(np.average(values, weights=w))
    plain = float(np.average((values - centre) ** 2, weights=w)) / len(values)
    clustered = metrics.clustered_standard_error(w * (values - centre), who) ** 2
    return len(values) * min(1.0, plain / clustered) if clustered > 0 else float(len(values))


def _verdict(n: int, people: int, nps: Level, lines: list[CoxLine | None], figures: dict[str, float]) -> str:
    level = "is off by more than chance" if nps.is_off else "is off by no more than chance"
    sentences = [
        f"{n:,} answers of {people:,} customers were given after their prediction was published.",
        f"Weighted to everyone, the NPS predicted is {nps.predicted:+.1f} and the observed one {nps.observed:+.1f} "
        f"(95 % interval {nps.low:+.1f} to {nps.high:+.1f}): the level {level}.",
    ]
    for line, name in zip(lines, ("detractors", "promoters"), strict=True):
        if line is not None and line.words:
            sentences.append(f"The probabilities of {name} are {line.words}.")
    gain = 1.0 - figures["rps"] / figures["rps_prior"]
    side = "lower" if gain > 0 else "higher"
    sentences.append(
        f"The RPS, {figures['rps']:.4f}, is {abs(100 * gain):.1f} % {side} than that of the shares in training."
    )
    return " ".join(sentences)
