"""Predictions made at a past cutoff, compared with what happened afterwards and with baselines that need no model.

The table shows where a simple baseline is better: on CDNOW the days since the last purchase rank buyers better than any
of the models. So no single figure decides anything here.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.scoring.bg_nbd import expected_purchases, p_alive
from models.scoring.parameters import PurchaseParameters
from models.stats import metrics
from models.stats.deciles import calibration_error
from models.stats.typing import Floats

MODEL = "model"
ZERO, RECENCY, OWN_RATE, LAST_PERIOD, CONSTANT = (
    "always zero",
    "days since last purchase",
    "own average rate",
    "last period repeated",
    "best constant in hindsight",
)
BASELINES = (ZERO, RECENCY, OWN_RATE, LAST_PERIOD, CONSTANT)
PREDICTED = ("p_purchase", "expected_purchases", "expected_revenue")
AMOUNT_MEASURES = ("mae", "rmse", "correlation", "gini", "absolute_bias", "bias", "calibration")
BUYER_MEASURES = ("auc", "log_loss", "brier", "calibration")
_LARGER_IS_BETTER = ("correlation", "gini", "auc")
_IN_WORDS = {
    "mae": "mean absolute error",
    "rmse": "root mean squared error",
    "correlation": "correlation",
    "gini": "normalised Gini",
    "absolute_bias": "bias of the total",
    "calibration": "calibration error by decile",
    "auc": "AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
}


def backtest(
    customers: pd.DataFrame,
    outcomes: pd.DataFrame,
    horizon: float,
    predictions: Mapping[str, pd.DataFrame] | None = None,
) -> pd.DataFrame:
    """Measure the predictions of the cutoff, and of baselines, on the outcomes of the horizon.

    Parameters
    ----------
    customers
        One row per customer of the cutoff: customer_id, frequency, recency and T (days), total_value (net value of all
        purchases) and, for the baseline "last period repeated", purchases_before and revenue_before: those of the last
        days before the cutoff, as many as the horizon has.
    outcomes
        One row per customer: customer_id, and the purchases and revenue realised in the horizon (zeros included).
    horizon
        Days.
    predictions
        Per model p_purchase, expected_purchases and expected_revenue, with the index of ``customers``. Where it is
        left out they are columns of ``customers``, of one model named "model".

    Returns
    -------
    pandas.DataFrame
        One row per predictor, models first; one column per measure: purchases_ and revenue_ with mae, rmse,
        correlation, gini (normalised by the perfect order), bias and absolute_bias (of the total, as a share of the
        realised one, with and without its sign) and calibration (`deciles.calibration_error`); p_purchase_ with auc,
        log_loss, brier and calibration. NaN where a predictor does not predict the quantity, or the figure is not
        defined: the baseline that repeats the last period is certain of each customer, and has no log loss.

    Raises
    ------
    ValueError
        If a customer is twice in either table, or has no outcome.
    """
    frame = _joined(customers, outcomes)
    of_model = {MODEL: customers} if predictions is None else predictions
    models = {name: predicted.loc[customers.index, list(PREDICTED)] for name, predicted in of_model.items()}
    realised = {what: frame[what].to_numpy(float) for what in ("purchases", "revenue")}
    bought = realised["purchases"] > 0
    rows: dict[str, dict[str, float]] = {name: {} for name in (*models, *BASELINES)}
    for name, predicted in _amounts(frame, realised, horizon, models).items():
        for what, prediction in predicted.items():
            measures = _amount_measures(realised[what], prediction)
            rows[name] |= {f"{what}_{measure}": value for measure, value in measures.items()}
    for name, (score, probability) in _buyers(frame, bought, models).items():
        rows[name] |= {f"p_purchase_{m}": value for m, value in _buyer_measures(bought, score, probability).items()}
    return pd.DataFrame.from_dict(
        {name: row for name, row in rows.items() if row}, orient="index", columns=_columns(), dtype=float
    ).rename_axis("predictor")


def wins(table: pd.DataFrame) -> list[str]:
    """Return a sentence for each measure by which a baseline is better than a model.

    Parameters
    ----------
    table
        As `backtest` returns it; every row that is no baseline is a model's.
    """
    return [sentence for model in models_of(table) for sentence in _wins_over(table, model)]


def models_of(table: pd.DataFrame) -> list[str]:
    """Name the rows that are models, in order."""
    return [str(name) for name in table.index if name not in BASELINES]


def _wins_over(table: pd.DataFrame, model: str) -> list[str]:
    sentences = []
    named = "the model" if model == MODEL else model
    baselines = [name for name in table.index if name in BASELINES and name != CONSTANT]
    for column in table.columns:
        what, measure = _split(column)
        if measure == "bias":
            continue  # judged without its sign
        sign = -1.0 if measure in _LARGER_IS_BETTER else 1.0
        loss = sign * table[column]
        better = loss.loc[baselines].dropna().sort_values(kind="stable")
        better = better[better < loss[model]]
        if better.empty:
            continue
        best, *others = [str(name) for name in better.index]
        figures = {name: shown(measure, float(table[column].loc[name])) for name in (best, *others, model)}
        also = " and ".join(f"{name} ({figures[name]})" for name in others)
        sentences.append(
            f"{_IN_WORDS[measure]} of {what}: {best} beats {named}, {figures[best]} against {figures[model]}"
            + (f"; so {'do' if len(others) > 1 else 'does'} {also}" if others else "")
        )
    return sentences


def shown(measure: str, value: float) -> str:
    """Format a figure: a bias and a calibration error in percent, others with four digits."""
    return f"{100 * value:.2f} %" if measure in ("absolute_bias", "calibration") else f"{value:.4g}"


def own_average_rate(customers: pd.DataFrame, horizon: float) -> dict[str, Floats]:
    """Predict each customer by their own past rate of purchases and mean value of a purchase.

    Parameters
    ----------
    customers
        frequency, T (days), total_value.
    horizon
        Days.

    Returns
    -------
    dict
        purchases: frequency / T * horizon, 0 on the day of the first purchase; revenue: that times the mean purchase.
    """
    days, repeats = customers["T"].to_numpy(float), customers["frequency"].to_numpy(float)
    purchases = np.divide(repeats, days, out=np.zeros(len(customers)), where=days > 0) * horizon
    return {"purchases": purchases, "revenue": purchases * customers["total_value"].to_numpy(float) / (repeats + 1.0)}


def expected_cumulative_purchases(
    days: npt.ArrayLike, x: npt.ArrayLike, t_x: npt.ArrayLike, T: npt.ArrayLike, parameters: PurchaseParameters
) -> Floats:
    """Purchases expected of a whole base within each number of days after the cutoff.

    The sum over customers of `customer_scorer.expected_purchases`. Given that a customer is alive it depends on (x,
    T) only, so P(alive) is summed over equal pairs first.

    Parameters
    ----------
    days
        (d,) days after the cutoff.
    x, t_x, T
        (n,) frequency, recency and age of each customer at the cutoff.
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


