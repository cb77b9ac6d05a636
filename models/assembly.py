"""From predictions to the published table: what the row-wise scorer cannot know is added here."""

from collections.abc import Mapping
from datetime import date

import pandas as pd
import pyarrow as pa

from features.describe import describe, materialise
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import Tables
from models.customer_scorer import SCORE_COLUMNS
from models.release import Release, days_since_purchase
from models.rfm import rfm_scores
from models.scores import to_table

_FROM_FEATURES = ("customer_id", "as_of", "first_purchase", "last_purchase", "monetary_value")
_DAYS = ("frequency", "recency", "T")


def assemble_scores(
    described: pd.DataFrame, predicted: pd.DataFrame, release: Release, index_before: pd.Series | None
) -> pd.DataFrame:
    """Put a base's features and predictions together with what is added at publication.

    Parameters
    ----------
    described : pandas.DataFrame
        One row per customer, as `features.describe.describe` gives it.
    predicted : pandas.DataFrame
        The scorer's output, row for row.
    release : Release
        Of the scorer: its RFM cut points are used.
    index_before : pandas.Series or None
        next_purchase_index by customer_id at the as_of of the current scores, under this scorer; None at first.

    Returns
    -------
    pandas.DataFrame
        Every column of the published table; ``reasons`` are null.
    """
    scores = described[list(_FROM_FEATURES)].copy()
    scores[list(_DAYS)] = described[list(_DAYS)].astype("int64")
    for name in SCORE_COLUMNS:
        scores[name] = predicted[name].to_numpy()
    before = pd.Series(dtype=float) if index_before is None else index_before
    earlier = scores["customer_id"].map(before)
    scores["next_purchase_index_change"] = scores["next_purchase_index"] - earlier.astype(float)
    value, purchases = described["total_value"], described["frequency"] + 1
    rfm = rfm_scores(days_since_purchase(described), purchases, value, release.parameters["rfm"])
    scores[["rfm", "segment"]] = rfm
    scores["reasons"] = None
    return scores


def index_at(tables: Tables, as_of: date, release: Release) -> pd.Series:
    """Return the next purchase index of everyone at an earlier date, under a release, by customer_id."""
    spine, scorer = everyone(tables.transactions, as_of), release.scorer()
    if scorer.has_second_stage:
        base = materialise(describe(tables, spine, release.vocabulary))
    else:
        base = materialise(summarise_purchases(tables.transactions, spine))
    index = 100.0 * scorer.predict_horizon(base)["p_purchase"].to_numpy()
    return pd.Series(index, index=base["customer_id"])


def scores_table(
    scores: pd.DataFrame, release: Release, version: int, as_of: date, said: Mapping[str, str]
) -> pa.Table:
    """Type a table of scores and let it say where it comes from.

    Parameters
    ----------
    scores : pandas.DataFrame
        As `assemble_scores` gives them.
    release : Release
        The scorer's.
    version : int
        The scorer's version.
    as_of : datetime.date
        The day customers are described at.
    said : Mapping of str to str
        ``run_id``, ``input_digest`` and ``currency``.
    """
    parameters = release.parameters
    metadata = {
        **{name: str(parameters[name]) for name in ("horizon", "churn_horizon", "clv_horizon", "nps_question")},
        "scorer_version": str(version),
        "scorer_trained_after_as_of": str(release.as_of > as_of).lower(),
        **said,
    }
    return to_table(scores, metadata)
