"""The survey of a release, prepared for the estimators: who was asked, who answered, and the base, all predicted."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd

from features.catalogue import catalogue_of
from features.describe import everyone_described, feature_names
from features.engine.stored import StoredTable
from features.tables import Tables
from models.nps.model import NpsTraining, predict_nps_category
from models.nps.out_of_fold import fold_points, predict_base
from models.population.category_level import Part, parts_of_everyone
from models.release.release import Release
from models.stats.typing import Flags, Floats, Integers, Strings
from models.survey.frame import MOST_UNLIKE, NO_ANSWER, Survey
from models.survey.probability_samples import centred_log_probability, design_weights, join_samples
from models.survey.response.asked import (
    available_share,
    describe_asked,
    everyone_asked,
    tells_who_was_asked,
    with_non_respondents,
)
from models.survey.response.propensity import response_propensity

FEWEST_WHO_ANSWERED = 2
# Covariate-shift weights lie within a factor of three of their median: behaviour at the time of asking and behaviour
# now overlap too little for larger ones.
LARGEST_SHIFT_WEIGHT = 3.0
# A sample of so many customers gives the mean difference of two models precisely enough for any base.
LARGEST_SAMPLE = 20_000
# Of those asked and of the base, so many give their shift: from twice as many the NPS was the same to .06, .03 and .09
# of its standard error (three seeds; benchmarks/README.md).
SHIFT_SAMPLE = 10_000
# Of those who answered and of the base, so many tell which share of the base is unlike them, which is compared with
# `MOST_UNLIKE`: .073 to .093 from 1,836 and 5,000 by seed and rows, from 20,000 of the base .091 to .097; .090 to .111
# from 5,000 and 5,000, .106 to .110 from 9,027 and 20,000, which take three times as long.
LIKENESS_SAMPLE = 5_000
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
    names, seed = feature_names(release.vocabulary), release.parameters.seed
    columns = ["customer_id", *names]
    base = everyone_described(tables, release.as_of, release.vocabulary)
    everyone: Sequence[Part] | None = parts_of_everyone(tables, release)
    found = describe_asked(tables, release, since, probability_samples, sampled=True)
    invited, others, sampled, share = found.invited, found.others, found.of_samples, found.share
    frame_name = "invited"
    if not tells_who_was_asked(others) and (others["answered"].any() or sampled.empty):
        frame_name = "customers"
        others, share = with_non_respondents(others[others["answered"]], base, seed, available_share(tables))
    asked = others
    if len(sampled):
        asked = pd.concat([others, sampled.assign(represents=1.0)], ignore_index=True)
    answered = asked["answered"].to_numpy(bool)
    if answered.sum() < FEWEST_WHO_ANSWERED:
        return None

    # The row of each answer in the training rows tells which fold's model has not seen it.
    row_of_answer = answers[_ANSWER].assign(row=np.arange(len(answers))).drop_duplicates(_ANSWER)
    row = asked.loc[answered, _ANSWER].merge(row_of_answer, on=_ANSWER, how="left")["row"].to_numpy(int)
    asked["category"] = asked["category"].where(answered, NO_ANSWER).astype(np.int64)
    in_sample = np.arange(len(asked)) >= len(others)
    some = base.take(sample_positions(len(base), seed), columns)
    # A sample represents all who could be drawn, so its non-respondents count as covered by the survey too.
    unlike = _unlike_share(asked[answered | in_sample], some, names, seed)
    if unlike > MOST_UNLIKE and len(sampled):
        # An estimate for those who were asked gives each of them the same weight, however they were drawn.
        return prepare_survey(tables, release, since)
    if unlike > MOST_UNLIKE and frame_name == "invited":
        base, everyone = everyone_asked(tables, release, since), None
        some = base.take(sample_positions(len(base), seed), columns)
    trained_customer = answers["customer_id"].to_numpy(str)
    survey = predict_survey(asked, base, names, training, trained_customer, row, seed, share, some, everyone)
    groups = {name: feature.group for name, feature in catalogue_of(release.vocabulary).items()}
    survey = replace(survey, frame=frame_name, unlike_share=unlike, feature_groups=groups)
    # A frame of all customers behaves as the base does: there is no shift to weight for.
    has_shift = unlike <= MOST_UNLIKE and frame_name == "invited"
    if not len(sampled):
        return replace(survey, shift_weight=_shift_weights(asked, some, names, seed) if has_shift else None)
    shift_weight = np.ones(len(asked))
    if has_shift and others["answered"].any():
        shift_weight[: len(others)] = _shift_weights(others, some, names, seed)
    weights = design_weights(asked, invited, tells_who_was_asked=frame_name == "invited")
    return join_samples(survey, in_sample, shift_weight, weights)


def predict_survey(
    asked: pd.DataFrame,
    base: pd.DataFrame | StoredTable,
    names: Sequence[str],
    training: NpsTraining,
    trained_customer: Strings,
    trained_row: Integers,
    seed: int = 0,
    share: float = 1.0,
    some: pd.DataFrame | None = None,
    parts: Sequence[Part] | None = None,
) -> Survey:
    """Predict the frame and the base, each customer by models that have not seen that customer's answers.

    Parameters
    ----------
    asked
        (N rows) one customer each: customer_id, answered, category (-1 where not answered), the features at that time
        and, where non-respondents are a sample, represents. With probability samples also drawn_on and
        inclusion_probability, and one further row for each sample of a customer.
    base
        (M rows) one customer each: customer_id and the features now, or, of those asked, at that time; may be `asked`.
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
    share
        Share of the non-respondents outside probability samples that is among `asked`.
    some
        The rows of the base at `sample_positions`, where they are read already.
    parts
        What the members of the model say of the base, where that is known already.
    """
    answered = asked["answered"].to_numpy(bool)
    assert training.out_of_fold is not None
    probabilities = predict_nps_category(training.model, asked)
    probabilities[answered] = training.out_of_fold[trained_row]
    columns, places = ["customer_id", *names], sample_positions(len(base), seed)
    represents = asked["represents"].to_numpy(float) if "represents" in asked else np.ones(len(asked))
    if isinstance(base, pd.DataFrame):
        rows = base.iloc[places]
    else:
        rows = some if some is not None else base.take(places, columns)
    if base is asked:
        of_base = probabilities
    elif parts is not None and isinstance(base, StoredTable):
        of_base = _of_parts(parts, base, columns, training, trained_customer)
    else:
        batches = iter([base]) if isinstance(base, pd.DataFrame) else base.batches(columns)
        of_base = predict_base(batches, training, trained_customer)
    return Survey(
        customer=asked["customer_id"].to_numpy(str),
        features=asked[list(names)],
        answered=answered,
        category=asked["category"].to_numpy(np.int64),
        probabilities=probabilities,
        propensity=_propensity(asked, names, seed, share),
        base_customer=_ids(base),
        base_features=base,
        base_probabilities=of_base,
        fold_points=fold_points(asked[answered], training),
        fold_base_points=fold_points(rows, training),
        base_sample=places,
        represents=represents if (represents > 1.0).any() else None,
    )


def _propensity(asked: pd.DataFrame, names: Sequence[str], seed: int, share: float) -> Floats:
    """Probability of answering of each row, (N,): one model for probability samples, another for other invitations.

    A common model gives intervals that are 10 to 20 % narrower, but too narrow where the two kinds of invitations are
    answered differently: it covered 88 % in 60 simulated worlds in which the inclusion probability depended on
    something that no feature shows, where two models covered 97 %.
    """
    features, answered, customer = asked[list(names)], asked["answered"], asked["customer_id"]
    in_sample = asked["drawn_on"].notna().to_numpy() if "drawn_on" in asked else np.zeros(len(asked), bool)
    if not in_sample.any():
        return response_propensity(features, answered, customer, seed, share)
    sampled = features[in_sample].assign(log_inclusion_probability=centred_log_probability(asked[in_sample]))
    propensity = np.empty(len(asked))
    propensity[in_sample] = response_propensity(sampled, answered[in_sample], customer[in_sample], seed)
    if not in_sample.all():
        rest = ~in_sample
        propensity[rest] = response_propensity(features[rest], answered[rest], customer[rest], seed, share)
    return propensity


def _of_parts(
    parts: Sequence[Part], base: StoredTable, columns: Sequence[str], training: NpsTraining, trained_customer: Strings
) -> Floats:
    """Predict as `predict_base` does, from what the members of the model say of everyone."""
    probabilities = np.zeros(parts[0][1].shape)
    # In the order in which a scorer adds them up, to the last bit.
    for weight, of_member in parts:
        probabilities += weight * of_member
    own = np.flatnonzero(base["customer_id"].isin(trained_customer))
    if training.fold_models and len(own):
        probabilities[own] = predict_base([base.take(own, columns)], training, trained_customer)
    return probabilities


def _ids(base: pd.DataFrame | StoredTable) -> Strings:
    """Ids of a base, (M,): of a large one in batches, as each is an object of Python's on its way."""
    batches = iter([base]) if isinstance(base, pd.DataFrame) else base.batches(["customer_id"])
    return np.concatenate([batch["customer_id"].to_numpy(str) for batch in batches])


