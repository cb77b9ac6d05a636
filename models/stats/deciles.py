"""Customers in ten groups by their predictions: whether predicted means are right, and whether the best come first.

The order of rows never separates customers of equal prediction: a group of the calibration holds all of them, and a
group of the lift counts each with their mean.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stats.metrics import calibration_bins
from models.stats.typing import Floats

DECILES = 10
MOST_FREQUENT = 7
NEARLY_SURE = 0.99


def calibration_by_decile(predicted: npt.ArrayLike, realised: npt.ArrayLike, groups: int = DECILES) -> pd.DataFrame:
    """Put predicted beside realised means in groups of equal count, ordered by the prediction.

    Parameters
    ----------
    predicted, realised
        (n,) prediction of each customer, and the outcome.
    groups
        At most so many: customers of equal prediction stay in one group.

    Returns
    -------
    pandas.DataFrame
        One row per group, the lowest predictions first: group (from 1), n, predicted and realised (means).
    """
    _, count, mean_predicted, mean_realised = calibration_bins(realised, predicted, groups)
    return pd.DataFrame(
        {
            "group": np.arange(1, count.size + 1),
            "n": count.astype(int),
            "predicted": mean_predicted,
            "realised": mean_realised,
        }
    )


def calibration_by_frequency(
    frequency: npt.ArrayLike, predicted: npt.ArrayLike, realised: npt.ArrayLike, most: int = MOST_FREQUENT
) -> pd.DataFrame:
    """Put predicted beside realised means by repeat purchases before the cutoff.

    Parameters
    ----------
    frequency, predicted, realised
        (n,) repeat purchases, prediction and outcome of each customer.
    most
        Frequencies from here on are one group.

    Returns
    -------
    pandas.DataFrame
        One row per frequency that occurs: frequency (the last one is ``most`` and above), n, predicted and realised.
    """
    columns = {"frequency": np.minimum(np.asarray(frequency, dtype=int), most), "predicted": predicted}
    frame = pd.DataFrame({**columns, "realised": np.asarray(realised, dtype=float)})
    groups = frame.groupby("frequency")
    return (
        groups[["predicted", "realised"]]
        .mean()
        .assign(n=groups.size())
        .reset_index()[["frequency", "n", "predicted", "realised"]]
    )


def calibration_error(predicted: npt.ArrayLike, realised: npt.ArrayLike, groups: int = DECILES) -> float:
    """Mean distance of predicted from realised means over the groups of `calibration_by_decile`.

    Weighted by the groups' counts and divided by the realised mean, so that it has no unit: 0 is perfect, and 1 is
    what always predicting zero gives. NaN where nothing was realised.

    Parameters
    ----------
    predicted, realised
        (n,) prediction of each customer, and the outcome.
    groups
        At most so many groups.
    """
    mean = float(np.mean(np.asarray(realised, dtype=float)))
    if mean == 0:
        return float("nan")
    table = calibration_by_decile(predicted, realised, groups)
    distance = (table["predicted"] - table["realised"]).abs()
    return float((table["n"] * distance).sum() / table["n"].sum() / mean)


def lift(predicted: npt.ArrayLike, realised: npt.ArrayLike, groups: int = DECILES) -> Floats:
    """Return the share of what was realised that came from each tenth of the customers, the best predictions first.

    Customers of equal prediction each count with their mean, which is the expectation over random orders of them, and
    a customer on a border counts in parts: the tenths are equal and do not depend on the order of rows.

    Parameters
    ----------
    predicted, realised
        (n,) prediction of each customer, and the outcome.
    groups
        Number of groups.

    Returns
    -------
    numpy.ndarray
        (groups,) shares that add up to 1; NaN where nothing was realised.
    """
    score, y = np.asarray(predicted, dtype=float), np.asarray(realised, dtype=float)
    if y.sum() == 0:
        return np.full(groups, np.nan)
    of_row = np.unique(-score, return_inverse=True)[1]
    count = np.bincount(of_row).astype(float)
    total = np.bincount(of_row, weights=y)
    # Within a tie the running total grows evenly, so it is a straight line between the ends of ties.
    reached = np.interp(
        np.linspace(0, y.size, groups + 1),
        np.concatenate([[0.0], np.cumsum(count)]),
        np.concatenate([[0.0], np.cumsum(total)]),
    )
    return np.asarray(np.diff(reached) / y.sum())


@dataclass(frozen=True)
class NearlySure:
    """Customers of whom it was nearly sure that they buy: how many, how many were expected not to, how many did not."""

    customers: int
    expected_not_to: float
    did_not: int

    @property
    def sentence(self) -> str:
        """Say it, and whether more were wrong than chance explains."""
        if not self.customers:
            return f"Nobody had a p_purchase of {NEARLY_SURE} or more."
        beyond = self.did_not > self.expected_not_to + 2.0 * max(self.expected_not_to, 1.0) ** 0.5
        overconfident = "; that is more than chance, so the highest probabilities are too high" if beyond else ""
        return (
            f"Of the {self.customers:,} with a p_purchase of {NEARLY_SURE} or more, {self.expected_not_to:.1f} were "
            f"expected not to buy, and {self.did_not:,} did not{overconfident}."
        )


def nearly_sure(p: Floats, bought: npt.NDArray[np.bool_]) -> NearlySure:
    """Count those of whom it was nearly sure that they buy; probabilities and outcomes are of shape (n,)."""
    top = p >= NEARLY_SURE
    return NearlySure(int(top.sum()), float((1.0 - p[top]).sum()), int((~bought[top]).sum()))
