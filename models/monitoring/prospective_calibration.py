"""Were the published NPS predictions right? Judged on answers that came after the prediction was out.

The honest test of a published probability: it was written down, and then the customer was asked; see
`models.monitoring.prospective_predictions` for which count. What is found holds for those who chose to answer; about
the others `models.survey.aipw` speaks.
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
from models.stats.typing import Floats

# Below these counts an interval is too wide to say anything, and a slope cannot be fitted.
FEWEST_ANSWERS = 30
FEWEST_OF_EACH = 10
Z = 1.959964
# A probability as published may be 0; its log odds are not taken further than this.
_SURE = 1e-6


@dataclass(frozen=True)
class Level:
    """A predicted and an observed share (or NPS, in points), with the 95 % interval of the observed one."""

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
    """Intercept and slope of the observed log odds on the predicted ones, with standard errors: 0 and 1 if calibrated.

    A slope below 1 says that predictions are too far apart, one above 1 that they are too close together.
    """

    intercept: float
    intercept_error: float
    slope: float
    slope_error: float

    @property
    def words(self) -> str | None:
        """What the slope says, where it differs from 1 by more than chance."""
        if abs(self.slope - 1.0) <= Z * self.slope_error:
            return None
        fault = "too far apart" if self.slope < 1.0 else "too close together"
        return f"{fault} (slope {self.slope:.2f}, standard error {self.slope_error:.2f})"


@dataclass(frozen=True)
class ProspectiveCalibration:
    """How predictions made before answers arrived compare with the answers; JSON-able by `to_dict`.

    Attributes
    ----------
    verdict
        Sentences for a reader; with too few answers the reason why nothing else is said.
    answers, customers
        Answers that have such a prediction, and the customers who gave them.
    from_prior
        Those of them whose prediction was the prior, the same for everyone.
    first_asked, last_asked
        ISO dates; None without answers.
    days_ahead
        Mean days from the as_of of the prediction to that of the asking.
    detractor, passive, promoter
        Mean probability against share.
    nps
        In points.
    detractor_line, promoter_line
        None where fewer than 10 answers are, or are not, of that class, or the predictions do not differ.
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
    days_ahead: float | None = None
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


def prospective_calibration(joined: pd.DataFrame) -> ProspectiveCalibration:
    """Compare predictions with the answers that came after them.

    Parameters
    ----------
    joined : pandas.DataFrame
        As `models.monitoring.prospective_predictions.predictions_before_answers` gives it.

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
            f"Too few to tell: {n:,} answers of {people:,} customers came after a prediction that did not know them; "
            f"{FEWEST_ANSWERS} of as many customers are needed."
        )
        return ProspectiveCalibration(why, n, people)
    shares = [_share(y == k, p[:, k], who) for k in range(3)]
    nps = _nps(y, p, who)
    lines = [cox_line(y == k, p[:, k], who) for k in (0, 2)]
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
        days_ahead=float((joined["as_of"] - joined["predicted_as_of"]).dt.days.mean()),
        detractor=shares[0],
        passive=shares[1],
        promoter=shares[2],
        nps=nps,
        detractor_line=lines[0],
        promoter_line=lines[1],
        figures={name: value for name, value in figures.items() if np.isfinite(value)},
    )


def cox_line(happened: npt.ArrayLike, probability: npt.ArrayLike, cluster: npt.ArrayLike) -> CoxLine | None:
    """Fit logit P(happened) = intercept + slope * logit(probability) (Cox 1958).

    Parameters
    ----------
    happened : array_like of shape (n,)
        Flags.
    probability : array_like of shape (n,)
        As predicted; those within 1e-6 of 0 or 1 count as that far away.
    cluster : array_like of shape (n,)
        Rows that are dependent share one.

    Returns
    -------
    CoxLine or None
        None where fewer than 10 happened or did not, the predictions do not differ, or they separate the outcomes.
    """
    y = np.asarray(happened, dtype=float)
    x = logit(np.clip(np.asarray(probability, dtype=float), _SURE, 1.0 - _SURE))
    if min(y.sum(), (1.0 - y).sum()) < FEWEST_OF_EACH or np.ptp(x) < _SURE:
        return None
    X = np.column_stack([np.ones_like(x), x])
    line = np.array([0.0, 1.0])
    for _ in range(50):
        fitted = expit(X @ line)
        information = X.T @ (X * (fitted * (1.0 - fitted))[:, None])
        if not np.linalg.cond(information) < 1e12:
            return None
        step = np.linalg.solve(information, X.T @ (y - fitted))
        # Newton from a line that is far off may overshoot; a step of one is far enough on log odds.
        line = line + step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-10:
            break
    else:
        return None
    of_row = np.unique(np.asarray(cluster), return_inverse=True)[1]
    scores = X * (y - expit(X @ line))[:, None]
    sums = np.column_stack([np.bincount(of_row, weights=scores[:, j]) for j in range(2)])
    bread = np.linalg.inv(information)
    covariance = bread @ (sums.T @ sums) @ bread * len(sums) / (len(sums) - 1)
    errors = np.sqrt(np.diag(covariance))
    return CoxLine(float(line[0]), float(errors[0]), float(line[1]), float(errors[1]))


def _share(happened: npt.NDArray[np.bool_], probability: Floats, who: npt.NDArray[np.str_]) -> Level:
    observed = float(happened.mean())
    n = _effective(happened.astype(float), who)
    adjusted = (n * observed + 0.5 * Z**2) / (n + Z**2)
    reach = Z * np.sqrt(adjusted * (1.0 - adjusted) / (n + Z**2))
    low, high = max(adjusted - reach, 0.0), min(adjusted + reach, 1.0)
    return Level(float(probability.mean()), observed, float(low), float(high))


def _nps(y: npt.NDArray[np.int64], p: Floats, who: npt.NDArray[np.str_]) -> Level:
    t = (y == 2).astype(float) - (y == 0)
    n = _effective(t, who)
    promoters, detractors = ((n * np.mean(y == k) + 0.75) / (n + 3.0) for k in (2, 0))
    centre = promoters - detractors
    reach = Z * np.sqrt((promoters + detractors - centre**2) / (n + 3.0))
    low, high = max(centre - reach, -1.0), min(centre + reach, 1.0)
    return Level(metrics.nps_of(p), 100.0 * float(t.mean()), 100.0 * float(low), 100.0 * float(high))


def _effective(values: Floats, who: npt.NDArray[np.str_]) -> float:
    """Answers that carry as much as these would without customers who answered more than once; never more."""
    plain, clustered = float(values.var()) / len(values), metrics.clustered_standard_error(values, who) ** 2
    return len(values) * min(1.0, plain / clustered) if clustered > 0 else float(len(values))


def _verdict(n: int, people: int, nps: Level, lines: list[CoxLine | None], figures: dict[str, float]) -> str:
    level = "the level is off" if nps.is_off else "the level is right within chance"
    said = [
        f"{n:,} answers of {people:,} customers came after their prediction.",
        f"NPS predicted {nps.predicted:+.1f}, observed {nps.observed:+.1f} "
        f"(95 % interval {nps.low:+.1f} to {nps.high:+.1f}): {level}.",
    ]
    for line, name in zip(lines, ("detractors", "promoters"), strict=True):
        if line is not None and line.words:
            said.append(f"The probabilities of {name} are {line.words}.")
    gain = 1.0 - figures["rps"] / figures["rps_prior"]
    side = "lower" if gain > 0 else "higher"
    said.append(
        f"The RPS, {figures['rps']:.4f}, is {abs(100 * gain):.1f} % {side} than that of the shares in training."
    )
    return " ".join(said)
