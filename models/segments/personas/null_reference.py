"""One cloud: customers whose every feature is as it is, and goes with the others as it does, but without groups.

Clusters are looked for in it as in the base; what they gain there any base gives. A cloud of normal columns would not
do: one-time buyers, say, stand on one value of many features, and that alone would pass for groups.
"""

import numpy as np

from models.stats.typing import Floats

# Rounds in which the correlations of the normals are corrected for what the values' ties take off.
ROUNDS = 3


def null_reference(columns: Floats, size: int, rng: np.random.Generator) -> Floats:
    """Draw customers without groups.

    Parameters
    ----------
    columns
        The features, (p, n), each of which varies.
    size
        How many customers to draw.
    rng
        Source of randomness.

    Returns
    -------
    array of shape (p, size)
        Jointly normal draws given the values of the columns by their ranks ("normal to anything", Cario & Nelson 1997):
        each column has the distribution of that feature, and two columns its correlation as nearly as their values let
        it.
    """
    wanted = np.corrcoef(columns)
    values = np.sort(columns, axis=1)[:, ((np.arange(size) + 0.5) / size * columns.shape[1]).astype(np.int64)]
    normals, drawn = rng.standard_normal((len(columns), size)), np.empty_like(values)
    correlation = wanted
    for _ in range(ROUNDS):
        variances, vectors = np.linalg.eigh(correlation)
        # Corrected correlations need not be possible ones; what is not is left out.
        mixed = (vectors * np.sqrt(variances.clip(0.0))) @ normals
        np.put_along_axis(drawn, mixed.argsort(axis=1, kind="stable"), values, axis=1)
        correlation = (correlation + wanted - np.corrcoef(drawn)).clip(-0.999, 0.999)
        np.fill_diagonal(correlation, 1.0)
    return drawn
