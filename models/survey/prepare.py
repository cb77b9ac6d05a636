"""The survey of a release, prepared for the estimators: who was asked, who answered, and the base, all predicted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import ibis
import numpy as np
import numpy.typing as npt
import pandas as pd

from features.catalogue import catalogue_of
from features.describe import describe, describe_everyone, feature_names, materialise
from features.labels import invitations
from features.returns.kept import with_matching
from features.spine import pairs
from features.tables import Tables
from models.nps.model import NpsTraining, predict_nps_category
from models.release.release import Release
from models.stats.typing import Floats, Integers, Strings
from models.survey.frame import MOST_UNLIKE, NO_ANSWER, POINTS, Survey, newest_per_customer
from models.survey.probability_samples import (
    centred_log_probability,
    check_probability_samples,
    customers_of_samples,
    design_weights,
    join_samples,
    match_samples,
)
from models.survey.response.propensity import response_propensity

FEWEST_WHO_ANSWERED = 2
# With fewer unanswered invitations, or a smaller share of them, the data hold the answers only: those few are slips.
FEWEST_UNANSWERED = 30
SMALLEST_UNANSWERED_SHARE = 0.05
# Covariate-shift weights lie within a factor of three of their median: behaviour at the time of asking and behaviour
# now overlap too little for larger ones.
LARGEST_SHIFT_WEIGHT = 3.0
# A sample of so many customers gives a share, or the mean difference of two models, precisely enough for any base.
LARGEST_SAMPLE = 20_000
_ANSWER = ["customer_id", "as_of", "answered_at"]


def prepare_survey(
    tables: Tables, release: Release, since: date | None = None, probability_samples: pd.DataFrame | None = None
) -> Survey | None:
    """Describe and predict who was asked and everyone, so that the NPS of the base or of a segment can be estimated.

    Each answer gets two weights: one over the probability of answering, so that those who answered stand for all who
    were asked; and a covariate-shift weight, so that those who were asked, as they behaved then, stand for the base as
    it behaves now (Dahabreh et al. 2020, Statistics in Medicine 39: from a study to a target population). If hardly
    anyone in the base is like those who answered (a survey right after each delivery, a base last seen months ago),
    such weights would be guesses: the survey then speaks only for those who were asked, as they were when asked. If the
    data hold fewer than `FEWEST_UNANSWERED` unanswered invitations, or less than `SMALLEST_UNANSWERED_SHARE` of all,
    every customer without an answer counts as a non-respondent, and `Survey.frame` is "customers".

    Customers of a probability sample have a recorded inclusion probability. A design weight made of it takes the place
    of the covariate-shift weight, see `models.survey.probability_samples`. Once a sample has an answer, each of its
    customers counts as asked: one with neither an invitation nor an answer in the tables counts as a non-respondent,
    because many survey tools export the answers only. Customers of a sample are described as of the day it was drawn.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    release : Release
        Freshly fitted, with its answers and out-of-fold probabilities.
    since : datetime.date, optional
        Only invitations at or after this midnight count. Features use all data before the release's as_of.
    probability_samples : pandas.DataFrame, optional
        Customers of all recorded samples, as `models.survey.probability_samples.check_probability_samples` takes them.
        Only samples drawn from `since` on and before the release's as_of count.

    Returns
    -------
    Survey or None
        None without answers in the tables, with too few to train a model, or with answers of one customer only.

    Raises
    ------
    ValueError
        If `probability_samples` lacks a column or holds a value that cannot be.
    """
    training, answers = release.training, release.answers
    if tables.answers is None or training is None or answers is None or training.out_of_fold is None:
        return None
    base = describe_everyone(tables, release.as_of, release.vocabulary)
    invited, others, sampled = describe_asked(tables, release, since, probability_samples)
    frame_name = "invited"
    if not _tells_who_was_asked(others["answered"].to_numpy(bool)) and (others["answered"].any() or sampled.empty):
        frame_name = "customers"
        others = others[others["answered"]]
        non_respondents = base[~base["customer_id"].isin(others["customer_id"])].assign(answered=False)
        others = pd.concat([others, non_respondents], ignore_index=True)
    asked = others
    if len(sampled):
        asked = pd.concat([others, sampled], ignore_index=True)
    answered = asked["answered"].to_numpy(bool)
    if answered.sum() < FEWEST_WHO_ANSWERED:
        return None

    names, seed = feature_names(release.vocabulary), release.parameters.seed
    # The row of each answer in the training rows tells which fold's model has not seen it.
    row_of_answer = answers[_ANSWER].assign(row=np.arange(len(answers))).drop_duplicates(_ANSWER)
    row = asked.loc[answered, _ANSWER].merge(row_of_answer, on=_ANSWER, how="left")["row"].to_numpy(int)
    asked["category"] = asked["category"].where(answered, NO_ANSWER).astype(np.int64)
    in_sample = np.arange(len(asked)) >= len(others)
    # A sample represents all who could be drawn, so its non-respondents count as covered by the survey too.
    unlike = _unlike_share(asked[answered | in_sample], base, names, seed)
    if unlike > MOST_UNLIKE and len(sampled):
        # An estimate for those who were asked gives each of them the same weight, however they were drawn.
        return prepare_survey(tables, release, since)
    people = asked if unlike > MOST_UNLIKE else base
    survey = predict_survey(asked, people, names, training, answers["customer_id"].to_numpy(str), row, seed)
    groups = {name: feature.group for name, feature in catalogue_of(release.vocabulary).items()}
    survey = replace(survey, frame=frame_name, unlike_share=unlike, feature_groups=groups)
    # A frame of all customers behaves as the base does: there is no shift to weight for.
    has_shift = people is base and frame_name == "invited"
    if not len(sampled):
        return replace(survey, shift_weight=_shift_weights(asked, base, names, seed) if has_shift else None)
    shift_weight = np.ones(len(asked))
    if has_shift and others["answered"].any():
        shift_weight[: len(others)] = _shift_weights(others, base, names, seed)
    weights = design_weights(asked, invited, tells_who_was_asked=frame_name == "invited")
    return join_samples(survey, in_sample, shift_weight, weights)


def predict_survey(
    asked: pd.DataFrame,
    base: pd.DataFrame,
    names: Sequence[str],
    training: NpsTraining,
    trained_customer: Strings,
    trained_row: Integers,
    seed: int = 0,
) -> Survey:
    """Predict the frame and the base, each customer by models that have not seen that customer's answers.

    Parameters
    ----------
    asked
        (N rows) one customer each: customer_id, answered, category (-1 where not answered), the features at that time.
        With probability samples also drawn_on and inclusion_probability, and one further row for each sample of a
        customer.
    base
        (M rows) one customer each: customer_id and the features now; may be `asked` itself.
    names
        The features.
    training
        With out-of-fold probabilities.
    trained_customer
        Customer of each row it was trained on.
    trained_row
        (n,) which of those rows the answers of `asked` are, in the order of `asked`.
    seed
        Seed of the propensity's folds and of the sample of the base.
    """
    answered, customer = asked["answered"].to_numpy(bool), asked["customer_id"].to_numpy(str)
    assert training.out_of_fold is not None
    base_probabilities = predict_without_own_answers(base, training, trained_customer)
    same = asked is base
    probabilities = base_probabilities.copy() if same else predict_nps_category(training.model, asked)
    probabilities[answered] = training.out_of_fold[trained_row]
    sample = sample_positions(len(base), seed)
    return Survey(
        customer=customer,
        features=asked[list(names)],
        answered=answered,
        category=asked["category"].to_numpy(np.int64),
        probabilities=probabilities,
        propensity=_propensity(asked, names, seed),
        base_customer=base["customer_id"].to_numpy(str),
        base_features=base[list(names)],
        base_probabilities=probabilities if same else base_probabilities,
        fold_points=fold_points(asked[answered], training),
        fold_base_points=fold_points(base.iloc[sample], training),
        base_sample=sample,
    )


def describe_asked(
    tables: Tables, release: Release, since: date | None, probability_samples: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Describe who was asked, in three tables.

    They are: all invitations; of the invitations outside probability samples one row per customer (the newest answer,
    or else the newest invitation), with the features as of then; and one row per customer of each sample, with the
    features as of the day it was drawn. Parameters are those of `prepare_survey`; the tables must hold answers.
    """
    question, gap_days = release.parameters.nps_question, release.parameters.label_gap_days
    asked = invitations(tables.answers, question, before=release.as_of, since=since, gap_days=gap_days)
    described = describe(tables, with_matching(tables, pairs(asked)), release.vocabulary)
    invited = materialise(asked.inner_join(described, ["customer_id", "as_of"]))
    others, sampled = invited, invited.iloc[:0]
    if probability_samples is not None:
        samples = check_probability_samples(probability_samples, release.as_of, since)
        invited = invited.join(match_samples(invited, samples))
        others, sampled = invited[invited["drawn_on"].isna()], customers_of_samples(invited, samples)
    if len(sampled):
        days = sampled[["customer_id"]].assign(as_of=sampled["drawn_on"] - pd.Timedelta(days=gap_days))
        then = materialise(describe(tables, with_matching(tables, pairs(ibis.memtable(days))), release.vocabulary))
        then["drawn_on"] = then.pop("as_of") + pd.Timedelta(days=gap_days)
        sampled = sampled.merge(then, on=["customer_id", "drawn_on"])
    newest = newest_per_customer(others["customer_id"], others["as_of"], others["answered"])
    return invited, others.iloc[newest].reset_index(drop=True), sampled


