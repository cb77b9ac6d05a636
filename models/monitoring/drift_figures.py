"""Figures of drift: the log-likelihood of a fit, and purchases since its training, beside their expectation.

Both are compared with histories simulated from the model at the ages of today's customers (see
`models.monitoring.drift_simulation`), with the uncertainty of the fitted parameters. With s the slopes of a customer's
log-likelihood at training and V the covariance of the log parameters, the error of the parameters is the sum of V s. A
figure with gradient g by the log parameters therefore has the influence g V s of each customer (delta method).
"""

from dataclasses import dataclass, replace

import numpy as np

from models.monitoring.drift_simulation import Change, log_likelihoods, log_scores, shifted
from models.scoring.parameters import PurchaseParameters
from models.stats.normal import ROUNDED_95
from models.stats.typing import Floats

# A drift is notable from this relative change on: of purchases, or of every customer's purchase rate since training.
NOTABLE = 0.1
# A sample of so many customers gives expectations and variances precisely enough for a base of any size.
SAMPLE = 40_000
_STEP = 1e-3


@dataclass(frozen=True)
class FitDrift:
    """Log-likelihood per customer, at training and now, beside what the model itself expects at those ages.

    Attributes
    ----------
    at_training, now : float
        Observed means.
    expected_at_training, expected_now : float
        Means over histories simulated from the model.
    error : float
        Standard error of `drift`, from customers, fitted parameters and simulation.
    notable : float
        Absolute drift that a change of all purchase rates since training by 10 % makes.
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

        Its sign says nothing of good or bad: a history of few purchases is a likely one.
        """
        return (self.now - self.expected_now) - (self.at_training - self.expected_at_training)

    @property
    def is_beyond(self) -> bool:
        """Whether the drift is more than chance and notable."""
        return abs(self.drift) > max(ROUNDED_95 * self.error, self.notable)


@dataclass(frozen=True)
class PurchaseTracking:
    """Purchases since training, observed and expected, of existing customers (at training) and of new ones (since).

    Attributes
    ----------
    actual_existing, expected_existing : float
        Purchases of existing customers.
    actual_new, expected_new : float
        Purchases of new customers, after their first.
    error : float
        Standard error of the difference of the totals, from customers and fitted parameters.
    """

    actual_existing: float
    expected_existing: float
    actual_new: float
    expected_new: float
    error: float

    @property
    def actual(self) -> float:
        """Purchases observed."""
        return self.actual_existing + self.actual_new

    @property
    def expected(self) -> float:
        """Purchases expected."""
        return self.expected_existing + self.expected_new

    @property
    def low(self) -> float:
        """Lower end of the 95 % interval of purchases if nothing has changed."""
        return max(self.expected - ROUNDED_95 * self.error, 0.0)

    @property
    def high(self) -> float:
        """Upper end of that interval."""
        return self.expected + ROUNDED_95 * self.error

    @property
    def ratio(self) -> float:
        """Purchases observed over expected; 1 if none were expected because all first bought on the last day."""
        return self.actual / self.expected if self.expected else 1.0

    @property
    def is_outside(self) -> bool:
        """Whether the purchases are outside the interval."""
        return not self.low <= self.actual <= self.high

    @property
    def is_beyond(self) -> bool:
        """Whether they are outside the interval and notably off."""
        return self.is_outside and abs(self.ratio - 1.0) > NOTABLE


def compare(
    change: Change,
    parameters: PurchaseParameters,
    log_covariance: Floats,
    seed: int,
    size: int = SAMPLE,
    clock_error: float = 0.0,
) -> tuple[FitDrift | None, PurchaseTracking]:
    """Measure the drift since training.

    Parameters
    ----------
    change : Change
        Histories of at least one customer, in the time of the model.
    parameters : PurchaseParameters
        The champion's, times in days, or by its clock.
    log_covariance : ndarray, shape (4, 4)
        Covariance of ln r, ln alpha, ln a, ln b.
    seed : int
        Seed of the simulation.
    size : int
        Customers to simulate.
    clock_error : float
        Standard error of the logarithm of the time since training, where that is by a clock; it enters both errors.

    Returns
    -------
    FitDrift or None
        None without existing customers.
    PurchaseTracking
        Purchases since training.
    """
    rng = np.random.default_rng(seed)
    own, surprise = change.sample(size, rng).simulate(parameters, rng)
    real = change.sample(min(size, round(change.total)), rng)
    tracking = _track(change, own, parameters, log_covariance)
    fit = None
    if change.existing.any():
        fit = _fit_drift(change, own, surprise, real, parameters, log_covariance)
    if not clock_error:
        return fit, tracking
    tracking = replace(tracking, error=float(np.hypot(tracking.error, tracking.expected * clock_error)))
    if fit is not None:
        # What is notable is the change that a factor of purchase rates since training makes.
        fit = replace(fit, error=float(np.hypot(fit.error, fit.notable / NOTABLE * clock_error)))
    return fit, tracking


