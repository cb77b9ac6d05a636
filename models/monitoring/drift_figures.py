"""What the purchases since a training say of a fit: the drift of its log-likelihood, and purchases against expectation.

Both figures are judged against the model's own story, simulated at the ages of today's customers (see
`models.monitoring.drift_simulation`), with the uncertainty of the fitted parameters. Writing s for a customer's slopes
of the log-likelihood at training and V for the covariance of the log parameters, the fit is off by the sum of V s, so a
figure with gradient g by the log parameters moves by g V s for each customer (the delta method in influence form).
"""

from dataclasses import dataclass

import numpy as np

from models.monitoring.drift_simulation import Change, log_likelihoods, log_scores, moved
from models.scoring.parameters import PurchaseParameters
from models.stats.typing import Floats

# 95 %, two-sided.
QUANTILE = 1.96
# Off by this share, a figure is notable: of purchases, or of every customer's purchase rate since training.
NOTABLE = 0.1
# Expectations and variances over customers are known well enough from so many, however large the base.
SAMPLE = 40_000
_STEP = 1e-3


@dataclass(frozen=True)
class FitDrift:
    """Log-likelihood per customer, at training and now, beside what the model itself expects at those ages.

    Parameters
    ----------
    at_training, now : float
        Found.
    expected_at_training, expected_now : float
        Mean of histories of the model's own story.
    error : float
        Standard error of `drift`: customers, fitted parameters and simulation.
    notable : float
        The drift, without its sign, that a change of all purchase rates since training by 10 % makes.
    """

    at_training: float
    now: float
    expected_at_training: float
    expected_now: float
    error: float
    notable: float

    @property
    def drift(self) -> float:
        """Excess over the model's expectation now, less that at training.

        Its sign tells nothing of good or bad: a history of few purchases is a likely one.
        """
        return (self.now - self.expected_now) - (self.at_training - self.expected_at_training)

    @property
    def is_beyond(self) -> bool:
        """Whether the drift is more than chance and notable."""
        return abs(self.drift) > max(QUANTILE * self.error, self.notable)


