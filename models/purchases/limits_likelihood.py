"""The likelihood of BG/NBD and MBG/NBD in their limits: equal rates, nobody leaving, equal chances of leaving.

Purchase rates are spread as a Gamma distribution or equal. Dropout chances are spread as a Beta distribution; or 0 for
everyone; or equal; or 1 for a share of the customers and 0 for the others. These are all the distributions that
sequences of Gamma and Beta distributions can tend to without giving a repeat purchase the likelihood 0, so the supremum
of any likelihood is that of one of these families.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.special import expit

from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.scoring.parameters import PurchaseLimit, PurchaseParameters
from models.stats.gamma_differences import rising
from models.stats.newton import Derivatives, blocks
from models.stats.typing import Floats

Dropout = Literal["beta", "nobody_leaves", "equal_dropout", "at_once_or_never"]


@dataclass(frozen=True)
class Family:
    """One of the families of distributions of rates and dropout chances.

    Attributes
    ----------
    equal_rates : bool
        Whether everyone buys at one rate.
    dropout : str
        "beta" or a limit of `PurchaseParameters`.
    m : int
        0 for BG/NBD, 1 for MBG/NBD.
    """

    equal_rates: bool
    dropout: Dropout
    m: int

    @property
    def names(self) -> tuple[str, ...]:
        """Names of its parameters: r and alpha or the rate; a and b, or the chance of leaving, or none."""
        rates = ("rate",) if self.equal_rates else ("r", "alpha")
        return rates + {"beta": ("a", "b"), "nobody_leaves": ()}.get(self.dropout, ("dropout",))

    @property
    def limits(self) -> tuple[PurchaseLimit, ...]:
        """The limits that it is, as `PurchaseParameters` has them."""
        of_rates: tuple[PurchaseLimit, ...] = ("equal_rates",) if self.equal_rates else ()
        return of_rates if self.dropout == "beta" else (*of_rates, self.dropout)

    def natural(self, point: Floats, time: float) -> Floats:
        """Return the parameters named `names` at a point, whose times are in units of ``time``.

        Parameters
        ----------
        point : ndarray, shape (k,)
            Logarithms of the parameters, the log odds of a chance of leaving.
        time : float
        """
        values = np.exp(point)
        if "dropout" in self.names:
            values[-1] = expit(point[-1])
        return values * [{"alpha": time, "rate": 1.0 / time}.get(name, 1.0) for name in self.names]

    def parameters(self, point: Floats, time: float) -> PurchaseParameters:
        """Return the parameters as the formulas take them."""
        values = dict(zip(self.names, map(float, self.natural(point, time)), strict=True))
        r, alpha = (1.0, 1.0 / values["rate"]) if self.equal_rates else (values["r"], values["alpha"])
        share = values.get("dropout", 0.0)
        a, b = (values["a"], values["b"]) if self.dropout == "beta" else (share, 1.0 - share)
        return PurchaseParameters(r, alpha, a, b, self.m, self.limits)

    def slopes_of_logs(self, point: Floats) -> Floats:
        """Return the slopes of ln r, ln alpha, ln a, ln b of the formulas by the point, shape (4, k)."""
        slopes = np.zeros((4, point.size))
        if self.equal_rates:
            slopes[1, 0] = -1.0
        else:
            slopes[[0, 1], [0, 1]] = 1.0
        if self.dropout == "beta":
            slopes[[2, 3], [-2, -1]] = 1.0
        elif self.dropout != "nobody_leaves":
            share = float(expit(point[-1]))
            slopes[[2, 3], -1] = 1.0 - share, -share
        return slopes


def log_likelihood_and_derivatives(family: Family, point: Floats, statistics: SufficientStatistics) -> Derivatives:
    """Return the summed log-likelihood, its gradient and its Hessian by the point.

    One customer's term is, with n = x + m chances of leaving, of which the last may have been taken,

        ln f(x) - V(0, T) + ln P(stayed n times) + ln(1 + e^o),    o = ln[P(left at n) / P(stayed n times)] + V(t_x, T),

    where V(s, t) is (r + x) ln[(alpha + t) / (alpha + s)] and f(x) = Gamma(r + x) / Gamma(r) / alpha^x; with equal
    rates V is rate (t - s) and f is rate^x.
    """
    rates = slice(0, 1 if family.equal_rates else 2)
    value, gradient, hessian = _of_frequencies(family, point, *statistics.frequencies)
    for part in blocks(statistics.x.size):
        x, t_x, T, w = statistics.x[part], statistics.t_x[part], statistics.T[part], statistics.weights[part]
        exposure, by_exposure, bend_exposure = _time(family, point, x, np.zeros_like(T), T)
        value -= float(w @ exposure)
        gradient[rates] -= by_exposure @ w
        hessian[rates, rates] -= bend_exposure @ w
        if family.dropout == "nobody_leaves":
            continue
        silence, by_silence, bend_silence = _time(family, point, x, t_x, T)
        leaving, by_leaving = _leaving(family, point, x + family.m)
        odds = leaving + silence
        left, spread = w * expit(odds), w * expit(odds) * expit(-odds)
        slopes = np.concatenate([by_silence, by_leaving])
        value += float(w @ np.logaddexp(0.0, odds))
        gradient += slopes @ left
        hessian += (slopes * spread) @ slopes.T
        hessian[rates, rates] += bend_silence @ left
        if family.dropout == "beta":
            # The second derivative of -ln d by ln b, d = b + n - 1, whose first is -b / d.
            hessian[-1, -1] += (by_leaving[-1] + by_leaving[-1] ** 2) @ left
    return value, gradient, hessian


def _time(family: Family, point: Floats, x: Floats, start: Floats, end: Floats) -> tuple[Floats, Floats, Floats]:
    """Return V(start, end), its slopes (rates, n) and its second derivatives (rates, rates, n)."""
    if family.equal_rates:
        value = np.exp(point[0]) * (end - start)
        return value, value[None], value[None, None]
    r, alpha = np.exp(point[:2])
    by_end, by_start = 1.0 / (alpha + end), 1.0 / (alpha + start)
    gap = (end - start) * by_start
    growth, falls = np.log1p(gap), -gap * alpha * by_end
    of_r, of_alpha = r * growth, (r + x) * falls
    bends = np.array([[of_r, r * falls], [r * falls, of_alpha * (1.0 - alpha * (by_end + by_start))]])
    return (r + x) * growth, np.stack([of_r, of_alpha]), bends


def _leaving(family: Family, point: Floats, n: Floats) -> tuple[Floats, Floats]:
    """Return ln[P(left at n) / P(stayed n times)], -inf where nobody leaves at n, and its slopes by the dropout's."""
    if family.dropout == "beta":
        a, b = np.exp(point[-2:])
        d = b + np.maximum(n - 1.0, 0.0)
        return np.where(n > 0, np.log(a) - np.log(d), -np.inf), np.stack([np.ones_like(n), -b / d])
    leaves = n == 1 if family.dropout == "at_once_or_never" else n > 0
    return np.where(leaves, point[-1], -np.inf), np.ones((1, n.size))


