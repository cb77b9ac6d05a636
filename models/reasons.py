"""Why a customer's NPS category differs from the base: groups of features that go with it.

Contributions are TreeSHAP's (Lundberg et al. 2020, Nature Machine Intelligence 2) of the trees' raw score of a
promoter minus that of a detractor; they add up to the difference from the mean raw score. They are associations that
the trees use, no causes.
"""

from collections.abc import Callable, Sequence
from typing import TypedDict

import lightgbm
import numpy as np
import numpy.typing as npt

from models.customer_scorer import nps_category_probabilities

Array = npt.NDArray[np.float64]

ROWS_AT_ONCE = 20_000
# A share of promoters or detractors this near to the base's needs no reason.
LEAST_DIFFERENCE = 0.02
# Nor does a group that hardly moves the raw score (log odds) count as one.
LEAST_CONTRIBUTION = 0.02


class Reason(TypedDict):
    """One reason: the group, its share of the raw score's difference from the mean, and a sentence."""

    group: str
    contribution: float
    text: str


def nps_reasons(
    booster: lightgbm.Booster,
    features: Array,
    names: Sequence[str],
    group_of: Callable[[str], str],
    calibration: tuple[Array, Array],
    base: Sequence[float],
    top: int = 3,
    threads: int = 1,
) -> list[list[Reason] | None]:
    """Name, for each customer, the groups of features that go most with the side the prediction leans to.

    Parameters
    ----------
    booster, calibration
        Trees and calibration map of the NPS model.
    features
        (n, k) doubles in the order of `names`, NaN where not defined.
    names
        (k,) names of the features.
    group_of
        Name of a feature -> its group, in words a marketer reads.
    base
        Shares (detractor, passive, promoter) to compare with, those of the base.
    top
        Most reasons per customer.
    threads
        Threads LightGBM may use.

    Returns
    -------
    list
        Per customer a JSON-able list of reasons, largest first; None where neither detractor nor promoter is clearly
        likelier than in the base, or no group leans that way.
    """
    probabilities = nps_category_probabilities(booster, features, calibration, threads)
    contributions, groups = group_contributions(booster, features, names, group_of, threads)
    lift = probabilities - np.asarray(base, dtype=float)
    side = np.where(lift[:, 0] >= lift[:, 2], 0, 2)
    direction = np.where(side == 0, -1.0, 1.0)
    leaning = contributions * direction[:, None]
    order = np.argsort(-leaning, axis=1, kind="stable")[:, :top]
    due = np.take_along_axis(lift, side[:, None], axis=1)[:, 0] >= LEAST_DIFFERENCE
    return [
        _reasons(leaning[i], contributions[i], order[i], groups, int(side[i]), probabilities[i], base)
        if due[i]
        else None
        for i in range(len(features))
    ]


def group_contributions(
    booster: lightgbm.Booster, features: Array, names: Sequence[str], group_of: Callable[[str], str], threads: int = 1
) -> tuple[Array, list[str]]:
    """Sum TreeSHAP contributions to raw promoter minus raw detractor score by group of features.

    Returns
    -------
    tuple
        (n, g) contributions and the g names of the groups, in the order of their first feature.
    """
    of_feature = [group_of(name) for name in names]
    groups = list(dict.fromkeys(of_feature))
    member = np.equal.outer(np.asarray(of_feature), np.asarray(groups)).astype(float)
    k = len(names)
    summed = np.empty((len(features), len(groups)))
    for start in range(0, len(features), ROWS_AT_ONCE):
        rows = slice(start, start + ROWS_AT_ONCE)
        # Per class k contributions and the class's mean raw score, side by side.
        found = np.asarray(booster.predict(features[rows], pred_contrib=True, num_threads=threads), dtype=float)
        by_class = found.reshape(-1, 3, k + 1)
        summed[rows] = (by_class[:, 2, :k] - by_class[:, 0, :k]) @ member
    return summed, groups


def _reasons(
    leaning: Array,
    contribution: Array,
    order: npt.NDArray[np.intp],
    groups: list[str],
    side: int,
    probabilities: Array,
    base: Sequence[float],
) -> list[Reason] | None:
    """Reasons of one customer, largest first."""
    kind = "detractor" if side == 0 else "promoter"
    rates = f"{100 * probabilities[side]:.0f} % {kind}; base {100 * base[side]:.0f} %"
    reasons: list[Reason] = [
        {
            "group": groups[g],
            "contribution": round(float(contribution[g]), 4),
            "text": f"{groups[g]}: associated with {rates}",
        }
        for g in order
        if leaning[g] >= LEAST_CONTRIBUTION
    ]
    return reasons or None
