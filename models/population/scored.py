"""From predictions to the published table. The columns that need more than one row of features are added here."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from features.describe import everyone_described, materialise
from features.purchases import purchase_summary
from features.tables import StoredTable, Tables
from models.population.scores_table import GROUP_ROWS, schema_of, typed, write_scores
from models.population.segment_labels import has_personas
from models.release.release import Release
from models.scoring.columns import PROBABILITIES, SCORE_COLUMNS
from models.scoring.nps import categories
from models.segments.personas.model import assign_personas

_FROM_FEATURES = ("customer_id", "as_of", "first_purchase", "last_purchase", "monetary_value")
_DAYS = ("frequency", "recency", "T")
_TEXTS_BEFORE = ("nps_category_before", "segment_before")
_BEFORE = ("next_purchase_index_before", *_TEXTS_BEFORE)


def score_described(
    described: StoredTable,
    predict: Callable[[pd.DataFrame], pd.DataFrame],
    release: Release,
    before: pd.DataFrame | None,
    file: Path,
) -> StoredTable:
    """Score everyone in batches, so that neither features nor scores of all customers are in memory at once.

    Parameters
    ----------
    described : StoredTable
        One row per customer, as `features.describe.everyone_described` gives it.
    predict : callable
        Gives the scorer's output for rows of ``described``.
    release, before
        As in `assemble_scores`.
    file : Path
        Where the scores are kept.

    Returns
    -------
    StoredTable
        The scores in the order of ``described``, with every column of the published table; ``reasons`` are null.
    """
    batches = described.batches()
    write_scores((typed(assemble_scores(batch, predict(batch), release, before)) for batch in batches), file)
    return StoredTable(file, described.folder)


def assemble_scores(
    described: pd.DataFrame, predicted: pd.DataFrame, release: Release, before: pd.DataFrame | None
) -> pd.DataFrame:
    """Join features and predictions of a base with the columns that are added at publication.

    Parameters
    ----------
    described : pandas.DataFrame
        One row per customer, as `features.describe.describe` gives it.
    predicted : pandas.DataFrame
        The scorer's output, with the same rows.
    release : Release
        The scorer's; its RFM cut points and personas are used.
    before : pandas.DataFrame or None
        As `scores_at` gives it for the as_of of the previous scores; None if there are none.

    Returns
    -------
    pandas.DataFrame
        Every column of the published table; ``reasons`` are null.
    """
    scores = described[list(_FROM_FEATURES)].copy()
    scores[list(_DAYS)] = described[list(_DAYS)].astype("int64")
    if "p_any_revenue" not in predicted:
        # The scorer is of an earlier release; what it calls p_purchase is the same probability.
        predicted = predicted.assign(p_any_revenue=predicted["p_purchase"])
    for name in SCORE_COLUMNS:
        scores[name] = predicted[name].to_numpy()
    earlier = scores[["customer_id"]].join(
        pd.DataFrame(columns=[*_BEFORE]) if before is None else before, "customer_id"
    )
    index_before = earlier["next_purchase_index_before"].astype(float)
    scores["next_purchase_index_change"] = scores["next_purchase_index"] - index_before
    for name in _TEXTS_BEFORE:
        texts = earlier[name].astype(object)
        scores[name] = texts.where(texts.notna(), None)
    scores[["rfm", "segment"]] = release.rfm_scores(described)
    personas = release.parameters.personas if has_personas(release) else None
    scores["persona"] = assign_personas(personas, described) if personas is not None else None
    scores["reasons"] = None
    return scores


def scores_at(tables: Tables, as_of: date, release: Release, until: date | None = None) -> pd.DataFrame:
    """Score everyone at an earlier date with today's scorer, so that only the customers differ since then.

    Parameters
    ----------
    tables, release
        The shop's checked tables, and today's scorer.
    as_of : datetime.date
        The earlier date, exclusive.
    until : datetime.date, optional
        Today's as_of: adds where each customer's segment is moved by the passing of time alone.

    Returns
    -------
    pandas.DataFrame
        Indexed by customer_id: next_purchase_index_before, segment_before, nps_category_before (None without
        a signal) and p_detractor, p_passive, p_promoter (NaN without one). With `until` also days_since_before (days
        since the last purchase at the earlier date), segment_if_silent (the segment at `until` of a customer who buys
        nothing before it) and p_silent (the probability of that, by the purchase model).
    """
    days = None if until is None else (until - as_of).days
    return pd.concat([scores_of_earlier(base, release, days) for base in _bases(tables, as_of, release)])


def _bases(tables: Tables, as_of: date, release: Release) -> Iterator[pd.DataFrame]:
    """Read everyone at a date in batches, with no more features than the release needs."""
    if needs_all_features(release):
        return everyone_described(tables, as_of, release.vocabulary).batches()
    return iter([materialise(purchase_summary(tables, as_of))])


def needs_all_features(release: Release) -> bool:
    """Whether what `scores_at` gives depends on more than the summary of purchases."""
    return release.scorer.has_second_stage or release.parameters.nps.source == "model"


def scores_of_earlier(base: pd.DataFrame, release: Release, days: int | None) -> pd.DataFrame:
    """Score rows of an earlier date, as `scores_at` does; without `days` nothing is said of the silent."""
    scorer = release.scorer
    scores = pd.DataFrame(index=base["customer_id"])
    scores["next_purchase_index_before"] = 100.0 * scorer.predict_horizon(base)["p_purchase"].to_numpy()
    scores["segment_before"] = release.rfm_scores(base)["segment"].to_numpy()
    if days is not None:
        later = base.assign(T=base["T"] + days)
        scores["days_since_before"] = (base["T"] - base["recency"]).to_numpy(float)
        scores["segment_if_silent"] = release.rfm_scores(later)["segment"].to_numpy()
        scores["p_silent"] = scorer.p_silent(base, days).to_numpy()
    scores["nps_category_before"] = None
    scores[list(PROBABILITIES)] = np.nan
    if release.parameters.nps.source is not None:
        probabilities = scorer.category_probabilities(base)
        scores["nps_category_before"] = categories(release.parameters.nps, probabilities)
        scores[list(PROBABILITIES)] = probabilities
    return scores


def publishable(scores: StoredTable, reasons: pd.Series, metadata: Mapping[str, str]) -> Iterator[pa.Table]:
    """Give stored scores part by part as they are published.

    Parameters
    ----------
    scores : StoredTable
        As `score_described` gives them.
    reasons : pandas.Series
        The text of each customer's reasons, or None, in the order of the scores.
    metadata : Mapping of str to str
        As `scores_metadata` gives it.
    """
    schema, first = schema_of(metadata), 0
    place = schema.get_field_index("reasons")
    for part in scores.parts(GROUP_ROWS):
        texts = pa.array(reasons.iloc[first : first + len(part)], pa.string(), from_pandas=True)
        first += len(part)
        yield part.set_column(place, schema.field(place), texts).cast(schema)


def scores_metadata(release: Release, version: int, as_of: date, provenance: Mapping[str, str]) -> dict[str, str]:
    """Give the metadata of a table of scores: where it comes from.

    Parameters
    ----------
    release : Release
        The scorer's.
    version : int
        The scorer's version.
    as_of : datetime.date
        The date customers are described at.
    provenance : Mapping of str to str
        ``run_id``, ``input_digest`` and ``currency``.
    """
    parameters = release.parameters
    return {
        "horizon": str(parameters.horizon),
        "churn_horizon": str(parameters.churn_horizon),
        "clv_horizon": str(parameters.clv_horizon),
        "nps_question": parameters.nps_question,
        "scorer_version": str(version),
        "nps_as_of": parameters.nps_as_of.isoformat(),
        "nps_prior": json.dumps(parameters.nps.prior),
        # Why a category is null, where it is.
        "nps_why": parameters.nps.why,
        "scorer_trained_after_as_of": str(release.as_of > as_of).lower(),
        **provenance,
    }