def _tells_who_was_asked(answered: npt.NDArray[np.bool_]) -> bool:
    """Whether the data hold the unanswered invitations too: enough of those asked did not answer."""
    unanswered = int(np.sum(~answered))
    return unanswered >= max(FEWEST_UNANSWERED, SMALLEST_UNANSWERED_SHARE * len(answered))


def _propensity(asked: pd.DataFrame, names: Sequence[str], seed: int) -> Floats:
    """Probability of answering of each row, (N,): one model for probability samples, another for other invitations.

    A common model gives intervals that are 10 to 20 % narrower, but too narrow where the two kinds of invitations are
    answered differently: it covered 88 % in 60 simulated worlds in which the inclusion probability depended on
    something that no feature shows, where two models covered 97 %.
    """
    features, answered, customer = asked[list(names)], asked["answered"], asked["customer_id"]
    in_sample = asked["drawn_on"].notna().to_numpy() if "drawn_on" in asked else np.zeros(len(asked), bool)
    if not in_sample.any():
        return response_propensity(features, answered, customer, seed)
    sampled = features[in_sample].assign(log_inclusion_probability=centred_log_probability(asked[in_sample]))
    propensity = np.empty(len(asked))
    propensity[in_sample] = response_propensity(sampled, answered[in_sample], customer[in_sample], seed)
    if not in_sample.all():
        rest = ~in_sample
        propensity[rest] = response_propensity(features[rest], answered[rest], customer[rest], seed)
    return propensity


