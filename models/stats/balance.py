"""Covariate balance: whether those who answered, once weighted, resemble those whom they represent."""

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stats.population_stability import Columns
from models.stats.typing import Flags, Floats


def covariate_balance(answered: pd.DataFrame, weights: npt.ArrayLike, target: Columns) -> pd.DataFrame:
    """Compare those who answered with those whom they represent, feature by feature, before and after weighting.

    The standardised mean difference is (mean of those who answered - mean of the target) / sqrt((s_1^2 + s_2^2) / 2),
    s_1 and s_2 the two standard deviations before weighting (Austin 2009, Statistics in Medicine 28, section 2): one
    scale before and after, so that only the means move it (Stuart 2010, Statistical Science 25, section 4.1). A feature
    that is missing for some is compared where it is present, and so is the share that is missing, as "NAME missing".
    Absolute values above 0.1 are commonly held to be an imbalance.

    Parameters
    ----------
    answered
        (n, k) features of those who answered.
    weights
        (n,) their weights.
    target
        (N rows) features of those whom they represent, read column by column.

    Returns
    -------
    pandas.DataFrame
        One row per feature that varies, indexed by its name, the largest difference before weighting first: `before`
        and `after`, in standard deviations.

    Raises
    ------
    ValueError
        If the target lacks a column or there is not one weight per row.
    """
    lacking = [str(name) for name in answered.columns if name not in target.columns]
    if lacking:
        raise ValueError(f"the target lacks {', '.join(lacking)}")
    X, w = answered.to_numpy(float), np.asarray(weights, dtype=float)
    if len(w) != len(X):
        raise ValueError(f"there must be one weight per row of answered, got {len(w)} for {len(X)}")
    names = [str(name) for name in answered.columns]
    differences, missing = [], []
    for j, m in enumerate(np.isnan(X).T):
        y = target[answered.columns[j]].to_numpy(float)
        missing_y = np.isnan(y)
        differences.append(_difference(X[~m, j], w[~m], y[~missing_y]))
        missing.append(_difference(m, w, missing_y))
    table = pd.DataFrame(
        np.array(differences + missing).reshape(-1, 2),
        index=pd.Index([*names, *(f"{name} missing" for name in names)], name="feature"),
        columns=["before", "after"],
    ).dropna()
    return table.reindex(table["before"].abs().sort_values(ascending=False, kind="stable").index)


def _difference(x: Floats | Flags, w: Floats, y: Floats | Flags) -> tuple[float, float]:
    """Standardised difference of two columns without and with weights, NaN where nothing varies or all is missing."""
    if not len(x) or not len(y):
        return np.nan, np.nan
    spread = np.sqrt((_variance(x) + _variance(y)) / 2.0)
    if not spread > 0.0:
        return np.nan, np.nan
    return float((x.mean() - y.mean()) / spread), float((np.average(x, weights=w) - y.mean()) / spread)


def _variance(x: Floats | Flags) -> float:
    """Variance; of flags p (1 - p), without a copy of a whole base as doubles."""
    if x.dtype != bool:
        return float(x.var())
    share = float(x.mean())
    return share * (1.0 - share)
