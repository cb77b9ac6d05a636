"""Whom to call: the customers with most at stake, and why each of them."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.names import feature_group
from models.customer_scorer import CATEGORIES
from models.reasons import nps_reasons
from models.release import Release

CALLS = 10
# Reasons are published for as many customers as a team can call before the next scoring.
LONGEST_LIST = 1000


def call_list(scores: pd.DataFrame, release: Release, longest: int = LONGEST_LIST) -> pd.DataFrame:
    """Choose the customers most worth a call: those with most lifetime value at stake.

    With an NPS model these are the customers likelier to be detractors than the base, and what is at stake is clv times
    that probability. Where no model tells detractors apart, it is clv times the probability that the customer does
    not come back within the churn horizon.

    Parameters
    ----------
    scores : pandas.DataFrame
        As `models.assembly.assemble_scores` gives them.
    release : Release
        Of the scorer.
    longest : int
        At most so many customers.

    Returns
    -------
    pandas.DataFrame
        Rows of ``scores`` with ``at_stake`` (money), most first; its index is that of ``scores``. Nobody without
        anything at stake is listed.
    """
    if release.parameters["nps"]["source"] == "model":
        risk = scores["p_detractor"].astype(float)
        listed = risk > risk.mean()
    else:
        risk = scores["p_churn"]
        listed = pd.Series(True, index=scores.index)
    chosen = scores.assign(at_stake=scores["clv"] * risk)
    chosen = chosen[listed & (chosen["at_stake"] > 0)]
    return chosen.sort_values(["at_stake", "customer_id"], ascending=[False, True], kind="stable").head(longest)


def explain(calls: pd.DataFrame, described: pd.DataFrame, release: Release, base: npt.NDArray[np.float64]) -> pd.Series:
    """Say why each customer of a list is on it.

    Parameters
    ----------
    calls : pandas.DataFrame
        As `call_list` gives it.
    described : pandas.DataFrame
        The features of everyone, same index.
    release : Release
        Of the scorer.
    base : numpy.ndarray
        Mean probabilities (3,) of the base, to compare with.

    Returns
    -------
    pandas.Series
        JSON text by the index of ``calls``: a list of objects with ``group`` and ``text``, what is at stake first.
    """
    rows = described.loc[calls.index]
    why = [[_stake(call)] for call in calls.to_dict("records")]
    for reasons, row in zip(why, rows.to_dict("records"), strict=True):
        reasons.extend(_rhythm(row))
    scorer, nps = release.scorer(), release.parameters["nps"]
    if "nps_category" in scorer.boosters and len(rows):
        matrix = rows.reindex(columns=nps["features"]).to_numpy(float)
        calibration = np.asarray(nps["calibration"]["weights"]), np.asarray(nps["calibration"]["bias"])
        found = nps_reasons(
            scorer.boosters["nps_category"], matrix, nps["features"], feature_group, calibration, list(base)
        )
        for reasons, more in zip(why, found, strict=True):
            reasons.extend({"group": reason["group"], "text": reason["text"]} for reason in more or [])
    texts = [json.dumps(reasons, ensure_ascii=False) for reasons in why]
    return pd.Series(texts, index=calls.index, dtype=object)


def base_rates(scores: pd.DataFrame) -> npt.NDArray[np.float64]:
    """Return the mean probabilities (3,) of the base; NaN where there is no NPS model."""
    return scores[[f"p_{name}" for name in CATEGORIES]].astype(float).mean().to_numpy()


def _stake(call: dict[Any, Any]) -> dict[str, str]:
    text = f"{call['at_stake']:,.0f} of {call['clv']:,.0f} lifetime value at stake"
    return {"group": "value", "text": text}


def _rhythm(row: dict[Any, Any]) -> list[dict[str, str]]:
    """Say how long a customer has been silent against their own rhythm, where that is long."""
    usual, since = row["days_between_purchases"], row["days_since_last_purchase"]
    if not (usual > 0 and since > usual):
        return []
    text = f"silent for {since:,.0f} days; a purchase every {usual:,.0f} days before"
    return [{"group": "purchase rhythm", "text": text}]
