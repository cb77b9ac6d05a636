"""Purchase histories at two dates, observed ones and ones simulated from the model, and their log-likelihoods."""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import betaln, gammaln

from models.scoring.bg_nbd import expected_purchases, log_odds_of_having_left, new_customer_expected_purchases
from models.scoring.parameters import PurchaseParameters
from models.stats.typing import Floats

_STEP = 1e-4


@dataclass(frozen=True)
class Histories:
    """Purchase histories of n customers at one date.

    Attributes
    ----------
    x : ndarray, shape (n,)
        Repeat purchases.
    t_x : ndarray, shape (n,)
        Time from the first purchase to the last one, 0 without repeat purchases.
    T : ndarray, shape (n,)
        Time from the first purchase to the date, in the unit of `t_x`.
    """

    x: Floats
    t_x: Floats
    T: Floats

    def take(self, rows: NDArray[np.intp] | NDArray[np.bool_]) -> "Histories":
        """Return the histories of some rows."""
        return Histories(self.x[rows], self.t_x[rows], self.T[rows])


def log_likelihoods(histories: Histories, parameters: PurchaseParameters) -> Floats:
    """Return the log-likelihood of each history (Fader, Hardie & Lee 2005, eq. 6), as `log_likelihood` sums it.

    Parameters
    ----------
    histories : Histories
        Of n customers, times in the unit of ``parameters.alpha``.
    parameters : PurchaseParameters
        Of the BG/NBD or MBG/NBD model.

    Returns
    -------
    ndarray, shape (n,)
        Natural logarithms.
    """
    r, alpha = parameters.r, parameters.alpha
    # The Gamma and Beta functions depend on the whole number x alone, so they are evaluated once for each value.
    x = np.arange(histories.x.max(initial=0.0) + 1)
    by_frequency = _log_stayed(x + parameters.m, parameters)
    if parameters.equal_rates:
        by_frequency += x * np.log(r / alpha)
        no_others = r / alpha * histories.T
    else:
        by_frequency += gammaln(r + x) - gammaln(r) + r * np.log(alpha)
        no_others = (r + histories.x) * np.log(alpha + histories.T)
    log_odds = log_odds_of_having_left(histories.x, histories.t_x, histories.T, parameters)
    return np.asarray(by_frequency[histories.x.astype(np.intp)] - no_others + np.logaddexp(0.0, log_odds))


def _log_stayed(n: Floats, parameters: PurchaseParameters) -> Floats:
    """Logarithm of the probability of staying at each of n chances to leave."""
    a, b = parameters.a, parameters.b
    if parameters.nobody_leaves:
        return np.zeros(n.size)
    if "equal_dropout" in parameters.limits:
        return np.asarray(n * (np.log(b) - np.log(a + b)))
    if "at_once_or_never" in parameters.limits:
        return np.asarray(np.minimum(n, 1.0) * (np.log(b) - np.log(a + b)))
    return np.asarray(betaln(a, b + n) - betaln(a, b))


def log_scores(histories: Histories, parameters: PurchaseParameters) -> Floats:
    """Return the slope of each history's log-likelihood by ln r, ln alpha, ln a, ln b, by central differences.

    Returns
    -------
    ndarray, shape (n, 4)
        With mean 0 over histories that follow the model.
    """
    sides = [
        [log_likelihoods(histories, shifted(parameters, sign * step)) for sign in (1.0, -1.0)]
        for step in _STEP * np.eye(4)
    ]
    return np.stack([(up - down) / (2 * _STEP) for up, down in sides], axis=1)


def shifted(parameters: PurchaseParameters, step: ArrayLike) -> PurchaseParameters:
    """Add a step, shape (4,), to ln r, ln alpha, ln a, ln b."""
    r, alpha, a, b = np.exp(np.asarray(step)) * (parameters.r, parameters.alpha, parameters.a, parameters.b)
    return replace(parameters, r=float(r), alpha=float(alpha), a=float(a), b=float(b))


def draw_traits(size: int, parameters: PurchaseParameters, rng: np.random.Generator) -> tuple[Floats, Floats]:
    """Draw the purchase rates and the chances of leaving of new customers."""
    if parameters.equal_rates:
        rate = np.full(size, parameters.r / parameters.alpha)
    else:
        rate = rng.gamma(parameters.r, 1 / parameters.alpha, size)
    share = parameters.a / (parameters.a + parameters.b)
    if parameters.nobody_leaves or "equal_dropout" in parameters.limits:
        return rate, np.full(size, share)
    if "at_once_or_never" in parameters.limits:
        return rate, (rng.random(size) < share).astype(np.float64)
    return rate, rng.beta(parameters.a, parameters.b, size)


