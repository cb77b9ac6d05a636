"""Predictions made at a past cut beside what happened then, and beside rules that need no model.

The table says plainly where a simple rule is the better one: on CDNOW the days since the last purchase rank buyers
better than any of the models. So no single figure decides anything here.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from models import metrics
from models.customer_scorer import PurchaseParameters, expected_purchases, p_alive

Array = npt.NDArray[np.float64]

MODEL, ZERO, RECENCY, OWN_PAST, CONSTANT = (
    "model",
    "always zero",
    "days since last purchase",
    "own past rate",
    "best constant in hindsight",
)
AMOUNT_MEASURES = ("mae", "rmse", "correlation", "gini", "bias")
BUYER_MEASURES = ("auc", "log_loss", "brier")
_LARGER_IS_BETTER = ("correlation", "gini", "auc")
_IN_WORDS = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "correlation": "correlation",
    "gini": "normalised Gini",
    "bias": "bias of the total",
    "auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
}


def backtest(customers: pd.DataFrame, outcomes: pd.DataFrame, horizon: float) -> pd.DataFrame:
    """Measure the predictions of the cut, and of baselines, on the outcomes of the horizon.

    Parameters
    ----------
    customers
        One row per customer known at the cut: customer_id, frequency, recency and T (days), total_value (net value of
        all purchases), and the predictions p_purchase, expected_purchases, expected_revenue.
    outcomes
        One row per customer: customer_id, and the purchases and revenue realised in the horizon (zeros included).
    horizon
        Days.

    Returns
    -------
    pandas.DataFrame
        One row per predictor, one column per measure: purchases_ and revenue_ with mae, rmse, correlation, gini
        (normalised by the perfect order), bias (of the total, as a share of the realised one), and p_purchase_ with
        auc, log_loss and brier. NaN where a predictor does not predict the quantity, or the figure is not defined.

    Raises
    ------
    ValueError
        If a customer is twice in either table, or has no outcome.
    """
    frame = _joined(customers, outcomes)
    realised = {"purchases": frame["purchases"].to_numpy(float), "revenue": frame["revenue"].to_numpy(float)}
    bought = realised["purchases"] > 0
    rows: dict[str, dict[str, float]] = {}
    for name, predicted in _amounts(frame, realised, horizon).items():
        rows[name] = {
            f"{what}_{measure}": value
            for what, prediction in predicted.items()
            for measure, value in _amount_measures(realised[what], prediction).items()
        }
    for name, (score, is_probability) in _buyers(frame, bought).items():
        found = {"p_purchase_auc": metrics.auc(bought, score)}
        if is_probability:
            found["p_purchase_log_loss"] = metrics.log_loss(bought, score)
            found["p_purchase_brier"] = metrics.brier(bought, score)
        rows.setdefault(name, {}).update(found)
    columns = [f"{what}_{measure}" for what in ("purchases", "revenue") for measure in AMOUNT_MEASURES]
    columns += [f"p_purchase_{measure}" for measure in BUYER_MEASURES]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=columns)
    return table.loc[[MODEL, ZERO, RECENCY, OWN_PAST, CONSTANT]].astype(float).rename_axis("predictor")


def wins(table: pd.DataFrame) -> list[str]:
    """Say in one sentence each where a baseline is better than the model.

    Parameters
    ----------
    table
        As `backtest` returns it.
    """
    said = []
    for column in table.columns:
        what, measure = _split(column)
        sign = -1.0 if measure in _LARGER_IS_BETTER else 1.0
        loss = sign * (table[column].abs() if measure == "bias" else table[column])
        others = loss.drop(index=[MODEL, CONSTANT]).dropna()
        if others.empty or not others.min() < loss[MODEL]:
            continue
        best = str(others.idxmin())
        of_best, of_model = (_shown(measure, float(table[column].loc[name])) for name in (best, MODEL))
        said.append(f"{_IN_WORDS[measure]} of {what}: {best} beats the model, {of_best} against {of_model}")
    return said


def expected_cumulative_purchases(
    days: npt.ArrayLike, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike, parameters: PurchaseParameters
) -> Array:
    """Purchases expected of a whole base within each number of days after the cut.

    The sum over customers of `customer_scorer.expected_purchases`. Given that a customer is alive it depends on (x,
    T) only, so P(alive) is summed over equal pairs first.

    Parameters
    ----------
    days
        (d,) days after the cut.
    x, t_x, T
        (n,) frequency, recency and age of each customer at the cut.
    parameters
        In days.

    Returns
    -------
    numpy.ndarray
        (d,) expected purchases.
    """
    frequency, recency, age = (np.asarray(column, dtype=float) for column in (x, t_x, T))
    alive = p_alive(frequency, recency, age, parameters)
    pairs = pd.DataFrame({"x": frequency, "T": age, "alive": alive}).groupby(["x", "T"], as_index=False)["alive"].sum()
    few_x, few_T = pairs["x"].to_numpy()[:, None], pairs["T"].to_numpy()[:, None]
    # A customer who bought at T exactly: dividing by their P(alive) leaves the expectation of the living.
    of_one = expected_purchases(np.asarray(days, dtype=float)[None, :], few_x, few_T, few_T, parameters)
    of_living = of_one / p_alive(few_x, few_T, few_T, parameters)
    return np.asarray(pairs["alive"].to_numpy() @ of_living)


def cumulative_purchases(purchase_days: npt.ArrayLike, days: Sequence[float] | Array) -> Array:
    """Count the purchases made within each number of days after the cut.

    Parameters
    ----------
    purchase_days
        Days from the cut to each purchase, 0 for the day of the cut itself.
    days
        (d,) days after the cut; 1 holds the day of the cut.
    """
    return np.searchsorted(np.sort(np.asarray(purchase_days, dtype=float)), days, side="left").astype(float)


def _joined(customers: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Put customers beside their outcomes, one row each."""
    for name, table in (("customers", customers), ("outcomes", outcomes)):
        if table["customer_id"].duplicated().any():
            twice = table.loc[table["customer_id"].duplicated(), "customer_id"].iloc[0]
            raise ValueError(f"{name} must hold each customer once, but {twice!r} is there twice")
    known = customers.drop(columns=["purchases", "revenue"], errors="ignore")
    frame = known.merge(outcomes[["customer_id", "purchases", "revenue"]], on="customer_id", how="left")
    if frame["purchases"].isna().any():
        lost = frame.loc[frame["purchases"].isna(), "customer_id"]
        raise ValueError(f"{len(lost)} customers have no outcome, the first is {lost.iloc[0]!r}")
    return frame