def sample_positions(customers: int, seed: int) -> Integers:
    """Positions of all customers, (S,), or of a random sample of `LARGEST_SAMPLE` of them where more, ascending."""
    if customers <= LARGEST_SAMPLE:
        return np.arange(customers)
    return np.sort(np.random.default_rng(seed).choice(customers, LARGEST_SAMPLE, replace=False))


def _shift_weights(asked: pd.DataFrame, some: pd.DataFrame, names: Sequence[str], seed: int) -> Floats:
    """Covariate-shift weights, (N,): density of the base's features over that of those asked, up to a constant.

    A classifier of "base now" against "asked then" gives them: its odds are the ratio of the two densities. It learns
    from random samples of both.
    """
    some = some.iloc[_spread(len(some), SHIFT_SAMPLE)]
    both = pd.concat([asked[[*names, "customer_id"]], some[[*names, "customer_id"]]], ignore_index=True)
    is_base = np.arange(len(both)) >= len(asked)
    # Those drawn are a random sample of the frame: with and without an answer, each with the same chance.
    drawn = _first_drawn(asked)
    learned = is_base | np.append(drawn, np.zeros(len(some), bool))
    probability = response_propensity(both[list(names)], is_base, both["customer_id"], seed, learned=learned)
    odds = probability[: len(asked)] / (1.0 - np.minimum(probability[: len(asked)], 1.0 - 1e-9))
    odds = np.clip(odds, 1e-9, None)
    return np.asarray(np.clip(odds / np.median(odds[drawn]), 1.0 / LARGEST_SHIFT_WEIGHT, LARGEST_SHIFT_WEIGHT))


