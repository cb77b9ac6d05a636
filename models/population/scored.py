"""From predictions to the published table. The columns that need more than one row of features are added here."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from features.engine.stored import StoredTable
from models.population.earlier_scores import TEXTS_BEFORE, EarlierScores
from models.population.scores_table import GROUP_ROWS, schema_of, typed, write_scores
from models.population.segment_labels import has_personas
from models.release.release import Release
from models.scoring.columns import SCORE_COLUMNS
from models.segments.personas.model import assign_personas

_FROM_FEATURES = ("customer_id", "as_of", "first_purchase", "last_purchase", "monetary_value")
_DAYS = ("frequency", "recency", "T")


def score_described(
    described: StoredTable,
    predict: Callable[[pd.DataFrame], pd.DataFrame],
    release: Release,
    earlier: EarlierScores | None,
    file: Path,
) -> StoredTable:
    """Score everyone in batches, so that neither features nor scores of all customers are in memory at once.

    Parameters
    ----------
    described : StoredTable
        One row per customer, as `features.describe.everyone_described` gives it.
    predict : callable
        Gives the scorer's output for rows of ``described``.
    release : Release
        The scorer's.
    earlier : EarlierScores or None
        Of the as_of of the previous scores; None if there are none.
    file : Path
        Where the scores are kept.

    Returns
    -------
    StoredTable
        The scores in the order of ``described``, with every column of the published table; ``reasons`` are null.
    """
    both = ((batch, None) for batch in described.batches()) if earlier is None else earlier.beside(described)
    scored = (typed(assemble_scores(batch, predict(batch), release, before)) for batch, before in both)
    write_scores(scored, file, is_draft=True)
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
        Of customers at the as_of of the previous scores, as `models.population.earlier_scores.scores_of_earlier` gives
        it, those of ``described`` at least; None if there are no previous scores.

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
    if before is None:
        scores["next_purchase_index_change"] = np.nan
        scores[list(TEXTS_BEFORE)] = None
    else:
        earlier = scores[["customer_id"]].join(before, "customer_id")
        index_before = earlier["next_purchase_index_before"].astype(float)
        scores["next_purchase_index_change"] = scores["next_purchase_index"] - index_before
        for name in TEXTS_BEFORE:
            texts = earlier[name].astype(object)
            scores[name] = texts.where(texts.notna(), None)
    scores[["rfm", "segment"]] = release.rfm_scores(described)
    personas = release.parameters.personas if has_personas(release) else None
    scores["persona"] = assign_personas(personas, described) if personas is not None else None
    scores["reasons"] = None
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