def _amounts(frame: pd.DataFrame, realised: dict[str, Array], horizon: float) -> dict[str, dict[str, Array]]:
    """Predicted purchases and revenue of each predictor that predicts amounts."""
    days = frame["T"].to_numpy(float)
    repeats = frame["frequency"].to_numpy(float)
    expected = np.divide(repeats, days, out=np.zeros(len(frame)), where=days > 0) * horizon
    mean_value = frame["total_value"].to_numpy(float) / (repeats + 1.0)
    zero = np.zeros(len(frame))
    return {
        MODEL: {
            "purchases": frame["expected_purchases"].to_numpy(float),
            "revenue": frame["expected_revenue"].to_numpy(float),
        },
        ZERO: {"purchases": zero, "revenue": zero},
        OWN_PAST: {"purchases": expected, "revenue": expected * mean_value},
        CONSTANT: {what: np.full(len(frame), values.mean()) for what, values in realised.items()},
    }


def _buyers(frame: pd.DataFrame, bought: npt.NDArray[np.bool_]) -> dict[str, tuple[Array, bool]]:
    """How each predictor ranks who buys at all, and whether its score is a probability."""
    rate = frame["frequency"] / frame["T"].where(frame["T"] > 0)
    return {
        MODEL: (frame["p_purchase"].to_numpy(float), True),
        RECENCY: ((frame["recency"] - frame["T"]).to_numpy(float), False),
        OWN_PAST: (rate.fillna(0.0).to_numpy(float), False),
        CONSTANT: (np.full(len(frame), bought.mean()), True),
    }


def _amount_measures(realised: Array, predicted: Array) -> dict[str, float]:
    error = predicted - realised
    varies = np.ptp(predicted) > 0 and np.ptp(realised) > 0
    total = float(realised.sum())
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "correlation": float(np.corrcoef(predicted, realised)[0, 1]) if varies else float("nan"),
        "gini": metrics.normalised_gini(realised, predicted) if np.ptp(predicted) > 0 else float("nan"),
        "bias": float(error.sum()) / total if total else float("nan"),
    }


def _split(column: str) -> tuple[str, str]:
    """Quantity and measure of a column."""
    measure = next(m for m in (*AMOUNT_MEASURES, *BUYER_MEASURES) if column.endswith(f"_{m}"))
    return column.removesuffix(f"_{measure}"), measure


def _shown(measure: str, value: float) -> str:
    return f"{100 * value:+.1f} %" if measure == "bias" else f"{value:.4g}"
