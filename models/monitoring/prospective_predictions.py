"""Prospective predictions: published predictions of an answer, made and published before the answer was given.

A prediction counts only if it describes the customer at or before the invitation, was published before the answer, and
comes from a model that was not trained on that answer.
"""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from models.scoring.columns import CATEGORIES, PROBABILITIES

PRIORS = tuple(f"prior_{name}" for name in CATEGORIES)


def predictions_before_answers(
    predictions: Iterable[pd.DataFrame], scorers: pd.DataFrame, answers: pd.DataFrame
) -> pd.DataFrame:
    """Join each answer with the newest prediction that was published before it.

    Parameters
    ----------
    predictions : iterable of pandas.DataFrame
        Published tables of scores, in the order of publication: customer_id, as_of, p_detractor, p_passive, p_promoter,
        nps_source, scorer_version and optionally published_at (in the shop's time zone). A table without published_at
        counts as published at its as_of, which is right for runs replayed on past data.
    scorers : pandas.DataFrame
        Indexed by scorer_version: nps_as_of (the NPS model was trained on answers given before its midnight) and
        prior_detractor, prior_passive, prior_promoter, the shares in training.
    answers : pandas.DataFrame
        One row per answer: customer_id, as_of (of the invitation), answered_at and category (0, 1, 2).

    Returns
    -------
    pandas.DataFrame
        One row per answer with such a prediction, in the order of the answers: their columns, and predicted_as_of,
        scorer_version, nps_source, the probabilities and the prior of the prediction.

    Raises
    ------
    KeyError
        If a column is missing, or the version of a table is not among the scorers.
    """
    asked = answers[["customer_id", "as_of", "answered_at", "category"]].reset_index(drop=True).copy()
    asked["customer_id"] = asked["customer_id"].astype(str)
    for name in ("as_of", "answered_at"):
        asked[name] = pd.to_datetime(asked[name])
    asked["answer"] = np.arange(len(asked))
    of_version = scorers[["nps_as_of", *PRIORS]].set_axis(scorers.index.astype(str))
    pairs = [_candidates(table, of_version, asked) for table in predictions]
    columns = [
        *asked.columns,
        "predicted_as_of",
        "published_at",
        "scorer_version",
        "nps_source",
        *PROBABILITIES,
        *PRIORS,
    ]
    candidates = pd.concat(pairs, ignore_index=True) if pairs else pd.DataFrame(columns=columns)
    newest = candidates.sort_values(["answer", "predicted_as_of", "published_at"], kind="stable")
    newest = newest.drop_duplicates("answer", keep="last")
    return newest[columns].drop(columns=["answer", "published_at"]).reset_index(drop=True)


def _candidates(table: pd.DataFrame, of_version: pd.DataFrame, asked: pd.DataFrame) -> pd.DataFrame:
    """All pairs of an answer and a prediction of this table that was published before it."""
    predicted = table[table["customer_id"].isin(asked["customer_id"]) & table["nps_source"].notna()]
    columns = {
        "customer_id": predicted["customer_id"].astype(str),
        "predicted_as_of": pd.to_datetime(predicted["as_of"]),
        "published_at": pd.to_datetime(predicted.get("published_at", predicted["as_of"])),
        "scorer_version": predicted["scorer_version"].astype(str),
        **{name: predicted[name] for name in ("nps_source", *PROBABILITIES)},
    }
    pairs = asked.merge(pd.DataFrame(columns), on="customer_id")
    unknown = sorted(set(pairs["scorer_version"]) - set(of_version.index))
    if unknown:
        raise KeyError(f"scorers lacks version {', '.join(unknown)}; it has {', '.join(of_version.index)}")
    pairs = pairs.join(of_version, on="scorer_version")
    is_prospective = (
        (pairs["predicted_as_of"] <= pairs["as_of"])
        & (pairs["published_at"] < pairs["answered_at"])
        & (pd.to_datetime(pairs["nps_as_of"]) <= pairs["answered_at"])
    )
    return pairs[is_prospective].drop(columns="nps_as_of")