def _track(change: Change, own: Change, parameters: PurchaseParameters, log_covariance: Floats) -> PurchaseTracking:
    expected, existing = change.expected(parameters), change.existing
    observed = change.customers * change.purchases
    model = change.customers * expected
    # If hardly anyone bought, the observed residuals are all too small; then the simulated ones give the variance.
    by_customers = max(
        float(part.customers @ (part.purchases - part_expected) ** 2)
        for part, part_expected in ((change, expected), (own, own.expected(parameters)))
    )
    gradient = np.array(
        [
            own.customers @ (own.expected(shifted(parameters, step)) - own.expected(shifted(parameters, -step)))
            for step in _STEP * np.eye(4)
        ]
    ) / (2 * _STEP)
    return PurchaseTracking(
        actual_existing=float(observed[existing].sum()),
        expected_existing=float(model[existing].sum()),
        actual_new=float(observed[~existing].sum()),
        expected_new=float(model[~existing].sum()),
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
    total, total_existing = change.total, change.total_existing

    def mean_now(part: Change, values: Floats) -> Floats:
        return np.asarray(part.customers @ values / total)

    def mean_then(part: Change, values: Floats) -> Floats:
        return np.asarray((part.customers * part.existing) @ values / total_existing)

    now, then = log_likelihoods(own.now, parameters), log_likelihoods(own.then, parameters)
    score_now, score_then = log_scores(own.now, parameters), log_scores(own.then, parameters)
    # The slopes have mean 0 under the model, so the part of the simulated log-likelihoods they explain is noise.
    clean_now = now - score_now @ _slopes(score_now, now, own.customers)
    clean_then = then - score_then @ _slopes(score_then, then, own.customers * own.existing)
    expected_now, expected_then = float(mean_now(own, clean_now)), float(mean_then(own, clean_then))
    of_simulation = _variance_of_sum(
        own, clean_now / total - own.existing * clean_then / total_existing, of_sample=True
    )

    # The slope of an expected log-likelihood by the parameters is its covariance with the scores.
    gradient = mean_now(own, score_now * (now - expected_now)[:, None])
    gradient -= mean_then(own, score_then * (then - expected_then)[:, None])
    by_customers = 0.0
    for part in (own, real):
        influence = log_likelihoods(part.now, parameters) / total
        of_fit = log_scores(part.then, parameters) @ log_covariance @ gradient
        influence -= part.existing * (log_likelihoods(part.then, parameters) / total_existing + of_fit)
        by_customers = max(by_customers, _variance_of_sum(part, influence, of_sample=False))
    return FitDrift(
        at_training=float(mean_then(change, log_likelihoods(change.then, parameters))),
        now=float(mean_now(change, log_likelihoods(change.now, parameters))),
        expected_at_training=expected_then,
        expected_now=expected_now,
        error=float(np.sqrt(by_customers + of_simulation)),
        # The history at training is independent of the surprise and would only add noise.
        notable=NOTABLE * abs(float(mean_now(own, surprise * (now - own.existing * then)))),
    )


def _slopes(scores: Floats, values: Floats, weights: Floats) -> Floats:
    """Least squares of values on scores and a constant; the slopes, shape (4,)."""
    root = np.sqrt(weights)[:, None]
    columns = np.column_stack([scores, np.ones(values.size)])
    return np.asarray(np.linalg.lstsq(root * columns, root[:, 0] * values, rcond=None)[0][:-1])


def _variance_of_sum(part: Change, values: Floats, *, of_sample: bool) -> float:
    """Variance of the sum over all customers of values that differ by age and by chance.

    Rows are in order of age, so that neighbours differ by chance alone. The sum is over the customers of the base or,
    with `of_sample`, its estimate from the rows of a sample.
    """
    variance = 0.0
    for rows in (part.existing, ~part.existing):
        if rows.sum() > 1:
            weights = part.customers[rows]
            spread = 0.5 * np.mean(np.diff(values[rows]) ** 2)
            variance += float(spread * weights.sum() * (weights[0] if of_sample else 1.0))
    return variance