@dataclass(frozen=True)
class Simulated:
    """Histories simulated from the model, at two dates.

    Attributes
    ----------
    then, now : Histories
        Of n customers at the first and at the second date.
    surprise : ndarray, shape (n,)
        Purchases between the dates less the rate of purchase times the time alive between them, which has mean 0:
        the slope of the log-likelihood by the logarithm of a factor on all purchase rates between the dates.
    """

    then: Histories
    now: Histories
    surprise: Floats


def simulate_two_dates(
    then: ArrayLike, now: ArrayLike, parameters: PurchaseParameters, rng: np.random.Generator
) -> Simulated:
    """Simulate histories from the model, each customer at two ages.

    Times are continuous, not whole days.

    Parameters
    ----------
    then, now : array_like, shape (n,)
        Ages at the two dates, then <= now, in the unit of ``parameters.alpha``; 0 for customers who came later.
    parameters : PurchaseParameters
        Of the BG/NBD or MBG/NBD model.
    rng : numpy.random.Generator
        Source of random numbers.
    """
    then, now = np.asarray(then, dtype=np.float64), np.asarray(now, dtype=np.float64)
    rate, dropout = draw_traits(now.size, parameters, rng)
    x, t_x, x_then, t_x_then, surprise = np.zeros((5, now.size))
    buying = np.flatnonzero(rng.random(now.size) >= dropout) if parameters.m else np.arange(now.size)
    while buying.size:
        # A customer with a rate of 0, or almost 0, never buys again.
        with np.errstate(divide="ignore", over="ignore"):
            time = t_x[buying] + rng.standard_exponential(buying.size) / rate[buying]
        exposure = np.minimum(time, now[buying]) - np.maximum(t_x[buying], then[buying])
        surprise[buying] -= rate[buying] * np.maximum(exposure, 0.0)
        bought = time < now[buying]
        buying, time = buying[bought], time[bought]
        x[buying] += 1
        t_x[buying] = time
        early = time < then[buying]
        x_then[buying[early]] += 1
        t_x_then[buying[early]] = time[early]
        surprise[buying[~early]] += 1
        buying = buying[rng.random(buying.size) >= dropout[buying]]
    return Simulated(Histories(x_then, t_x_then, then), Histories(x, t_x, now), surprise)


@dataclass(frozen=True)
class Change:
    """Distinct pairs of a history at training and the same customer's now, with how many customers share each.

    Attributes
    ----------
    then, now : Histories
        Of k pairs, in days; ``then`` is all zeros for new customers.
    existing : ndarray of bool, shape (k,)
        Whether they were customers at training already; the others are new.
    customers : ndarray, shape (k,)
        Number of customers with that pair.
    """

    then: Histories
    now: Histories
    existing: NDArray[np.bool_]
    customers: Floats

    @cached_property
    def total(self) -> float:
        """Number of customers."""
        return float(self.customers.sum())

    @cached_property
    def total_existing(self) -> float:
        """Number of existing customers."""
        return float(self.customers[self.existing].sum())

    @property
    def purchases(self) -> Floats:
        """Purchases since training, for new customers since their first; shape (k,)."""
        return self.now.x - self.then.x

    def expected(self, parameters: PurchaseParameters) -> Floats:
        """Purchases since training that the model expects; shape (k,)."""
        expected = np.empty(self.existing.size)
        old, then, now = self.existing, self.then, self.now
        days = now.T[old] - then.T[old]
        expected[old] = expected_purchases(days, then.x[old], then.t_x[old], then.T[old], parameters)
        ages, place = np.unique(now.T[~old], return_inverse=True)
        expected[~old] = new_customer_expected_purchases(ages, parameters)[place]
        return expected

    def sample(self, size: int, rng: np.random.Generator) -> "Change":
        """Take ``size`` customers, in proportion from existing and new ones, evenly by age, in random order in an age.

        In ``customers`` each row has the number of customers of the base that it represents.
        """
        chosen, weights = [], []
        for stratum in (np.flatnonzero(self.existing), np.flatnonzero(~self.existing)):
            if not stratum.size:
                continue
            by_age = stratum[np.argsort(self.now.T[stratum], kind="stable")]
            ends = np.cumsum(self.customers[by_age])
            # At least two, so that they have a variance.
            n = max(round(size * ends[-1] / self.total), 2)
            rows = by_age[np.searchsorted(ends, (np.arange(n) + 0.5) * ends[-1] / n)]
            chosen.append(rows[np.lexsort((rng.random(n), self.now.T[rows]))])
            weights.append(np.full(n, ends[-1] / n))
        every = np.concatenate(chosen)
        return Change(self.then.take(every), self.now.take(every), self.existing[every], np.concatenate(weights))

    def simulate(self, parameters: PurchaseParameters, rng: np.random.Generator) -> tuple["Change", Floats]:
        """Replace the histories by simulated ones of the same ages; give them with the surprise of `Simulated`."""
        simulated: Simulated = simulate_two_dates(self.then.T, self.now.T, parameters, rng)
        return Change(simulated.then, simulated.now, self.existing, self.customers), simulated.surprise
