"""Simulated figures of living customers tabulated over frequency and age, and their quantiles, 0 unless alive."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from ..arrays import Floats, groups
from ..bg_nbd import log_odds_of_leaving_at, log_odds_of_silence
from ..gamma_gamma import expected_share
from ..parameters import PurchaseParameters, SpendParameters
from .traits import ParameterSets, Traits

# Simulated figures given alive are tabulated at every frequency up to 32, then at steps of a tenth, and at ages
# a quarter apart in ln(alpha + T). The points are the same whatever table is scored, and each has a random stream
# of its own, so a customer's interval does not depend on who is scored beside them.
_AGE_STEP = 0.25
_DENSE_FREQUENCIES = 32
_FREQUENCY_RATIO = 1.1
# From so many priced purchases on, those few without a price no longer change what is known of the spend.
_FEW_PRICED = 20
# Log odds of being alive at which quantiles are tabulated: densest where the quantile leaves the atom at zero.
_ALIVE_STEP, _ALIVE_SCALE, ALIVE_POINTS = 0.2, 0.05, 75
_RANK_BINS = 32


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
    made: dict[tuple[int, ...], Floats] = field(default_factory=dict, repr=False)
    """Tables that were made already, with all else but the seed equal, by stream and age: each is made once."""

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
        stream = [self.seed, int(frequency), int(few) + 1]
        place = rows.place - places[0]
        if self.sets.size == 1:
            figures = self._figures(frequency, spend_x, stream, places)
            figures.sort(axis=1)
            alive = np.asarray(expit(rows.log_odds))
            return np.stack([read_quantile(figures, place, tail, alive) for tail in tails])
        nodes = self._prior_shares(spend_x)
        missing = np.array([each for each in places if (*stream, each) not in self.made], dtype=np.int64)
        if missing.size:
            figures = self._figures(frequency, spend_x, stream, missing)
            for number, table in enumerate(np.moveaxis(self._tables(figures, frequency, missing, nodes, tails), 2, 0)):
                self.made[*stream, missing[number]] = table
        tables = np.stack([self.made[*stream, each] for each in places], axis=2)
        ends = np.empty((2, place.size))
        for end, tail, by_node in zip(ends, tails, tables, strict=True):
            column = alive_column(rows.log_odds, tail)
            end[:] = read_between(by_node[0], place, column)
            if nodes.size > 1:
                along = (rows.prior_share - nodes[0]) / (nodes[1] - nodes[0])
                end += along * (read_between(by_node[1], place, column) - end)
        return np.maximum(ends, 0.0)

    def _prior_shares(self, spend_x: float) -> Floats:
        """Values of s = v / (v + sum spent) to tabulate: two to read between, one where s has no spread."""
        if self.spend.equal_purchases and not self.spend.equal_means and spend_x:
            return np.zeros(1)
        if self.spend.limits or not spend_x:
            return np.ones(1)
        # The model spreads s as Beta(q, p x).
        shape = self.spend.q + self.spend.p * spend_x
        mean = self.spend.q / shape
        deviation = np.sqrt(mean * (1.0 - mean) / (shape + 1.0))
        return np.array([mean - deviation, min(mean + deviation, 1.0)])

    def _figures(self, frequency: float, spend_x: float, stream: list[int], places: NDArray[np.int64]) -> Floats:
        """Return draws of the figure over its mean given alive: one row an age, one column a draw.

        Where parameters are uncertain, of a customer whose spend is known so well that v no longer matters.
        """
        purchase, sets = self.purchase, self.sets.repeated(self.draws)
        rng = np.random.default_rng(stream)
        traits = Traits.drawn(frequency, spend_x, purchase, self.spend, sets, rng)
        ages = purchase.alpha * np.exp(places * _AGE_STEP)
        mean_spend = expected_share(spend_x, self.spend)
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
        chances = frequency + fitted.m
        leaving = float(log_odds_of_leaving_at(chances, fitted.a, fitted.b, fitted))
        if leaving == -np.inf:
            # The model lets nobody leave yet: whatever else says so does not depend on its parameters.
            return np.repeat(expit(log_odds)[:, None], sets.size, axis=1)
        # The time of silence that makes the odds, as far as there is a t_x for it.
        longest = float(log_odds_of_silence(frequency, 0.0, T, fitted.r, fitted.alpha, fitted))
        silence = np.clip(-log_odds - leaving, 0.0, longest)
        if fitted.equal_rates:
            t_x = T - silence * fitted.alpha / fitted.r
        else:
            t_x = (fitted.alpha + T) * np.exp(-silence / (fitted.r + frequency)) - fitted.alpha
        t_x = np.clip(t_x, 0.0, T)[:, None]
        of_set = log_odds_of_leaving_at(chances, sets.a, sets.b, fitted)
        of_set = of_set + log_odds_of_silence(frequency, t_x, T, sets.r, sets.alpha, fitted)
        return np.asarray(expit(log_odds[:, None] - (of_set - (leaving + silence)[:, None])))


def frequency_knots(largest: float) -> Floats:
    """Return the tabulated frequencies from 0 to the first above the largest one."""
    knots = list(range(_DENSE_FREQUENCIES + 1))
    while knots[-1] <= largest:
        knots.append(int(knots[-1] * _FREQUENCY_RATIO))
    return np.array(knots, dtype=np.float64)


def read_quantile(table: Floats, place: Floats, tail: float, alive: Floats) -> Floats:
    """Quantile at ``tail`` of a figure that is 0 unless alive, from sorted draws: between the rows and columns."""
    draws = table.shape[1]
    # The share of the living that lies below; 0 where the quantile is the atom at zero.
    given_alive = 1.0 - (1.0 - tail) / np.maximum(alive, 1.0 - tail)
    column = np.clip(given_alive * draws - 0.5, 0.0, draws - 1.0)
    return np.where(given_alive > 0, read_between(table, place, column), 0.0)


def read_between(table: Floats, place: Floats, column: Floats) -> Floats:
    """Read a table between its rows and columns."""
    row, left = place.astype(np.int64), column.astype(np.int64)
    right = np.minimum(left + 1, table.shape[1] - 1)
    down, along = place - row, column - left
    upper = table[row, left] * (1.0 - along) + table[row, right] * along
    lower = table[row + 1, left] * (1.0 - along) + table[row + 1, right] * along
    return np.asarray(upper * (1.0 - down) + lower * down)


def alive_points(tail: float) -> Floats:
    """Log odds of being alive that are tabulated: symmetric about where the quantile at ``tail`` leaves zero."""
    steps = np.arange(ALIVE_POINTS) - ALIVE_POINTS // 2
    return np.asarray(np.log(1.0 / tail - 1.0) + _ALIVE_SCALE * np.sinh(_ALIVE_STEP * steps))


def alive_column(log_odds: Floats, tail: float) -> Floats:
    """Return the place of log odds among `alive_points`."""
    steps = np.arcsinh((log_odds - np.log(1.0 / tail - 1.0)) / _ALIVE_SCALE) / _ALIVE_STEP
    return np.asarray(np.clip(steps + ALIVE_POINTS // 2, 0.0, ALIVE_POINTS - 1.0))


def weighted_quantiles(values: Floats, weights: Floats, above: Floats) -> Floats:
    """Quantiles of a figure that is a value of its set with the set's weight, else 0.

    Parameters
    ----------
    values : ndarray, shape (draws,)
        Of the sets in turn.
    weights : ndarray, shape (n, sets)
    above : ndarray, shape (n,)
        The probability that is to lie above each quantile.

    Returns
    -------
    ndarray, shape (n,)
    """
    draws, sets = values.size, weights.shape[1]
    edges, bins, first = _ranks(draws, sets)
    order = np.argsort(values)
    counts = np.bincount(first[order] + bins, minlength=sets * _RANK_BINS).reshape(sets, _RANK_BINS)
    # What of each set lies above each edge, weighted: how likely the figure is to be more than the value there.
    by_set = np.zeros((sets, _RANK_BINS + 1))
    by_set[:, :-1] = counts[:, ::-1].cumsum(axis=1)[:, ::-1] / draws
    # In blocks so small that BLAS starts no threads for them, which cost more than they bring.
    survival = (weights.reshape(5, -1, sets) @ by_set).reshape(-1, _RANK_BINS + 1)
    edge = np.clip((survival > above[:, None]).sum(axis=1), 1, _RANK_BINS)
    rows = np.arange(above.size)
    upper, lower = survival[rows, edge - 1], survival[rows, edge]
    along = np.divide(upper - above, upper - lower, out=np.ones(above.size), where=upper > lower)
    position = edges[edge - 1] + along * (edges[edge] - edges[edge - 1]) - 0.5
    quantiles = np.interp(position, np.arange(draws), values[order])
    return np.where(survival[:, 0] > above, quantiles, 0.0)


@lru_cache(maxsize=4)
def _ranks(draws: int, sets: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the edges of the bins of ranks, each rank's bin, and of each draw where the counts of its set begin."""
    edges = np.linspace(0, draws, _RANK_BINS + 1).astype(np.int64)
    bins = np.repeat(np.arange(_RANK_BINS), np.diff(edges))
    return edges, bins, np.arange(draws) % sets * _RANK_BINS
