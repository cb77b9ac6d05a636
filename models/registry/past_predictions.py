"""Published predictions of the NPS category beside the answers that came after them.

A table counts as published at its as_of: it was made from what was known before, by a scorer that had not seen the
answer.
"""

import json
from datetime import date, timedelta

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from mlflow.entities.model_registry import ModelVersion

from features.describe import materialise
from features.labels import labelled_answers
from features.tables import Tables
from models.monitoring.prospective_calibration import ProspectiveCalibration, prospective_calibration
from models.monitoring.prospective_predictions import PRIORS, predictions_before_answers
from models.registry.publication import published_before, read_scores
from models.registry.store import Store
from models.release.release import Release
from models.scoring.columns import PROBABILITIES

# Answers to invitations of so many days count, beside at most so many published tables.
DAYS = 180
TABLES = 12
_COLUMNS = ["customer_id", "as_of", *PROBABILITIES, "nps_source"]


def judge_published(store: Store, tables: Tables, as_of: date, release: Release) -> ProspectiveCalibration | None:
    """Compare what was published with what customers answered since.

    Parameters
    ----------
    store : Store
        Where scores were published, by whatever scorer was champion then.
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Answers given before it count.
    release : Release
        Its question and gap say which answers, and what they are beside.

    Returns
    -------
    ProspectiveCalibration or None
        None without answers, or where nothing was published before.
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
    return prospective_calibration(predictions_before_answers(published, _scorers(versions), recent))


def _predictions(store: Store, version: ModelVersion, customers: pd.Series) -> pd.DataFrame:
    """Read what one version says of some customers; a base may be large, and those who answered are few."""
    everyone = read_scores(store, int(version.version)).select(_COLUMNS)
    asked = everyone.filter(pc.is_in(everyone["customer_id"], pa.array(customers.unique(), pa.string())))
    table: pd.DataFrame = asked.to_pandas()
    return table.assign(scorer_version=version.tags["scorer_version"])


def _scorers(versions: list[ModelVersion]) -> pd.DataFrame:
    """Say of each scorer what its NPS model had seen, as the tables it made tell."""
    rows = {
        version.tags["scorer_version"]: [version.tags["nps_as_of"], *json.loads(version.tags["nps_prior"])]
        for version in versions
    }
    return pd.DataFrame.from_dict(rows, orient="index", columns=["nps_as_of", *PRIORS])
