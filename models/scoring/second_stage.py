"""The second stage: trees that correct the purchase and spend models by what else customers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import lightgbm
import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit, logit

from .arrays import Floats
from .bg_nbd import expected_purchases, p_alive, p_purchase
from .columns import PURCHASE_COLUMNS
from .gamma_gamma import expected_spend
from .parameters import PurchaseParameters, SpendParameters

# What the trees see of the first stage, before the behavioural features.
FIRST_STAGE = ("p_alive", "p_purchase", "expected_purchases", "expected_spend", "expected_revenue")
SECOND_STAGE_BOOSTERS = ("buys", "purchases", "revenue")
_NEVER, _NO_MORE, _LEAST_ALIVE = 1e-12, 1e-6, 1e-200
_ROWS_AT_ONCE = 100_000


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
    """Return what the trees see, shape (n, 5 + k): the first stage, then the named features, NaN where not there."""
    seen = features.reindex(columns=list(names)).to_numpy(float)
    return np.column_stack([first[list(FIRST_STAGE)].to_numpy(float), seen])


def second_stage(
    boosters: Mapping[str, lightgbm.Booster],
    first: pd.DataFrame,
    features: pd.DataFrame,
    names: Sequence[str],
    levels: Mapping[str, float] | None = None,
    needed: Sequence[str] = (),
    threads: int = 1,
) -> pd.DataFrame:
    """Correct what the purchase and spend models expect of the horizon by what else customers do.

    A hurdle model (Mullahy 1986, Journal of Econometrics 33), each part of which starts from the first stage:
    p' = expit(logit p + f), E' = p' (1 + (E / p - 1) e^g), spend' = spend e^h, revenue' = E' spend', with f, g and h
    the trees "buys", "purchases" and "revenue" and their levels. Without them a part is that of the first stage, and
    E' >= p' always.

    Parameters
    ----------
    boosters : Mapping of str to lightgbm.Booster
        Any of `SECOND_STAGE_BOOSTERS`.
    first : pandas.DataFrame
        Columns `FIRST_STAGE`, n rows.
    features : pandas.DataFrame
        The features table, row for row. A row of which no named feature is known but those of `PURCHASE_COLUMNS`
        keeps the first stage: its purchases tell nothing that the first stage does not know. So does a row that lacks
        a needed feature.
    names : sequence of str
        The features in the order the trees were trained with.
    levels : Mapping of str to float, optional
        By name of the booster, a constant beside its trees.
    needed : sequence of str
        Those of the names that tell, row by row, that behaviour is given. Trees that never saw a feature missing read
        it as 0, so events that are not given would say that nothing had happened.
    threads : int
        Threads LightGBM may use.

    Returns
    -------
    pandas.DataFrame
        p_purchase, expected_purchases, expected_spend and expected_revenue; index of ``first``.
    """
    is_known = _is_behaviour_known(features, names, needed)
    rows = np.flatnonzero(is_known)
    log_ratio = {name: np.full(len(first), (levels or {}).get(name, 0.0)) for name in SECOND_STAGE_BOOSTERS}
    for start in range(0, rows.size, _ROWS_AT_ONCE):
        part = rows[start : start + _ROWS_AT_ONCE]
        matrix = second_stage_matrix(first.iloc[part], features.iloc[part], names)
        for name, booster in boosters.items():
            raw = booster.predict(matrix, raw_score=True, num_threads=threads)
            log_ratio[name][part] += np.asarray(raw, dtype=float)
    offsets = Offsets.of(first)
    buys = expit(offsets.buys + log_ratio["buys"])
    purchases = buys * (1.0 + np.exp(offsets.purchases + log_ratio["purchases"]))
    spend = np.exp(offsets.revenue + log_ratio["revenue"])
    corrected = first[list(FIRST_STAGE[1:])].copy()
    corrected.loc[is_known] = np.column_stack([buys, purchases, spend, purchases * spend])[is_known]
    return corrected


def _is_behaviour_known(features: pd.DataFrame, names: Sequence[str], needed: Sequence[str]) -> NDArray[np.bool_]:
    """Say of which rows every needed feature is known and any at all besides purchases; one column at a time."""
    has_any, has_needed = np.zeros(len(features), dtype=bool), np.ones(len(features), dtype=bool)
    for name in names:
        there = features[name].notna().to_numpy() if name in features else np.zeros(len(features), dtype=bool)
        if name not in PURCHASE_COLUMNS:
            has_any |= there
        if name in needed:
            has_needed &= there
    return np.asarray(has_any & has_needed)


@dataclass(frozen=True)
class Evidence:
    """What the second stage says of a customer's future, in the terms of the purchase models, shape (n,) each.

    A customer who buys in the horizon with p' instead of p is taken to be alive with p' / q, q being the probability
    that a living customer buys: what trees saw is foremost who has left. As nobody is alive with more than 1, what is
    beyond that, and whatever else changes the expected revenue, changes the rate at which a living customer spends,
    by one factor for the horizon and after it.

    Attributes
    ----------
    alive : ndarray
        min(p' / q, 1); p_alive stays that of the purchase model.
    scale : ndarray
        Factor of the revenue of the living, so that its mean is the second stage's.
    beyond : ndarray
        (1 - p') / (1 - q) where p' > q, else 1: a factor of the probability that a living customer does not buy.
    p_living : ndarray
        q.
    """

    alive: Floats
    scale: Floats
    beyond: Floats
    p_living: Floats

    @classmethod
    def of(cls, corrected: pd.DataFrame, p_living: Floats, revenue_living: Floats) -> Evidence:
        """Take it from the second stage beside the probability and the revenue expected of the living."""
        buys, revenue = (corrected[name].to_numpy(float) for name in ("p_purchase", "expected_revenue"))
        # Whose first stage underflows has no revenue either: any positive number gives them the factor 0.
        alive = np.clip(buys / p_living, _LEAST_ALIVE, 1.0)
        beyond = np.minimum((1.0 - buys) / np.maximum(1.0 - p_living, _NEVER), 1.0)
        return cls(alive, revenue / (alive * revenue_living), beyond, p_living)

    def p_none(self, p_living: Floats) -> Floats:
        """Probability of no purchase in a horizon in which a living customer buys with ``p_living``.

        1 - alive (1 - (1 - p_living) beyond^s) with s = min(ln(1 - p_living) / ln(1 - q), 1), the share of the second
        stage's own horizon in purchases: 1 where the horizon has no length, 1 - p' at the stage's own, and falling.
        """
        log_none, own = (np.log1p(-np.minimum(p, 1.0 - _NEVER)) for p in (p_living, self.p_living))
        share = np.minimum(log_none / own, 1.0)
        return np.asarray(1.0 - self.alive * (1.0 - (1.0 - p_living) * self.beyond**share))
