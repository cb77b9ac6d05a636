"""The first stage as the second one sees it: its figures, and these on the scale on which they are corrected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from ..arrays import Floats, fill_columns
from ..bg_nbd import expected_purchases, p_alive, p_purchase
from ..gamma_gamma import expected_spend
from ..parameters import PurchaseParameters, SpendParameters

# What the trees see of the first stage, before the behavioural features.
FIRST_STAGE = ("p_alive", "p_purchase", "expected_purchases", "expected_spend", "expected_revenue")
_NEVER, _NO_MORE = 1e-12, 1e-6


def first_stage(
    horizon: float,
    x: ArrayLike,
    t_x: ArrayLike,
    T: ArrayLike,
    spend_x: ArrayLike,
    spend_m: ArrayLike,
    purchase: PurchaseParameters,
    spend: SpendParameters,
    kept: Floats | float = 1.0,
) -> pd.DataFrame:
    """Return what the purchase and spend models say of each customer: the columns of `FIRST_STAGE`.

    Parameters are those of `revenue_interval`, and the factor of spend that `kept_spend` gives; expected_revenue is
    undiscounted, purchases times spend.
    """
    purchases = expected_purchases(horizon, x, t_x, T, purchase)
    value = expected_spend(spend_x, spend_m, spend) * kept
    chances = p_alive(x, t_x, T, purchase), p_purchase(horizon, x, t_x, T, purchase)
    return pd.DataFrame(dict(zip(FIRST_STAGE, (*chances, purchases, value, purchases * value), strict=True)))


@dataclass(frozen=True)
class Offsets:
    """The first stage as the trees correct it, shape (n,) each.

    Attributes
    ----------
    buys : ndarray
        Log odds of p_purchase.
    purchases : ndarray
        Logarithm of the purchases beyond the first that are expected of one who buys.
    revenue : ndarray
        Logarithm of the expected value of a purchase.
    """

    buys: Floats
    purchases: Floats
    revenue: Floats

    @classmethod
    def of(cls, first: pd.DataFrame) -> Offsets:
        """Take them from the columns `FIRST_STAGE`."""
        buys, purchases, spend = (first[name].to_numpy(float) for name in FIRST_STAGE[1:4])
        buys = np.clip(buys, _NEVER, 1.0 - _NEVER)
        return cls(logit(buys), np.log(np.maximum(purchases / buys - 1.0, _NO_MORE)), np.log(spend))


def second_stage_matrix(first: pd.DataFrame, features: pd.DataFrame, names: Sequence[str]) -> Floats:
    """Return what the trees see, shape (n, 5 + k): the first stage, then the named features, NaN where not there.

    It lies by columns, as trees are read.
    """
    matrix = np.empty((len(first), len(FIRST_STAGE) + len(names)), order="F")
    fill_second_stage(matrix, first, features, names)
    return matrix


def fill_second_stage(
    matrix: Floats,
    first: pd.DataFrame,
    features: pd.DataFrame,
    names: Sequence[str],
    rows: NDArray[np.int64] | slice | None = None,
) -> None:
    """Write what `second_stage_matrix` returns into a matrix: all rows, or those at the places ``rows``."""
    fill_columns(matrix[:, : len(FIRST_STAGE)], first, FIRST_STAGE, rows)
    fill_columns(matrix[:, len(FIRST_STAGE) :], features, names, rows)