def _of_frequencies(family: Family, point: Floats, x: Floats, customers: Floats) -> Derivatives:
    """Sum the terms that see x alone, once for each distinct x: ln f(x) and ln P(stayed n times)."""
    gradient, hessian = np.zeros(point.size), np.zeros((point.size, point.size))
    purchases = float(customers @ x)
    if family.equal_rates:
        value = purchases * point[0]
        gradient[0] = purchases
    else:
        r = np.exp(point[0])
        total, slope, bend = (customers @ term for term in rising(r, x))
        value = total - purchases * point[1]
        gradient[:2] = r * slope, -purchases
        hessian[0, 0] = r * slope + r**2 * bend
    n = x + family.m
    if family.dropout == "beta":
        a, b = np.exp(point[-2:])
        stayed, by_b, bend_b = (customers @ term for term in rising(b, n))
        of_all, by_sum, bend_sum = (customers @ term for term in rising(a + b, n))
        value += stayed - of_all
        gradient[-2:] += -a * by_sum, b * (by_b - by_sum)
        hessian[-2, -2] += -a * by_sum - a**2 * bend_sum
        hessian[-2:, -2:] += np.array([[0.0, -a * b * bend_sum], [-a * b * bend_sum, 0.0]])
        hessian[-1, -1] += b * (by_b - by_sum) + b**2 * (bend_b - bend_sum)
    elif family.dropout != "nobody_leaves":
        share = float(expit(point[-1]))
        times = float(customers @ (np.minimum(n, 1.0) if family.dropout == "at_once_or_never" else n))
        value -= times * float(np.logaddexp(0.0, point[-1]))
        gradient[-1] -= times * share
        hessian[-1, -1] -= times * share * (1.0 - share)
    return float(value), gradient, hessian
