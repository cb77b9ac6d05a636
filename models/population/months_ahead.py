"""What a living customer does in each of several periods ahead, under BG/NBD and MBG/NBD.

Given its rate lambda and its dropout chance p, a living customer buys N(s) = min(Poisson(lambda s), G) times within s,
G geometric: the purchase after which it leaves. So with u = lambda p s

    P(alive at s)  = e^(-u)
    E[N]           = (1 - e^(-u)) / p
    E[N (N + 1)]/2 = sum_k k P(N >= k) = (1 - e^(-u) (1 + (1 - p) u)) / p^2

and lambda ~ Gamma(r + x, alpha + T), p ~ Beta(a, b + x + m) of the living are integrated out, the first exactly, the
second by Gauss-Jacobi nodes. Tests hold all three beside a simulation.
"""

import hashlib
from collections.abc import Callable, Hashable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np

from models.scoring.parameters import PurchaseParameters
from models.scoring.quadrature import beta_nodes
from models.stats.typing import Floats

Result = TypeVar("Result")
_NODES = 32
# Below it the dropout chance is taken as none, which changes the result by less than this share of it.
_NO_DROPOUT = 1e-4
# So few that all arrays of a block stay in the processor's cache.
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class MeansAhead:
    """What the living do ahead in the mean, shape (n, k) each.

    Attributes
    ----------
    buys : ndarray
        Probability of at least one purchase within the k-th period.
    purchases : ndarray
        E[N] of the purchases N from now to the end of the k-th period.
    """

    buys: Floats
    purchases: Floats


@dataclass(frozen=True)
class Ahead(MeansAhead):
    """The same, and what variances take beside it.

    Attributes
    ----------
    buys_by_end : ndarray
        Probability of at least one purchase from now to the end of the k-th period.
    pairs : ndarray
        E[N (N - 1)].
    """

    buys_by_end: Floats
    pairs: Floats


def ahead_of_the_living(ends: Floats, x: Floats, T: Floats, parameters: PurchaseParameters) -> Ahead:
    """Say what living customers do in periods that follow each other.

    Parameters
    ----------
    ends : ndarray, shape (k,)
        Ends of the periods, in units of T from T on, rising; the first begins now.
    x, T : ndarray, shape (n,)
        Repeat purchases and age; best distinct pairs of them.
    parameters : PurchaseParameters
        Of any limit, too.
    """
    ahead = Ahead(*(np.zeros((x.size, ends.size)) for _ in range(4)))
    _fill(ahead, ends, x, T, parameters)
    return ahead


def means_of_the_living(ends: Floats, x: Floats, T: Floats, parameters: PurchaseParameters) -> MeansAhead:
    """Say of it no more than the means, as `ahead_of_the_living` does: two thirds of the time."""
    means = MeansAhead(*(np.zeros((x.size, ends.size)) for _ in range(2)))
    _fill(means, ends, x, T, parameters)
    return means


def _fill(ahead: MeansAhead, ends: Floats, x: Floats, T: Floats, parameters: PurchaseParameters) -> None:
    for rows, p, weights in _dropout_chances(x, parameters):
        for start in range(0, rows.size, _ROWS_AT_ONCE):
            part = rows[start : start + _ROWS_AT_ONCE]
            _add(ahead, part, ends, x[part], T[part], p, weights, parameters)


@dataclass(frozen=True)
class AheadKept:
    """What was computed of the customers of a base at one date, once for all groupings and periods that ask for it."""

    _results: dict[Hashable, Any] = field(default_factory=dict)

    def once(self, key: Hashable, compute: Callable[[], Result]) -> Result:
        """Return the result of a computation, which is made at the first call only."""
        if key not in self._results:
            self._results[key] = compute()
        result: Result = self._results[key]
        return result

    def of(self, ends: Floats, x: Floats, T: Floats, parameters: PurchaseParameters) -> Ahead:
        """Say what is ahead of pairs, as `ahead_of_the_living` does."""
        key = ("ahead", parameters, _digest(ends, x, T))
        return self.once(key, lambda: ahead_of_the_living(ends, x, T, parameters))

    def means_of(self, ends: Floats, x: Floats, T: Floats, parameters: PurchaseParameters) -> MeansAhead:
        """Say the means of it, as `means_of_the_living` does."""
        key = ("means", parameters, _digest(ends, x, T))
        return self.once(key, lambda: means_of_the_living(ends, x, T, parameters))


