"""Two surveys of one release, before a date and since, so that the change of the NPS between them can be estimated."""

from datetime import date

import numpy as np
import pandas as pd

from data.errors import InputError
from features.describe import everyone_described, feature_names
from features.spine import everyone
from features.tables import Tables
from models.nps.out_of_fold import fold_points, predict_base
from models.release.release import Release
from models.survey.change import NpsChange, nps_change
from models.survey.frame import Survey
from models.survey.prepare import prepare_survey, sample_positions


def estimate_nps_change(
    tables: Tables,
    release: Release,
    since: date,
    published: float | None = None,
    probability_samples: pd.DataFrame | None = None,
) -> NpsChange | None:
    """Estimate how the NPS of the base changed since an earlier date, both dates under one model, and why.

    Parameters
    ----------
    tables, release, since
        As in `prepare_change`.
    published : float, optional
        NPS of the base as it was published at the earlier date, points.
    probability_samples : pandas.DataFrame, optional
        As in `prepare_change`.

    Returns
    -------
    NpsChange or None
        None where `prepare_change` gives None.
    """
    surveys = prepare_change(tables, release, since, probability_samples)
    return None if surveys is None else nps_change(*surveys, published)


def prepare_change(
    tables: Tables, release: Release, since: date, probability_samples: pd.DataFrame | None = None
) -> tuple[Survey, Survey] | None:
    """Describe and predict the base at an earlier date and now, each with its own invitations and answers.

    The first survey holds the invitations before `since` with the answers given before `since`. The second holds the
    invitations since, with the answers given before the release's as_of. A late answer to an invitation before `since`
    counts in neither. Each survey has its own model of who answers. Both are predicted by the same release, and each
    customer by models that did not see that customer's answers.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    release : Release
        Freshly fitted, with its answers and out-of-fold probabilities.
    since : datetime.date
        As_of of the earlier estimate, exclusive.
    probability_samples : pandas.DataFrame, optional
        As in `models.survey.prepare.prepare_survey`: samples drawn before `since` count in the first survey, samples
        drawn since count in the second.

    Returns
    -------
    tuple of Survey or None
        Before and now; a survey with too few answers holds none. None without answers in the tables, if the release was
        not freshly fitted or has too few answers for an NPS model, or if nobody had bought before `since`: a figure of
        a report must not stop a retrain.

    Raises
    ------
    InputError
        If `since` is not before the release's as_of.
    """
    if since >= release.as_of:
        raise InputError(f"a change since {since} needs a release of a later date, got one as of {release.as_of}")
    if tables.answers is None or release.answers is None:
        return None
    if release.training is None or release.training.out_of_fold is None:
        return None
    if not everyone(tables.transactions, since).table.count().to_pyarrow().as_py():
        return None
    # The same model at the earlier date.
    then = release.as_seen_at(since)
    return (
        prepare_survey(tables, then, None, probability_samples) or _without_answers(tables, then),
        prepare_survey(tables, release, since, probability_samples) or _without_answers(tables, release),
    )


def _without_answers(tables: Tables, release: Release) -> Survey:
    """Return the base at the release's as_of, predicted, with a frame in which nobody answered."""
    training, answers = release.training, release.answers
    assert training is not None
    assert answers is not None
    base = everyone_described(tables, release.as_of, release.vocabulary)
    names = feature_names(release.vocabulary)
    columns, sample = ["customer_id", *names], sample_positions(len(base), release.parameters.seed)
    return Survey(
        customer=np.empty(0, dtype=str),
        features=pd.DataFrame(columns=names, dtype=float),
        answered=np.empty(0, dtype=bool),
        category=np.empty(0, dtype=np.int64),
        probabilities=np.empty((0, 3)),
        propensity=np.empty(0),
        base_customer=base["customer_id"].to_numpy(str),
        base_features=base,
        base_probabilities=predict_base(base.batches(columns), training, answers["customer_id"].to_numpy(str)),
        fold_points=np.empty((len(training.fold_models), 0)),
        fold_base_points=fold_points(base.take(sample, columns), training),
        base_sample=sample,
    )
