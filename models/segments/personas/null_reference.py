"""The null reference: customers with the same distributions and correlations of features as the base, but no groups.

Clusters are fitted to it as to the base; a base has groups only where its clusters are tighter than those of the null
reference. Normal columns would not serve as a reference: many one-time buyers, for example, share one value of many
features, and that alone would look like a group.
"""

import numpy as np

from models.stats.typing import Floats

# Rounds in which the correlations of the normals are corrected for the loss from ties and skewed values.
ROUNDS = 3


def null_reference(columns: Floats, size: int, rng: np.random.Generator) -> Floats:
    """Draw customers without groups.

    Parameters
    ----------
    columns
        (p, n) features, each of which varies.
    size
        How many customers to draw.
    rng
        The random generator.

    Returns
    -------
    array of shape (p, size)
        Jointly normal draws replaced by the values of the columns of the same rank ("normal to anything", Cario &
        Nelson 1997): each column has the distribution of its feature, and each pair of columns has their correlation as
        nearly as their values allow.
    """
    wanted = np.corrcoef(columns)
    values = np.sort(columns, axis=1)[:, ((np.arange(size) + 0.5) / size * columns.shape[1]).astype(np.int64)]
    normals, drawn = rng.standard_normal((len(columns), size)), np.empty_like(values)
    correlation = wanted
    for _ in range(ROUNDS):
        variances, vectors = np.linalg.eigh(correlation)
        # A corrected matrix may have negative eigenvalues; they are set to 0.
        mixed = (vectors * np.sqrt(variances.clip(0.0))) @ normals
        np.put_along_axis(drawn, mixed.argsort(axis=1, kind="stable"), values, axis=1)
        correlation = (correlation + wanted - np.corrcoef(drawn)).clip(-0.999, 0.999)
        np.fill_diagonal(correlation, 1.0)
    return drawn