def _digest(*columns: Floats) -> bytes:
    digest = hashlib.sha256()
    for column in columns:
        digest.update(np.int64(column.size).tobytes() + np.ascontiguousarray(column, dtype=np.float64).tobytes())
    return digest.digest()


def _dropout_chances(x: Floats, parameters: PurchaseParameters) -> Iterator[tuple[np.ndarray, Floats, Floats]]:
    """Yield groups of rows with the dropout chances of the living among them, and their weights."""
    everyone, share = np.arange(x.size), parameters.a / (parameters.a + parameters.b)
    if parameters.nobody_leaves:
        yield everyone, np.zeros(1), np.ones(1)
    elif "equal_dropout" in parameters.limits:
        yield everyone, np.array([share]), np.ones(1)
    elif "at_once_or_never" in parameters.limits:
        had_chance = x + parameters.m > 0
        yield everyone[had_chance], np.zeros(1), np.ones(1)
        yield everyone[~had_chance], np.array([0.0, 1.0]), np.array([1.0 - share, share])
    else:
        for frequency in np.unique(x):
            yield (
                np.flatnonzero(x == frequency),
                *beta_nodes(_NODES, parameters.a, parameters.b + frequency + parameters.m),
            )


def _add(
    ahead: MeansAhead,
    rows: np.ndarray,
    ends: Floats,
    x: Floats,
    T: Floats,
    p: Floats,
    weights: Floats,
    parameters: PurchaseParameters,
) -> None:
    """Fill in the rows of one group; arrays are (rows, periods, nodes)."""
    starts = np.concatenate([[0.0], ends[:-1]])
    if parameters.equal_rates:
        rate, shape = np.full(rows.size, parameters.r / parameters.alpha), None
    else:
        shape = (parameters.r + x)[:, None, None]
        rate = 1.0 / (parameters.alpha + T)
    s0, s1 = (rate[:, None, None] * times[None, :, None] for times in (starts, ends))

    def staying(z: Floats) -> Floats:
        """E[e^(-lambda t)] for times t, given as rate times t."""
        return np.exp(-z) if shape is None else np.exp(-shape * np.log1p(z))

    first = s1 if shape is None else shape * s1
    alive = staying(p * s1)
    none = p * first < _NO_DROPOUT
    safe = np.where(p > 0, p, 1.0)
    expected = np.where(none, first, (1.0 - alive) / safe)
    # The chance to be alive when a period begins is that of the end of the one before.
    alive_before = np.concatenate([np.ones_like(alive[:, :1]), alive[:, :-1]], axis=1)
    buys = alive_before - staying(p * s0 + (s1 - s0))
    ahead.buys[rows] = (buys * weights).sum(axis=2)
    ahead.purchases[rows] = (expected * weights).sum(axis=2)
    if not isinstance(ahead, Ahead):
        return
    # Nobody leaves before the first purchase.
    ahead.buys_by_end[rows] = 1.0 - staying(s1)[:, :, 0]
    # E[lambda s] and E[(lambda s)^2], and E[lambda s e^(-u)].
    second = first**2 if shape is None else shape * (shape + 1.0) * s1**2
    tilted = first * (alive if shape is None else alive / (1.0 + p * s1))
    triangles = np.where(none, first + second / 2.0, (1.0 - alive - (1.0 - p) * p * tilted) / safe**2)
    ahead.pairs[rows] = (2.0 * (triangles - expected) * weights).sum(axis=2)