def _first_drawn(asked: pd.DataFrame) -> Flags:
    """Flag `SHIFT_SAMPLE` of the rows that are a random sample of the frame, drawn by a hash of the customer."""
    drawn = asked["is_drawn"].to_numpy(bool)
    if drawn.sum() <= SHIFT_SAMPLE:
        return drawn
    order = pd.util.hash_array(asked["customer_id"].to_numpy(object), categorize=False)
    return np.asarray(drawn & (order <= np.sort(order[drawn])[SHIFT_SAMPLE - 1]))


def _unlike_share(answered: pd.DataFrame, some: pd.DataFrame, names: Sequence[str], seed: int) -> float:
    """Share of the base whose predicted likeness to those who answered is below the 1 % quantile of theirs."""
    parts = [rows[[*names, "customer_id"]].iloc[_spread(len(rows), LIKENESS_SAMPLE)] for rows in (answered, some)]
    both = pd.concat(parts, ignore_index=True)
    is_answer = np.arange(len(both)) < len(parts[0])
    likeness = response_propensity(both[list(names)], is_answer, both["customer_id"], seed)
    return float(np.mean(likeness[~is_answer] < np.quantile(likeness[is_answer], 0.01)))


def _spread(rows: int, most: int) -> Integers:
    """Places of at most so many of the rows, which are in the order of ids, at even distances."""
    return np.unique(np.linspace(0, rows - 1, min(rows, most)).astype(np.int64))
