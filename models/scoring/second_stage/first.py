"""The first stage as the second one sees it: its figures, and these on the scale on which they are corrected."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from ..arrays import Floats, columns_of, fill_columns
from ..bg_nbd import p_alive, p_purchase_of_the_living, purchases_of_the_living
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
    living: Floats | None = None,
) -> pd.DataFrame:
    """Return what the purchase and spend models say of each customer: the columns of `FIRST_STAGE`.

    Parameters are those of `revenue_interval`, the factor of spend that `kept_spend` gives and, where that is known
    already, what `purchases_of_the_living` gives; expected_revenue is undiscounted, purchases times spend.
    """
    alive = p_alive(x, t_x, T, purchase)
    purchases = alive * (purchases_of_the_living(horizon, x, T, purchase) if living is None else living)
    value = expected_spend(spend_x, spend_m, spend) * kept
    chances = alive, alive * p_purchase_of_the_living(horizon, x, T, purchase)
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
    fill_second_stage(matrix, columns_of(first, FIRST_STAGE), columns_of(features, names), names)
    return matrix


def fill_second_stage(
    matrix: Floats,
    first: Mapping[str, Floats],
    features: Mapping[str, Floats],
    names: Sequence[str],
    rows: NDArray[np.int64] | slice | None = None,
) -> None:
    """Write what `second_stage_matrix` returns into a matrix: all rows, or those at the places ``rows``."""
    fill_columns(matrix[:, : len(FIRST_STAGE)], first, FIRST_STAGE, rows)
    fill_columns(matrix[:, len(FIRST_STAGE) :], features, names, rows)
