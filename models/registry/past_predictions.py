"""Published predictions of the NPS category beside the answers given after them.

A table counts as published at its as_of: it was made from data before that date, by a scorer that was not trained on
the answer.
"""

import json
from datetime import date, timedelta

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
_COLUMNS = ["customer_id", "as_of", *PROBABILITIES, "nps_source"]


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
    question, gap = release.parameters.nps_question, release.parameters.label_gap_days
    if tables.answers is None:
        return None
    versions = [
        version
        for version in published_before(store, as_of, DAYS, TABLES)
        if version.tags.get("nps_question") == question and json.loads(version.tags.get("nps_prior", "null"))
    ]
    if not versions:
        return None
    answers = materialise(labelled_answers(tables.answers, question, before=as_of, gap_days=gap))
    recent = answers[answers["as_of"] >= pd.Timestamp(as_of - timedelta(days=DAYS))]
    published = (_predictions(store, version, recent["customer_id"]) for version in versions)
    joined = predictions_before_answers(published, _scorers(versions), recent)
    return prospective_calibration(joined, _weights(joined["customer_id"].astype(str), release, described))


def _weights(customer: pd.Series, release: Release, described: StoredTable) -> npt.ArrayLike | None:
    """Weigh the answers of these customers, (n,), so that they represent everyone; of a large base a sample is read."""
    everyone, seed = described["customer_id"].astype(str), release.parameters.seed
    answered = everyone.isin(customer).to_numpy()
    if not answered.any():
        return None
    rows, share = case_control_sample(answered, everyone.to_numpy(str), seed)
    names = [name for name in feature_names(release.vocabulary) if name in described.columns]
    features = described.take(np.flatnonzero(rows), names)
    weights = answer_weights(features, answered[rows], everyone[rows], share, seed)
    # Who is not in the base any more represents nobody but themselves.
    return customer.map(pd.Series(weights, index=everyone[answered].to_numpy())).fillna(1.0).to_numpy()


def _predictions(store: Store, version: ModelVersion, customers: pd.Series) -> pd.DataFrame:
    """Read the predictions of one version for some customers: few of a large base have answered."""
    scores = read_scores(store, int(version.version), _COLUMNS, customers.unique().tolist())
    predictions: pd.DataFrame = scores.to_pandas()
    return predictions.assign(scorer_version=version.tags["scorer_version"])


def _scorers(versions: list[ModelVersion]) -> pd.DataFrame:
    """Give the training date and prior of each scorer's NPS model, from the tags of the tables it made."""
    rows = {
        version.tags["scorer_version"]: [version.tags["nps_as_of"], *json.loads(version.tags["nps_prior"])]
        for version in versions
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["nps_as_of", *PRIORS])