def _joined(customers: pd.DataFrame, outcomes: pd.DataFrame) -> pd.DataFrame:
    """Put customers beside their outcomes, one row each."""
    for name, table in (("customers", customers), ("outcomes", outcomes)):
        if table["customer_id"].duplicated().any():
            twice = table.loc[table["customer_id"].duplicated(), "customer_id"].iloc[0]
            raise ValueError(f"{name} must hold each customer once, but {twice!r} is there twice")
    described = customers.drop(columns=["purchases", "revenue"], errors="ignore")
    frame = described.merge(outcomes[["customer_id", "purchases", "revenue"]], on="customer_id", how="left")
    if frame["purchases"].isna().any():
        lost = frame.loc[frame["purchases"].isna(), "customer_id"]
        raise ValueError(f"{len(lost)} customers have no outcome, the first is {lost.iloc[0]!r}")
    return frame


def _amounts(
    frame: pd.DataFrame, realised: dict[str, Floats], horizon: float, models: Mapping[str, pd.DataFrame]
) -> dict[str, dict[str, Floats]]:
    """Predicted purchases and revenue of each predictor that predicts amounts."""
    zero = np.zeros(len(frame))
    amounts = {
        name: {what: predicted[f"expected_{what}"].to_numpy(float) for what in realised}
        for name, predicted in models.items()
    }
    amounts[ZERO] = {"purchases": zero, "revenue": zero}
    amounts[OWN_RATE] = own_average_rate(frame, horizon)
    if "purchases_before" in frame:
        amounts[LAST_PERIOD] = {what: frame[f"{what}_before"].to_numpy(float) for what in realised}
    amounts[CONSTANT] = {what: np.full(len(frame), values.mean()) for what, values in realised.items()}
    return amounts


def _buyers(
    frame: pd.DataFrame, bought: npt.NDArray[np.bool_], models: Mapping[str, pd.DataFrame]
) -> dict[str, tuple[Floats, Floats | None]]:
    """Return the ranking of each predictor by who buys at all, and its probability where it has one."""
    rankings: dict[str, tuple[Floats, Floats | None]] = {}
    for name, predicted in models.items():
        p = predicted["p_purchase"].to_numpy(float)
        rankings[name] = (p, p)
    zero, share = np.zeros(len(frame)), np.full(len(frame), bought.mean())
    rate = frame["frequency"] / frame["T"].where(frame["T"] > 0)
    rankings[ZERO] = (zero, zero)
    rankings[RECENCY] = ((frame["recency"] - frame["T"]).to_numpy(float), None)
    rankings[OWN_RATE] = (rate.fillna(0.0).to_numpy(float), None)
    if "purchases_before" in frame:
        before = frame["purchases_before"].to_numpy(float)
        rankings[LAST_PERIOD] = (before, (before > 0).astype(float))
    rankings[CONSTANT] = (share, share)
    return rankings


def _buyer_measures(bought: npt.NDArray[np.bool_], score: Floats, probability: Floats | None) -> dict[str, float]:
    measures = {"auc": metrics.auc(bought, score)}
    if probability is None:
        return measures
    measures["brier"] = metrics.brier(bought, probability)
    measures["calibration"] = calibration_error(probability, bought)
    if np.any((probability > 0) & (probability < 1)):
        measures["log_loss"] = metrics.log_loss(bought, probability)
    return measures


def _amount_measures(realised: Floats, predicted: Floats) -> dict[str, float]:
    error = predicted - realised
    varies = np.ptp(predicted) > 0 and np.ptp(realised) > 0
    total = float(realised.sum())
    bias = float(error.sum()) / total if total else float("nan")
    return {
        "mae": float(np.abs(error).mean()),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "correlation": float(np.corrcoef(predicted, realised)[0, 1]) if varies else float("nan"),
        "gini": metrics.normalised_gini(realised, predicted) if np.ptp(predicted) > 0 else float("nan"),
        "absolute_bias": abs(bias),
        "bias": bias,
        "calibration": calibration_error(predicted, realised),
    }


def _columns() -> list[str]:
    amounts = [f"{what}_{measure}" for what in ("purchases", "revenue") for measure in AMOUNT_MEASURES]
    return [*amounts, *(f"p_purchase_{measure}" for measure in BUYER_MEASURES)]


def _split(column: str) -> tuple[str, str]:
    """Quantity and measure of a column."""
    measure = next(m for m in (*AMOUNT_MEASURES, *BUYER_MEASURES) if column.endswith(f"_{m}"))
    return column.removesuffix(f"_{measure}"), measure
