"""The likelihood of Gamma-Gamma, and the test of its assumption that frequency and value are independent."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import expit, gammaln, polygamma, stdtr

from models.scoring.parameters import SpendParameters
from models.stats.gamma_differences import rising
from models.stats.newton import Derivatives, blocks, evenly
from models.stats.typing import Floats

# Between Cohen's small and medium effect; CDNOW, on which the model was shown to work, has .11.
_NOTABLE_CORRELATION = 0.2


@dataclass(frozen=True)
class SpendHistories:
    """Repeat purchases of positive value: how many, their mean value, and how many customers share the row.

    Parameters
    ----------
    x, m, weights : ndarray, shape (n,)
        All positive.
    """

    x: Floats
    m: Floats
    weights: Floats

    # Sums over all rows are numpy's own: those of BLAS depend on its number of threads.
    @cached_property
    def customers(self) -> float:
        """Number of customers."""
        return float(self.weights.sum())

    @cached_property
    def mean(self) -> float:
        """Mean over customers of their mean value."""
        return float((self.weights * self.m).sum() / self.customers)

    @cached_property
    def frequencies(self) -> tuple[Floats, Floats]:
        """Distinct x and the number of customers with each; x may come again where the rows are not in order."""
        starts = np.flatnonzero(np.diff(self.x, prepend=np.nan) != 0)
        return self.x[starts], np.asarray(np.add.reduceat(self.weights, starts))

    @cached_property
    def log_sums(self) -> tuple[float, float]:
        """Sum over customers of ln m, and of the logarithm of their total x m."""
        log_m = float((self.weights * np.log(self.m)).sum())
        x, customers = self.frequencies
        return log_m, log_m + float(customers @ np.log(x))

    def in_units_of(self, money: float) -> "SpendHistories":
        """Return the same histories with values divided by ``money``."""
        return SpendHistories(self.x, self.m / money, self.weights)

    def thinned(self, size: int) -> "SpendHistories":
        """Return the histories of ``size`` customers at even distances, standing for all."""
        places, weights = evenly(self.weights, size)
        return SpendHistories(self.x[places], self.m[places], weights)

    def in_order(self) -> "SpendHistories":
        """Return the same histories sorted, so that their sums do not depend on the order of the rows."""
        x, m = np.diff(self.x), np.diff(self.m)
        if ((x > 0) | ((x == 0) & (m > 0))).all():
            return self
        order = np.lexsort((self.weights, self.m, self.x))
        return SpendHistories(self.x[order], self.m[order], self.weights[order])


def log_likelihood_and_derivatives(parameters: SpendParameters, histories: SpendHistories) -> Derivatives:
    """Return the summed log-likelihood, its gradient and its Hessian by ln p, ln q, ln v.

    With y = ln(1 + v / (x m)) one customer's term is (Fader & Hardie 2013, eq. 1a)

        ln [Gamma(p x + q) / Gamma(p x)] - ln Gamma(q) + q (ln v - ln(x m) - y) - p x y - ln m,

    where y alone must be taken for every customer, and its slope by ln v is v / (v + x m).
    """
    p, q, v = parameters.p, parameters.q, parameters.v
    value, gradient, hessian = _of_frequencies(parameters, *histories.frequencies)
    # Sums over customers of y, its slope by ln v, one minus that, and its bend; and of those times x.
    sums = np.zeros((2, 4))
    for part in blocks(histories.x.size):
        x, m, w = histories.x[part], histories.m[part], histories.weights[part]
        total = x * m
        both = v + total
        share, rest = v / both, total / both
        of_y = np.stack([np.log1p(v / total), share, rest, share * rest])
        sums += [np.vecdot(of_y, w), np.vecdot(of_y, w * x)]
    (y, _, rest, bend), (x_y, x_share, _, x_bend) = sums
    log_m, log_total = histories.log_sums
    of_q = q * (histories.customers * np.log(v) - log_total - y)
    value += of_q - p * x_y - log_m
    gradient += [-p * x_y, of_q, q * rest - p * x_share]
    hessian += [
        [-p * x_y, 0.0, -p * x_share],
        [0.0, of_q, q * rest],
        [-p * x_share, q * rest, -q * bend - p * x_bend],
    ]
    return float(value), gradient, hessian


def _of_frequencies(parameters: SpendParameters, x: Floats, customers: Floats) -> Derivatives:
    """Sum the terms that see x alone, once for each distinct x."""
    p, q = parameters.p, parameters.q
    log_gamma, slope, bend = rising(p * x, q)
    by_p = p * (customers @ (x * slope))
    _, slope_q, bend_q = rising(q, p * x)
    by_q = q * (customers @ slope_q)
    across = p * q * (customers @ (x * polygamma(1, p * x + q)))
    hessian = np.zeros((3, 3))
    hessian[0, 0] = by_p + p**2 * (customers @ (x**2 * bend))
    hessian[0, 1] = hessian[1, 0] = across
    hessian[1, 1] = by_q + q**2 * (customers @ bend_q)
    return float(customers @ log_gamma - customers.sum() * gammaln(q)), np.array([by_p, by_q, 0.0]), hessian


@dataclass(frozen=True)
class Free:
    """ln p, ln q, ln v at the free log parameters.

    Parameters
    ----------
    logs : ndarray, shape (3,)
    slopes : ndarray, shape (3, k)
        Their derivatives by the free ones.
    bend : float
        Second derivative of ln q by its free parameter, the only one that is not linear.
    """

    logs: Floats
    slopes: Floats
    bend: float

    def derivatives(self, of_logs: Derivatives) -> Derivatives:
        """Turn derivatives by ln p, ln q, ln v into those by the free log parameters."""
        value, gradient, hessian = of_logs
        hessian = self.slopes.T @ hessian @ self.slopes
        if self.bend:
            hessian[-1, -1] += gradient[1] * self.bend
        return value, gradient @ self.slopes, hessian


def log_parameters(point: Floats, *, holds_mean: bool) -> Free:
    """Return ln p, ln q, ln v (values in units of their mean) at the free log parameters, and their derivatives.

    Free are all three; with the mean held at 1, ln p and ln(q - 1), and v = (q - 1) / p.
    """
    if not holds_mean:
        return Free(point, np.eye(3), 0.0)
    log_p, log_excess = point
    share = float(expit(log_excess))
    logs = np.array([log_p, np.logaddexp(0.0, log_excess), log_excess - log_p])
    return Free(logs, np.array([[1.0, 0.0], [0.0, share], [-1.0, 1.0]]), share * (1.0 - share))


@dataclass(frozen=True)
class Independence:
    """Whether frequency and value go together, which Gamma-Gamma assumes they do not.

    Parameters
    ----------
    correlation : float
        Pearson's, over customers with a repeat purchase of positive value; NaN where one of the two is constant.
    p_value : float
        Two-sided, of no correlation; NaN with it, and below three customers.
    customers : float
        How many they are.
    """

    correlation: float
    p_value: float
    customers: float

    @property
    def warning(self) -> str | None:
        """What to do where the assumption fails; None where it holds well enough."""
        if not (abs(self.correlation) >= _NOTABLE_CORRELATION and self.p_value < 0.05):
            return None
        who, bias = ("more", "low") if self.correlation > 0 else ("less", "high")
        return (
            f"Frequent buyers spend {who} per purchase (correlation {self.correlation:.2f}, p {self.p_value:.2g}, "
            f"{self.customers:.0f} customers), while Gamma-Gamma takes frequency and value to be independent: "
            f"the revenue expected of frequent buyers may be too {bias}. Score kinds of customers that differ in both "
            "(trade and private, say) apart, or compare expected with realised revenue by frequency before use."
        )


def independence(histories: SpendHistories) -> Independence:
    """Test whether frequency and value are correlated between customers (t test of Pearson's r)."""
    x, m, w, customers = histories.x, histories.m, histories.weights, histories.customers
    mean_x, mean_m = (w * x).sum() / customers, histories.mean
    sums = np.zeros(3)
    for part in blocks(x.size):
        away_x, away_m = x[part] - mean_x, m[part] - mean_m
        weighted = w[part] * away_x
        sums += [weighted @ away_x, w[part] @ away_m**2, weighted @ away_m]
    of_x, of_m, of_both = sums
    spread = np.sqrt(of_x * of_m)
    if spread <= 0 or customers < 3:
        return Independence(float("nan"), float("nan"), customers)
    correlation = float(np.clip(of_both / spread, -1.0, 1.0))
    freedom = customers - 2
    with np.errstate(divide="ignore"):
        t = abs(correlation) * np.sqrt(freedom / np.float64(1.0 - correlation**2))
    return Independence(correlation, float(2 * stdtr(freedom, -t)), customers)
