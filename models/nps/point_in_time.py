"""Answers with the features of their customers at the time of asking, and the model that is trained on them."""

import json
from dataclasses import dataclass
from datetime import date

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data.errors import InputError
from features.describe import described_beside, feature_names
from features.labels import CATEGORY_CUTS, Cuts, labelled_answers
from features.tables import Tables
from features.vocabulary import Vocabulary
from models.nps.model import NpsModel, NpsTraining, train_nps_category
from models.recipe import Recipe
from models.stats.typing import Integers


@dataclass(frozen=True)
class Trained:
    """A category model with the answers it was trained on.

    Attributes
    ----------
    training : NpsTraining
        The model and its out-of-fold probabilities.
    answers : pandas.DataFrame or None
        Rows of `answers_with_features`, in the order of the probabilities; None where there are no answers.
    """

    training: NpsTraining
    answers: pd.DataFrame | None = None


def answers_with_features(
    tables: Tables,
    question: str,
    vocabulary: Vocabulary,
    *,
    before: date,
    since: date | None = None,
    gap_days: int = 0,
    cuts: Cuts = CATEGORY_CUTS,
) -> pd.DataFrame:
    """Join each answer with the features of its customer at the time of asking.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables, with answers.
    question : str
        The name of the question.
    vocabulary : Vocabulary
        The vocabulary that names the features.
    before, since : datetime.date
        Only answers given before the first date and, where there is a second, not before that.
    gap_days : int
        Days between the end of the visible data and the invitation.
    cuts : Mapping
        Cut points of the categories, as `features.labels.labelled_answers` takes them.

    Returns
    -------
    pandas.DataFrame
        One row per answer of a customer with a visible purchase at that time: customer_id, as_of, answered_at, score
        and its scale, category (0, 1, 2) and the columns of `features.describe.describe`.
    """
    surveyed = tables.surveyed
    # What a customer answered and how they behaved then is the same for whoever looks back from later: a twin and the
    # gate read what was described for the release, where these have the same features.
    known: list[tuple[date, pd.DataFrame]] = surveyed.workspace.once(
        ("answers", question, gap_days, tuple(cuts.items()), json.dumps(vocabulary.to_dict())), list
    )
    for until, answers in known:
        if before <= until:
            return _given(answers, before, since)
    labels = labelled_answers(surveyed.answers, question, before=before, since=since, gap_days=gap_days, cuts=cuts)
    described = described_beside(surveyed, labels, vocabulary)
    if since is None:
        known.append((before, described))
    return described


def _given(answers: pd.DataFrame, before: date, since: date | None) -> pd.DataFrame:
    """Take the answers that were given before one midnight and, where there is another one, not before that."""
    chosen = answers["answered_at"] < pd.Timestamp(before)
    if since is not None:
        chosen &= answers["answered_at"] >= pd.Timestamp(since)
    return answers[chosen].reset_index(drop=True)


def train_on_answers(
    tables: Tables,
    as_of: date,
    question: str,
    cuts: Cuts,
    recipe: Recipe,
    vocabulary: Vocabulary,
    *,
    judge_last_wave: bool = False,
) -> Trained:
    """Train the model of a question's category on all answers given before a date.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables; they may hold no answers.
    as_of : datetime.date
        Exclusive.
    question, cuts, vocabulary
        As in `answers_with_features`.
    recipe : Recipe
        Its gap and seed are used.
    judge_last_wave : bool
        Also judge a model of the answers before the last wave on that wave, which adds figures only.

    Returns
    -------
    Trained
        The model has no source, and says why, where there is too little to learn from, or where the scale of a question
        other than the recipe's main one is not known.

    Raises
    ------
    InputError
        Where the scale of the recipe's main question is not known.
    """
    if tables.answers is None:
        why = "There are no answers, so no category is predicted."
        return Trained(NpsTraining(NpsModel(source=None, why=why, answers=0), None))
    not_asked = _why_not_asked(tables.answers, question)
    if not_asked is not None:
        return Trained(NpsTraining(NpsModel(source=None, why=not_asked, answers=0), None))
    try:
        answers = answers_with_features(
            tables, question, vocabulary, before=as_of, gap_days=recipe.label_gap_days, cuts=cuts
        )
    except InputError as error:
        if question == recipe.nps_question:
            raise
        # A second question must not stop a run that does not need it.
        return Trained(NpsTraining(NpsModel(source=None, why=f"The answers were not used: {error}", answers=0), None))
    training = train_nps_category(
        answers[feature_names(vocabulary)],
        answers["category"],
        answers["customer_id"],
        level=_levels(answers),
        day=answers["as_of"] if judge_last_wave else None,
        seed=recipe.seed,
    )
    return Trained(training, answers)


def _why_not_asked(answers: ir.Table, question: str) -> str | None:
    """Say that a question was not asked, and which ones were; None where it was asked."""
    asked = sorted(answers.select("question").distinct().to_pyarrow()["question"].to_pylist())
    if question in asked:
        return None
    return f"None of the answers is to the question '{question}'; asked were: {', '.join(asked)}."


def _levels(answers: pd.DataFrame) -> Integers | None:
    """Return the answers as given where all are on one scale, else None: only categories compare across scales."""
    on_one_scale = len(answers[["scale_low", "scale_high"]].drop_duplicates()) == 1
    return answers["score"].to_numpy(np.int64) if on_one_scale else None
