"""Weights that are moved as little as possible until weighted means of given columns are what they should be."""

import numpy as np

from models.stats.typing import Floats

_MOST_STEPS = 50
_LARGEST_IMBALANCE = 1e-9
# A weight that had to change by a factor of more than e^3 says that the means cannot be reached.
_LARGEST_EXPONENT = 3.0
_SAME = 1e-10


def calibrated(weights: Floats, columns: Floats, target: Floats) -> Floats:
    """Multiply weights by exp(a'z) so that the weighted means of the columns z are the target.

    Of all weights with these means they are nearest to the given ones in Kullback-Leibler divergence (raking: Deville &
    Sarndal 1992, JASA 87; entropy balancing: Hainmueller 2012, Political Analysis 20).

    Parameters
    ----------
    weights
        (n,) positive.
    columns
        (n, k).
    target
        (k,) means to reach.

    Returns
    -------
    numpy.ndarray
        (n,) of the same sum; the weights as given where a column is constant or the means cannot be reached.
    """
    centred = columns - target
    spread = columns.std(axis=0)
    if not columns.size or not (spread > 0.0).all() or not np.isfinite(target).all():
        return weights
    z, exponents = centred / spread, np.zeros(columns.shape[1])
    for _ in range(_MOST_STEPS):
        moved = weights * np.exp(z @ exponents)
        h = moved / moved.sum()
        mean = h @ z
        if np.abs(mean).max() < _LARGEST_IMBALANCE:
            return np.asarray(h * weights.sum())
        curvature = (z * h[:, None]).T @ z - np.outer(mean, mean)
        # Columns may say the same.
        step = np.linalg.lstsq(curvature, mean, rcond=_SAME)[0]
        exponents = exponents - step / max(np.abs(z @ step).max(), 1.0)
        if np.abs(z @ exponents).max() > _LARGEST_EXPONENT:
            return weights
    return weights
