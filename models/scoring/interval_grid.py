"""Simulated figures of living customers under sets of parameters, tabulated over frequency and age."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, ndtri

from .arrays import Floats, groups
from .parameters import Covariance, PurchaseParameters, SpendParameters, Uncertainty
from .quantile_tables import ALIVE_POINTS, alive_column, alive_points, read_between, read_quantile, weighted_quantiles

# Simulated figures given alive are tabulated at every frequency up to 32, then at steps of a tenth, and at ages
# a quarter apart in ln(alpha + T). The points are the same whatever table is scored, and each has a random stream
# of its own, so a customer's interval does not depend on who is scored beside them.
_AGE_STEP = 0.25
_DENSE_FREQUENCIES = 32
_FREQUENCY_RATIO = 1.1
# From so many priced purchases on, those few without a price no longer change what is known of the spend.
_FEW_PRICED = 20


_PARAMETER_SETS = 256


@dataclass(frozen=True)
class ParameterSets:
    """Sets of parameters, shape (k,) each: the fitted ones alone (k = 1), or draws of what they may be."""

    r: Floats
    alpha: Floats
    a: Floats
    b: Floats
    p: Floats
    q: Floats
    v: Floats

    @property
    def size(self) -> int:
        """Number of sets."""
        return self.r.size

    @classmethod
    def of(cls, purchase: PurchaseParameters, spend: SpendParameters, uncertainty: Uncertainty | None) -> ParameterSets:
        """Return the fitted set, or draws of ln theta ~ N(fitted, covariance), evenly spread."""
        names = (purchase.r, purchase.alpha, purchase.a, purchase.b, spend.p, spend.q, spend.v)
        if uncertainty is None:
            return cls(*(np.array([value], dtype=np.float64) for value in names))
        normal = _even_normal_draws(len(names))
        deviations = np.concatenate(
            [
                _correlated(normal[:, :4], uncertainty.purchases),
                _correlated(normal[:, 4:], uncertainty.spend),
            ]
        )
        # What is not known at all still has to be a number.
        r, alpha, a, b, p, q, v = np.exp(np.clip(np.log(names)[:, None] + deviations, -100.0, 100.0))
        # Without q > 1 the mean of the base does not exist.
        return cls(r, alpha, a, b, p, np.maximum(q, 1.0 + 1e-9), v)

    def repeated(self, draws: int) -> ParameterSets:
        """Return the sets in turn, as many times as it takes to give each of ``draws`` one."""
        columns = (self.r, self.alpha, self.a, self.b, self.p, self.q, self.v)
        turn = np.arange(draws) % self.size
        return ParameterSets(*(column[turn] for column in columns))


def _even_normal_draws(dimensions: int) -> Floats:
    """Return 256 points, z beside -z, whose mean is 0 and whose covariance is that of independent standard normals.

    The points are Roberts' additive recurrence, which fills the cube more evenly than chance does, then scaled.
    """
    base = 2.0
    for _ in range(64):
        base = (1.0 + base) ** (1.0 / (dimensions + 1))
    steps = base ** -np.arange(1.0, dimensions + 1)
    half = ndtri((0.5 + np.arange(1, _PARAMETER_SETS // 2 + 1)[:, None] * steps) % 1.0)
    half = np.linalg.solve(np.linalg.cholesky(half.T @ half / len(half)), half.T).T
    return np.stack([half, -half], axis=1).reshape(-1, dimensions)


def _correlated(normal: Floats, covariance: Covariance | None) -> Floats:
    """Return deviations of that covariance, shape (parameters, draws); none where it is not given."""
    if covariance is None:
        return np.zeros(normal.T.shape)
    # The symmetric root by eigenvalues: a parameter that is held has no variance, and rounding may make it negative.
    values, vectors = np.linalg.eigh(np.asarray(covariance, dtype=np.float64))
    return np.asarray((vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T @ normal.T)


@dataclass(frozen=True)
class Traits:
    """Latent traits of simulated living customers: gamma_rate / (alpha + T) is their purchase rate.

    p is the shape of the values of their purchases: the fitted one, or that of each draw's own parameters.
    """

    gamma_rate: Floats
    dropout: Floats
    gamma_spend: Floats
    p: Floats


@dataclass(frozen=True)
class _Rows:
    """What the tables are read by: ln(1 + T / alpha) in steps, log odds of being alive, v over v + spent."""

    place: Floats
    log_odds: Floats
    prior_share: Floats

    def at(self, rows: NDArray[np.int64]) -> _Rows:
        """Return some of the rows."""
        return _Rows(self.place[rows], self.log_odds[rows], self.prior_share[rows])


@dataclass(frozen=True)
class IntervalGrid:
    """Quantiles of a simulated figure over its mean given alive, at points of frequency and age.

    Over its mean the figure's distribution changes so slowly from point to point that straight lines between the
    points are below the noise of the draws.

    Where the parameters theta are uncertain, ln theta ~ N(fitted, covariance), a customer's figure W is a mixture:
    P(W > w) = E_theta[A(theta) P(W > w | alive, theta)], A being P(alive) of the customer's history. So each draw
    has parameters of its own and counts with the A of those. Of the customer, beside frequency and age, that takes

    - t_x, which A depends on. Of customers of one frequency and age the fitted P(alive) gives t_x away, so the
      quantile is a function of P(alive), tabulated over its log odds, each point with its own weights A.
    - S, the sum spent. W is in proportion to v + S, so with s = v / (v + S) at the fitted v a draw's W is
      (1 + s (v_draw / v - 1)) times what it is at s = 0: linear in s, as to first order its quantiles are. At given
      x the model spreads s as Beta(q, p x); they are tabulated one standard deviation to either side of its mean.
    """

    purchase: PurchaseParameters
    spend: SpendParameters
    sets: ParameterSets
    simulate: Callable[[np.random.Generator, Traits, Floats], Floats]
    expect: Callable[[float, Floats], Floats]
    draws: int
    seed: int

    def quantiles(
        self, level: float, log_odds: Floats, x: Floats, T: Floats, spend_x: Floats, spend_m: Floats
    ) -> tuple[Floats, Floats]:
        """Return both ends of the interval for each row, in units of the row's mean given alive."""
        # Most rows have a price for every purchase; the others differ in what is known of their spend.
        priced = np.where((spend_x < x) & (spend_x <= _FEW_PRICED), np.floor(spend_x), -1.0)
        knots = frequency_knots(float(x.max(initial=0.0)))
        below = np.searchsorted(knots, x, side="right") - 1
        share = (x - knots[below]) / (knots[below + 1] - knots[below])
        spent = np.where(spend_x > 0, spend_x * spend_m, 0.0)
        columns = _Rows(np.log1p(T / self.purchase.alpha) / _AGE_STEP, -log_odds, self.spend.v / (self.spend.v + spent))
        tails = (0.5 * (1.0 - level), 0.5 * (1.0 + level))
        ends = np.zeros((2, x.size))
        for rows in groups(priced, below, np.arange(x.size)):
            knot, few, group = below[rows[0]], priced[rows[0]], columns.at(rows)
            span = np.arange(int(group.place.min()), int(group.place.max()) + 2)
            values = self._ends(knots[knot], few, span, tails, group)
            # The tables of the knot above are made only where a frequency lies between the two.
            between = np.flatnonzero(share[rows] > 0)
            if between.size:
                higher = self._ends(knots[knot + 1], few, span, tails, group.at(between))
                values[:, between] += share[rows[between]] * (higher - values[:, between])
            ends[:, rows] = values
        return ends[0], ends[1]

    def _ends(
        self, frequency: float, few: float, places: NDArray[np.int64], tails: tuple[float, float], rows: _Rows
    ) -> Floats:
        """Return the quantiles at both tails of rows as if all were of this frequency, shape (2, n)."""
        spend_x = frequency if few < 0 else few
        figures = self._figures(frequency, spend_x, [self.seed, int(frequency), int(few) + 1], places)
        place = rows.place - places[0]
        if self.sets.size == 1:
            figures.sort(axis=1)
            alive = np.asarray(expit(rows.log_odds))
            return np.stack([read_quantile(figures, place, tail, alive) for tail in tails])
        # s is v / (v + sum spent), which the model spreads as Beta(q, p x).
        shape = self.spend.q + self.spend.p * spend_x
        mean = self.spend.q / shape
        deviation = np.sqrt(mean * (1.0 - mean) / (shape + 1.0))
        nodes = np.array([mean - deviation, min(mean + deviation, 1.0)] if spend_x else [1.0])
        tables = self._tables(figures, frequency, places, nodes, tails)
        ends = np.empty((2, place.size))
        for end, tail, by_node in zip(ends, tails, tables, strict=True):
            column = alive_column(rows.log_odds, tail)
            end[:] = read_between(by_node[0], place, column)
            if spend_x:
                along = (rows.prior_share - nodes[0]) / (nodes[1] - nodes[0])
                end += along * (read_between(by_node[1], place, column) - end)
        return np.maximum(ends, 0.0)

    def _figures(self, frequency: float, spend_x: float, stream: list[int], places: NDArray[np.int64]) -> Floats:
        """Return draws of the figure over its mean given alive: one row an age, one column a draw.

        Where parameters are uncertain, of a customer whose spend is known so well that v no longer matters.
        """
        purchase, sets = self.purchase, self.sets.repeated(self.draws)
        rng = np.random.default_rng(stream)
        traits = Traits(
            rng.standard_gamma(sets.r + frequency),
            rng.beta(sets.a, sets.b + frequency + purchase.m),
            rng.standard_gamma(sets.q + sets.p * spend_x),
            sets.p,
        )
        ages = purchase.alpha * np.exp(places * _AGE_STEP)
        mean_spend = self.spend.p / (self.spend.p * spend_x + (self.spend.q - 1.0))
        means = self.expect(frequency, ages) * mean_spend
        figures = np.zeros((places.size, self.draws))
        for row, place, age, mean in zip(figures, places, ages, means, strict=True):
            if mean > 0:
                age_of_set = age + (sets.alpha - purchase.alpha)
                row[:] = self.simulate(np.random.default_rng([*stream, int(place)]), traits, age_of_set) / mean
        return figures

    def _tables(
        self,
        figures: Floats,
        frequency: float,
        places: NDArray[np.int64],
        nodes: Floats,
        tails: tuple[float, float],
    ) -> Floats:
        """Return quantiles by tail, node of s, age and log odds of being alive: shape (2, nodes, ages, points)."""
        log_odds = np.concatenate([alive_points(tail) for tail in tails])
        above = 1.0 - np.repeat(tails, ALIVE_POINTS)
        change = self.sets.repeated(self.draws).v / self.spend.v - 1.0
        tables = np.empty((nodes.size, places.size, log_odds.size))
        for i, place in enumerate(places):
            weights = self._weights(frequency, self.purchase.alpha * np.expm1(place * _AGE_STEP), log_odds)
            for node, table in zip(nodes, tables, strict=True):
                table[i] = weighted_quantiles(figures[i] * (1.0 + node * change), weights, above)
        return tables.reshape(nodes.size, places.size, 2, -1).transpose(2, 0, 1, 3)

    def _weights(self, frequency: float, T: float, log_odds: Floats) -> Floats:
        """P(alive) under each set of parameters where the fitted ones give these log odds: shape (points, sets)."""
        fitted, sets = self.purchase, self.sets
        dropouts = frequency + fitted.m
        if dropouts == 0:
            # The model lets nobody leave yet: whatever else says so does not depend on its parameters.
            return np.repeat(expit(log_odds)[:, None], sets.size, axis=1)
        ratio = np.log(fitted.a) - np.log(fitted.b + dropouts - 1.0)
        shape = fitted.r + frequency
        # The silence ln(alpha + T) - ln(alpha + t_x) that makes the odds, as far as there is a t_x for it.
        silence = np.clip((-log_odds - ratio) / shape, 0.0, np.log1p(T / fitted.alpha))
        t_x = np.clip((fitted.alpha + T) * np.exp(-silence) - fitted.alpha, 0.0, T)[:, None]
        of_set = np.log(sets.a) - np.log(sets.b + dropouts - 1.0)
        of_set = of_set + (sets.r + frequency) * np.log1p((T - t_x) / (sets.alpha + t_x))
        return np.asarray(expit(log_odds[:, None] - (of_set - (ratio + shape * silence)[:, None])))


def frequency_knots(largest: float) -> Floats:
    """Return the tabulated frequencies from 0 to the first above the largest one."""
    knots = list(range(_DENSE_FREQUENCIES + 1))
    while knots[-1] <= largest:
        knots.append(int(knots[-1] * _FREQUENCY_RATIO))
    return np.array(knots, dtype=np.float64)
