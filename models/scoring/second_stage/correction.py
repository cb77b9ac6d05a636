"""The second stage: trees and a logistic regression correct the purchase and spend models by what else customers do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from ..arrays import BLOCK_ROWS, Floats, columns_of, consecutive, fill_columns
from ..boosted.trees import Trees
from ..columns import PURCHASE_COLUMNS
from ..parameters import LogisticParameters, SecondStageParameters
from .first import FIRST_STAGE, Offsets, fill_second_stage

SECOND_STAGE_BOOSTERS = ("buys", "purchases", "revenue")
# Standardised features of the regression are held within so many standard deviations: it is a straight line, which
# must not lead far beyond what it was fitted on.
_FARTHEST = 4.0


def second_stage(
    boosters: Mapping[str, Trees],
    first: pd.DataFrame,
    features: pd.DataFrame,
    stage: SecondStageParameters,
    is_known: NDArray[np.bool_] | None = None,
) -> pd.DataFrame:
    """Correct what the purchase and spend models expect of the horizon by what else customers do.

    A hurdle model (Mullahy 1986, Journal of Econometrics 33), each part of which starts from the first stage:
    p' = expit(logit p + f), E' = p' (1 + (E / p - 1) e^g), spend' = spend e^h, revenue' = E' spend'. Each of f, g and h
    is a constant, the level, and the trees "buys", "purchases" and "revenue" times their weights; f also has the
    logistic regression times its weight. Without them a part is that of the first stage, and E' >= p' always.

    Parameters
    ----------
    boosters : Mapping of str to Trees
        Any of `SECOND_STAGE_BOOSTERS`.
    first : pandas.DataFrame
        Columns `FIRST_STAGE`, n rows.
    features : pandas.DataFrame
        The features table, row for row. A row whose behaviour is not known keeps the first stage, see
        `is_behaviour_known`.
    stage : SecondStageParameters
        Weights, levels, the regression, and the names of the features.
    is_known : ndarray of bool, optional
        What `is_behaviour_known` says of the rows, where it was asked already.

    Returns
    -------
    pandas.DataFrame
        p_purchase, expected_purchases, expected_spend and expected_revenue; index of ``first``.
    """
    if is_known is None:
        is_known = is_behaviour_known(features, stage.features, stage.needed)
    rows = np.flatnonzero(is_known)
    offsets = Offsets.of(first)
    log_ratio = {name: np.full(len(first), stage.levels.get(name, 0.0)) for name in SECOND_STAGE_BOOSTERS}
    # One matrix for all blocks: new memory for each takes as long as reading the trees.
    block = np.empty((min(rows.size, BLOCK_ROWS), len(FIRST_STAGE) + len(stage.features)), order="F")
    of_first, of_features = columns_of(first, FIRST_STAGE), columns_of(features, stage.features)
    for start in range(0, rows.size, BLOCK_ROWS):
        part = consecutive(rows[start : start + BLOCK_ROWS])
        matrix = block[: rows[start : start + BLOCK_ROWS].size]
        fill_second_stage(matrix, of_first, of_features, stage.features, part)
        for name, booster in boosters.items():
            log_ratio[name][part] += stage.weight(name) * booster.raw_scores(matrix)
        if stage.logistic is not None:
            of_line = regression(stage.logistic, offsets.buys[part], features, part)
            log_ratio["buys"][part] += stage.weight("logistic") * of_line
    buys = expit(offsets.buys + log_ratio["buys"])
    purchases = buys * (1.0 + np.exp(offsets.purchases + log_ratio["purchases"]))
    spend = np.exp(offsets.revenue + log_ratio["revenue"])
    corrected = first[list(FIRST_STAGE[1:])].copy()
    corrected.loc[is_known] = np.column_stack([buys, purchases, spend, purchases * spend])[is_known]
    return corrected


def regression(
    logistic: LogisticParameters,
    log_odds: Floats,
    features: pd.DataFrame,
    rows: NDArray[np.int64] | slice | None = None,
) -> Floats:
    """Return what the logistic regression adds to the first stage's log odds, shape (n,)."""
    Z = standardised(log_scale(log_odds, features, logistic.features, rows), logistic.centres, logistic.scales)
    return np.asarray(Z @ np.array(logistic.coefficients))


def log_scale(
    log_odds: Floats, features: pd.DataFrame, names: Sequence[str], rows: NDArray[np.int64] | slice | None = None
) -> Floats:
    """Return what the regression sees, shape (n, 1 + k): the log odds, then sign(v) ln(1 + |v|) of each feature."""
    values = np.empty((len(log_odds), len(names)))
    fill_columns(values, columns_of(features, names), names, rows)
    return np.column_stack([log_odds, np.sign(values) * np.log1p(np.abs(values))])


def standardised(values: Floats, centres: ArrayLike, scales: ArrayLike) -> Floats:
    """Standardise columns; a value that is not there counts as the mean."""
    z = (values - np.asarray(centres)) / np.asarray(scales)
    return np.clip(np.where(np.isnan(z), 0.0, z), -_FARTHEST, _FARTHEST)


def is_behaviour_known(features: pd.DataFrame, names: Sequence[str], needed: Sequence[str]) -> NDArray[np.bool_]:
    """Say of which rows behaviour is known: every needed feature, and any at all besides purchases.

    Purchases alone tell nothing that the first stage does not know. And trees that never saw a feature missing read it
    as 0, so events that are not given would say that nothing had happened.

    Parameters
    ----------
    features : pandas.DataFrame
        The features table.
    names : sequence of str
        The features of the second stage.
    needed : sequence of str
        Those that everybody trained on had.
    """
    has_any, has_needed = np.zeros(len(features), dtype=bool), np.ones(len(features), dtype=bool)
    for name in names:
        # One column at a time: all of them at once would be copied.
        column = features[name].to_numpy(float) if name in features else np.full(len(features), np.nan)
        there = ~np.isnan(column)
        if name not in PURCHASE_COLUMNS:
            has_any |= there
        if name in needed:
            has_needed &= there
    return np.asarray(has_any & has_needed)