@dataclass(frozen=True)
class PurchaseTracking:
    """Purchases since training, found and expected, of customers known at training and of those who came since.

    Parameters
    ----------
    actual_known, expected_known, actual_new, expected_new : float
    error : float
        Standard error of the total's difference: customers and fitted parameters.
    """

    actual_known: float
    expected_known: float
    actual_new: float
    expected_new: float
    error: float

    @property
    def actual(self) -> float:
        """Purchases found."""
        return self.actual_known + self.actual_new

    @property
    def expected(self) -> float:
        """Purchases expected."""
        return self.expected_known + self.expected_new

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of purchases where nothing has changed."""
        return max(self.expected - QUANTILE * self.error, 0.0)

    @property
    def high(self) -> float:
        """Upper end of that interval."""
        return self.expected + QUANTILE * self.error

    @property
    def ratio(self) -> float:
        """Purchases found over expected; 1 where all first bought on the last day, so that none could come."""
        return self.actual / self.expected if self.expected else 1.0

    @property
    def is_outside(self) -> bool:
        """Whether the purchases are outside the interval."""
        return not self.low <= self.actual <= self.high

    @property
    def is_beyond(self) -> bool:
        """Whether they are outside and notably off."""
        return self.is_outside and abs(self.ratio - 1.0) > NOTABLE


def compare(
    change: Change, parameters: PurchaseParameters, log_covariance: Floats, seed: int, size: int = SAMPLE
) -> tuple[FitDrift | None, PurchaseTracking]:
    """Measure what has come since training.

    Parameters
    ----------
    change : Change
        Histories of at least one customer.
    parameters : PurchaseParameters
        Of the champion, in days.
    log_covariance : ndarray, shape (4, 4)
        Of ln r, ln alpha, ln a, ln b.
    seed : int
        Of the simulation.
    size : int
        Customers to simulate.

    Returns
    -------
    FitDrift or None
        None where no customer was known at training.
    PurchaseTracking
    """
    rng = np.random.default_rng(seed)
    own, surprise = change.sample(size, rng).simulate(parameters, rng)
    real = change.sample(min(size, round(change.total)), rng)
    tracking = _track(change, own, parameters, log_covariance)
    if not change.known.any():
        return None, tracking
    return _fit_drift(change, own, surprise, real, parameters, log_covariance), tracking


def _track(change: Change, own: Change, parameters: PurchaseParameters, log_covariance: Floats) -> PurchaseTracking:
    expected, known = change.expected(parameters), change.known
    found = change.customers * change.purchases
    model = change.customers * expected
    # Where hardly anyone bought the residuals found are all small, so the model's own say how far chance reaches.
    by_customers = max(
        float(part.customers @ (part.purchases - part_expected) ** 2)
        for part, part_expected in ((change, expected), (own, own.expected(parameters)))
    )
    gradient = np.array(
        [
            own.customers @ (own.expected(moved(parameters, step)) - own.expected(moved(parameters, -step)))
            for step in _STEP * np.eye(4)
        ]
    ) / (2 * _STEP)
    return PurchaseTracking(
        actual_known=float(found[known].sum()),
        expected_known=float(model[known].sum()),
        actual_new=float(found[~known].sum()),
        expected_new=float(model[~known].sum()),
        error=float(np.sqrt(by_customers + gradient @ log_covariance @ gradient)),
    )


def _fit_drift(
    change: Change,
    own: Change,
    surprise: Floats,
    real: Change,
    parameters: PurchaseParameters,
    log_covariance: Floats,
) -> FitDrift:
    total, total_known = change.total, change.total_known

    def mean_now(of: Change, values: Floats) -> Floats:
        return np.asarray(of.customers @ values / total)

    def mean_then(of: Change, values: Floats) -> Floats:
        return np.asarray((of.customers * of.known) @ values / total_known)

    now, then = log_likelihoods(own.now, parameters), log_likelihoods(own.then, parameters)
    score_now, score_then = log_scores(own.now, parameters), log_scores(own.then, parameters)
    # The slopes have mean 0 under the model: what they explain of the simulated log-likelihoods is noise.
    clean_now = now - score_now @ _slopes(score_now, now, own.customers)
    clean_then = then - score_then @ _slopes(score_then, then, own.customers * own.known)
    expected_now, expected_then = float(mean_now(own, clean_now)), float(mean_then(own, clean_then))
    of_simulation = _variance_of_sum(own, clean_now / total - own.known * clean_then / total_known, of_sample=True)

    # The slope of an expected log-likelihood by the parameters is its covariance with the scores.
    gradient = mean_now(own, score_now * (now - expected_now)[:, None])
    gradient -= mean_then(own, score_then * (then - expected_then)[:, None])
    by_customers = 0.0
    for part in (own, real):
        influence = log_likelihoods(part.now, parameters) / total
        of_fit = log_scores(part.then, parameters) @ log_covariance @ gradient
        influence -= part.known * (log_likelihoods(part.then, parameters) / total_known + of_fit)
        by_customers = max(by_customers, _variance_of_sum(part, influence, of_sample=False))
    return FitDrift(
        at_training=float(mean_then(change, log_likelihoods(change.then, parameters))),
        now=float(mean_now(change, log_likelihoods(change.now, parameters))),
        expected_at_training=expected_then,
        expected_now=expected_now,
        error=float(np.sqrt(by_customers + of_simulation)),
        # What was known at training has nothing to do with the surprise, and would only add noise.
        notable=NOTABLE * abs(float(mean_now(own, surprise * (now - own.known * then)))),
    )


def _slopes(scores: Floats, values: Floats, weights: Floats) -> Floats:
    """Least squares of values on scores and a constant; the slopes, shape (4,)."""
    root = np.sqrt(weights)[:, None]
    columns = np.column_stack([scores, np.ones(values.size)])
    return np.asarray(np.linalg.lstsq(root * columns, root[:, 0] * values, rcond=None)[0][:-1])


def _variance_of_sum(part: Change, values: Floats, *, of_sample: bool) -> float:
    """Variance of the sum over all customers of values that differ by age and by chance.

    Rows are in order of age, so that neighbours differ by chance alone. The sum is over the base's customers or, of a
    sample, its estimate from the rows.
    """
    variance = 0.0
    for rows in (part.known, ~part.known):
        if rows.sum() > 1:
            weights = part.customers[rows]
            spread = 0.5 * np.mean(np.diff(values[rows]) ** 2)
            variance += float(spread * weights.sum() * (weights[0] if of_sample else 1.0))
    return variance
