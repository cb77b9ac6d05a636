"""Published predictions of the NPS category beside the answers given after them.

A table counts as published at its as_of: it was made from data before that date, by a scorer that was not trained on
the answer.
"""

import json
from collections.abc import Sequence
from datetime import date, timedelta

import ibis
import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
from mlflow.entities.model_registry import ModelVersion

from features.describe import feature_names, materialise
from features.engine.stored import StoredTable
from features.labels import labelled_answers
from features.tables import Tables
from models.monitoring.prospective_calibration import ProspectiveCalibration, prospective_calibration
from models.monitoring.prospective_predictions import PRIORS, predictions_before_answers
from models.registry.publication import published_before
from models.registry.reading import read_scores
from models.registry.store import Store
from models.release.release import Release
from models.scoring.columns import PROBABILITIES
from models.survey.response.answer_weights import answer_weights
from models.survey.response.propensity import case_control_sample

# Answers to invitations of the last so many days count, and at most so many published tables.
DAYS = 180
TABLES = 12
COLUMNS = ("customer_id", "as_of", *PROBABILITIES, "nps_source")
"""What is read of a published table."""


def judge_published(
    store: Store, tables: Tables, as_of: date, release: Release, described: StoredTable
) -> ProspectiveCalibration | None:
    """Compare published predictions with the answers of customers since, weighted to everyone.

    Parameters
    ----------
    store : Store
        Where scores were published, by the scorer that was champion at the time.
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive: answers given before it count.
    release : Release
        Its question and label gap say which answers count and as of which date a customer is described.
    described : StoredTable
        The features of everyone at `as_of`, by which the answers are weighted.

    Returns
    -------
    ProspectiveCalibration or None
        None without answers in the tables, or without earlier predictions.
    """
    versions = versions_to_judge(store, as_of, release)
    if tables.answers is None or not versions:
        return None
    recent = materialise(recent_answers(tables.answers, as_of, release))
    published = (predictions_of(store, version, recent["customer_id"]) for version in versions)
    joined = predictions_before_answers(published, scorers_of(versions), recent)
    return prospective_calibration(joined, _weights(joined["customer_id"].astype(str), release, described))


def versions_to_judge(store: Store, as_of: date, release: Release) -> list[ModelVersion]:
    """List the published versions before a date that predict the question, in the order of their dates."""
    return [
        version
        for version in published_before(store, as_of, DAYS, TABLES)
        if version.tags.get("nps_question") == release.parameters.nps_question
        and json.loads(version.tags.get("nps_prior", "null"))
    ]


def recent_answers(answers: ir.Table, as_of: date, release: Release) -> ir.Table:
    """Give the answers that published predictions are judged on, as `features.labels.labelled_answers` does."""
    question, gap = release.parameters.nps_question, release.parameters.label_gap_days
    given = labelled_answers(answers, question, before=as_of, gap_days=gap)
    return given.filter(given.as_of >= ibis.literal(as_of - timedelta(days=DAYS)))


def _weights(customer: pd.Series, release: Release, described: StoredTable) -> npt.ArrayLike | None:
    """Weigh the answers of these customers, (n,), so that they represent everyone; of a large base a sample is read."""
    everyone, seed = described["customer_id"].astype(str), release.parameters.seed
    answered = everyone.isin(customer).to_numpy()
    if not answered.any():
        return None
    rows, share = case_control_sample(answered, everyone.to_numpy(str), seed)
    names = [name for name in feature_names(release.vocabulary) if name in described.columns]
    features = described.take(np.flatnonzero(rows), names)
    return weights_of(customer, features, answered[rows], everyone[rows], share, seed)


def weights_of(
    customer: pd.Series,
    features: pd.DataFrame,
    answered: npt.NDArray[np.bool_],
    who: pd.Series,
    share: float,
    seed: int,
) -> npt.ArrayLike:
    """Weigh the answers of these customers, (n,), by the rows that `answer_weights` takes with the other arguments."""
    weights = answer_weights(features, answered, who, share, seed)
    # Who is not in the base any more represents nobody but themselves.
    return customer.map(pd.Series(weights, index=who[answered].to_numpy())).fillna(1.0).to_numpy()


def predictions_of(store: Store, version: ModelVersion, customers: pd.Series) -> pd.DataFrame:
    """Read the predictions of one version for some customers: few of a large base have answered."""
    scores = read_scores(store, int(version.version), list(COLUMNS), customers.unique().tolist())
    predictions: pd.DataFrame = scores.to_pandas()
    return predictions.assign(scorer_version=version.tags["scorer_version"])


def scorers_of(versions: Sequence[ModelVersion]) -> pd.DataFrame:
    """Give the training date and prior of each scorer's NPS model, from the tags of the tables it made."""
    rows = {
        version.tags["scorer_version"]: [version.tags["nps_as_of"], *json.loads(version.tags["nps_prior"])]
        for version in versions
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["nps_as_of", *PRIORS])
