"""Quantiles of a figure that is 0 unless a customer is alive: how they are tabulated and read."""

from __future__ import annotations

import numpy as np

from .arrays import Floats

# Log odds of being alive at which quantiles are tabulated: densest where the quantile leaves the atom at zero.
_ALIVE_STEP, _ALIVE_SCALE, ALIVE_POINTS = 0.2, 0.05, 75
_RANK_BINS = 32


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
    order = np.argsort(values)
    edges = np.linspace(0, draws, _RANK_BINS + 1).astype(np.int64)
    bins = np.repeat(np.arange(_RANK_BINS), np.diff(edges))
    counts = np.bincount(bins * sets + order % sets, minlength=_RANK_BINS * sets).reshape(_RANK_BINS, sets)
    # What of each set lies above each edge, weighted: how likely the figure is to be more than the value there.
    beyond = np.zeros((_RANK_BINS + 1, sets))
    beyond[:-1] = counts[::-1].cumsum(axis=0)[::-1]
    # In blocks so small that BLAS starts no threads for them, which cost more than they bring.
    by_set = np.ascontiguousarray(beyond.T) / draws
    survival = (weights.reshape(5, -1, sets) @ by_set).reshape(-1, _RANK_BINS + 1)
    edge = np.clip((survival > above[:, None]).sum(axis=1), 1, _RANK_BINS)
    rows = np.arange(above.size)
    upper, lower = survival[rows, edge - 1], survival[rows, edge]
    along = np.divide(upper - above, upper - lower, out=np.ones(above.size), where=upper > lower)
    position = edges[edge - 1] + along * (edges[edge] - edges[edge - 1]) - 0.5
    quantiles = np.interp(position, np.arange(draws), values[order])
    return np.where(survival[:, 0] > above, quantiles, 0.0)