def predict_without_own_answers(people: pd.DataFrame, training: NpsTraining, trained_customer: Strings) -> Floats:
    """Predict probabilities (M, 3): by the model, and for customers it was trained on by their held-out fold's model.

    Parameters
    ----------
    people
        (M rows) customer_id and the features.
    training
        The model and the models of its folds.
    trained_customer
        Customer of each row it was trained on.
    """
    probabilities = predict_nps_category(training.model, people)
    if training.fold is None:
        return probabilities
    fold_of = dict(zip(trained_customer, training.fold, strict=True))
    fold = people["customer_id"].astype(str).map(fold_of)
    for k, model in enumerate(training.fold_models):
        own = (fold == k).to_numpy()
        if own.any():
            probabilities[own] = predict_nps_category(model, people[own])
    return probabilities


def fold_points(people: pd.DataFrame, training: NpsTraining) -> Floats:
    """Points m = 100 (p_promoter - p_detractor), (K, n), of n people with their features, by each of K fold models."""
    points = [predict_nps_category(model, people) @ POINTS for model in training.fold_models]
    return np.array(points).reshape(len(points), len(people))


def sample_positions(customers: int, seed: int) -> Integers:
    """Positions of all customers, (S,), or of a random sample of `LARGEST_SAMPLE` of them where more, ascending."""
    if customers <= LARGEST_SAMPLE:
        return np.arange(customers)
    return np.sort(np.random.default_rng(seed).choice(customers, LARGEST_SAMPLE, replace=False))


def _shift_weights(asked: pd.DataFrame, base: pd.DataFrame, names: Sequence[str], seed: int) -> Floats:
    """Covariate-shift weights, (N,): density of the base's features over that of those asked, up to a constant.

    A classifier of "base now" against "asked then" gives them: its odds are the ratio of the two densities.
    """
    base_sample = base.iloc[sample_positions(len(base), seed)]
    both = pd.concat([asked[[*names, "customer_id"]], base_sample[[*names, "customer_id"]]], ignore_index=True)
    is_base = np.arange(len(both)) >= len(asked)
    probability = response_propensity(both[list(names)], is_base, both["customer_id"], seed)[: len(asked)]
    odds = np.clip(probability / (1.0 - np.minimum(probability, 1.0 - 1e-9)), 1e-9, None)
    return np.asarray(np.clip(odds / np.median(odds), 1.0 / LARGEST_SHIFT_WEIGHT, LARGEST_SHIFT_WEIGHT))


def _unlike_share(answered: pd.DataFrame, base: pd.DataFrame, names: Sequence[str], seed: int) -> float:
    """Share of the base whose predicted likeness to those who answered is below the 1 % quantile of theirs."""
    base_sample = base.iloc[sample_positions(len(base), seed)]
    both = pd.concat([answered[[*names, "customer_id"]], base_sample[[*names, "customer_id"]]], ignore_index=True)
    is_answer = np.arange(len(both)) < len(answered)
    likeness = response_propensity(both[list(names)], is_answer, both["customer_id"], seed)
    return float(np.mean(likeness[~is_answer] < np.quantile(likeness[is_answer], 0.01)))
