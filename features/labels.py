"""Invitations with their answers, scores, categories and comments: what labels are made of."""

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir

from data.errors import InputError
from features.engine.compiled import Rows, compiled
from features.spine import midnight

# (lowest, highest score of the scale) -> (highest score of a detractor, highest score of a passive).
CATEGORY_CUTS: dict[tuple[int, int], tuple[int, int]] = {
    (0, 10): (6, 8),
    (1, 5): (2, 4),
    (1, 6): (3, 5),
    (1, 7): (4, 6),
    (1, 10): (6, 8),
}
# The same for a question of satisfaction: highest score of the dissatisfied, and of those in between. The satisfied
# are the top answers: 4-5 of 1-5, 6-7 of 1-7, 9-10 of eleven or ten points (two of six on 1-6).
SATISFACTION_CUTS: dict[tuple[int, int], tuple[int, int]] = CATEGORY_CUTS | {
    (1, 5): (2, 3),
    (1, 6): (2, 4),
    (1, 7): (2, 5),
}
Cuts = Mapping[tuple[int, int], tuple[int, int]]
_OF_ANSWER = ("answered_at", "score", "scale_low", "scale_high", "category")
_ORDER = ["customer_id", "as_of", "answered_at", "score", "invited_at"]
# DuckDB's class of spaces holds those of ASCII only: the non-breaking, thin and wide ones are listed here.
_NOT_BLANK = "[^\\s\u00a0\u2000-\u200b\u202f\u3000\ufeff]"


def invitations(
    answers: ir.Table, question: str, *, before: date, since: date | None = None, gap_days: int = 0
) -> ir.Table:
    """Give everyone who was asked a question, with the answer where there is one. Grain: one row per invitation.

    Parameters
    ----------
    answers
        Clean answers.
    question
        The question, e.g. 'nps'; one that nobody was asked gives no rows.
    before
        Only invitations before this midnight count, and only answers given before it.
    since
        Only invitations at or after this midnight count. Where only the answer's time is known, the invitation is
        taken to have come one day before it.
    gap_days
        Days, at least 0, by which as_of is moved back from the invitation.

    Returns
    -------
    Table
        customer_id, as_of (DATE: the day of the invitation, or the day before the answer where only that is known,
        minus the gap; exclusive, so that day itself is not visible), invited_at, answered (BOOLEAN), and, null where
        that is false: answered_at, score, scale_low, scale_high, category (INTEGER: 0 detractor, 1 passive, 2 promoter;
        null on a scale without `CATEGORY_CUTS`).

    Raises
    ------
    InputError
        If `gap_days` is negative.
    """
    asked = _with_answers(answers, question, before, gap_days, CATEGORY_CUTS)
    if since is not None:
        asked = asked.filter(asked.asked_on >= ibis.literal(since))
    return asked.select("customer_id", "as_of", "invited_at", "answered", *_OF_ANSWER).order_by(_ORDER)


def labelled_answers(
    answers: ir.Table,
    question: str,
    *,
    before: date,
    since: date | None = None,
    gap_days: int = 0,
    cuts: Cuts = CATEGORY_CUTS,
) -> ir.Table:
    """Give the answered `invitations` to a question: the labels. Grain: one row per answer.

    Parameters
    ----------
    answers, question, gap_days
        As in `invitations`.
    before
        Only what was answered before this midnight is a label.
    since
        Only what was answered at or after this midnight is one; so two calls cut at a date share no answer.
    cuts
        Lowest and highest score of a scale -> highest score of category 0 and of category 1.

    Returns
    -------
    Table
        The columns of `invitations` but answered; category by `cuts`: by `SATISFACTION_CUTS` 0 is dissatisfied, 1 in
        between, 2 satisfied.

    Raises
    ------
    InputError
        If a score stands on a scale without cut points, or `gap_days` is negative.
    """
    asked = _with_answers(answers, question, before, gap_days, cuts)
    labels = _answered(asked, answers, question, since, cuts)
    return labels.select("customer_id", "as_of", "invited_at", *_OF_ANSWER).order_by(_ORDER)


def commented_answers(answers: ir.Table, question: str, *, before: date) -> ir.Table:
    """Give the answers to a question that came with a comment. Grain: one row per answer with a comment.

    Parameters
    ----------
    answers, question, before
        As in `labelled_answers`.

    Returns
    -------
    Table
        customer_id, answered_at, category (as in `invitations`), comment (text that is more than spaces, as it was
        written), touchpoint.

    Raises
    ------
    InputError
        If a score with a comment stands on a scale without cut points.
    """
    commented = answers.filter(answers.comment.re_search(_NOT_BLANK))
    asked = _with_answers(commented, question, before, 0, CATEGORY_CUTS)
    labels = _answered(asked, answers, question, None, CATEGORY_CUTS)
    columns = ["customer_id", "answered_at", "category", "comment", "touchpoint"]
    return labels.select(columns).order_by(["customer_id", "answered_at", "comment", "category", "touchpoint"])


def category_of(rows: ir.Table, cuts: Cuts) -> ir.IntegerValue:
    """Give the category of each score by the cut points of its scale, as in `labelled_answers`; null without any."""
    branches = []
    for (low, high), (lowest, middle) in cuts.items():
        on_scale = (rows.scale_low == low) & (rows.scale_high == high)
        branches.append((on_scale & (rows.score <= lowest), 0))
        branches.append((on_scale & (rows.score <= middle), 1))
        branches.append((on_scale & rows.score.notnull(), 2))
    return ibis.cases(*branches).cast("int32")


def _with_answers(answers: ir.Table, question: str, before: date, gap_days: int, cuts: Cuts) -> ir.Table:
    """Give `invitations` with all columns of answers and asked_on (DATE), in no order."""
    asked = _asked(answers, question, gap_days)
    is_answered = (asked.score.notnull() & (asked.answered_at < midnight(before))).fill_null(False)
    asked = asked.mutate(answered=is_answered, category=category_of(asked, cuts))
    # An answer whose invitation is not known did not exist before it was given.
    visible = asked.filter(asked.answered | (asked.invited_at < midnight(before)))
    return visible.mutate(
        **{name: ibis.ifelse(visible.answered, visible[name], ibis.null(visible[name].type())) for name in _OF_ANSWER}
    )


def _answered(asked: ir.Table, answers: ir.Table, question: str, since: date | None, cuts: Cuts) -> ir.Table:
    """Keep what was answered, at or after a midnight, and check that every score has a category."""
    labels = asked.filter(asked.answered)
    if since is not None:
        labels = labels.filter(labels.answered_at >= midnight(since))
    # Where all scores ever given to the question have one, which is told at little cost, these have.
    if not cuts.keys() >= set(_scales(compiled(_scored, {"answers": answers}, (), [question]))):
        _check_scales(labels, question, cuts)
    return labels


def _asked(answers: ir.Table, question: str, gap_days: int) -> ir.Table:
    """Rows of one question with asked_on and as_of (DATE)."""
    if gap_days < 0:
        raise InputError(f"gap_days must be 0 or more, got {gap_days}: a negative gap would look ahead.")
    rows = answers.filter(answers.question == question)
    day_before = (rows.answered_at - ibis.interval(days=1)).date()
    # An invitation dated after its own answer would let the features see past the answer: the answer's time is taken.
    invited_on = ibis.ifelse(rows.answered_at < rows.invited_at, day_before, rows.invited_at.date())
    rows = rows.mutate(asked_on=ibis.coalesce(invited_on, day_before))
    rows = rows.filter(rows.asked_on.notnull())
    return rows.mutate(as_of=(rows.asked_on - ibis.interval(days=gap_days)).cast("date"))


def _scored(tables: Mapping[str, ir.Table], question: str) -> ir.Table:
    answers = tables["answers"]
    return _distinct_scales(answers.filter((answers.question == question) & answers.score.notnull()))


def _distinct_scales(rows: ir.Table) -> ir.Table:
    return rows.select("scale_low", "scale_high").distinct().order_by(["scale_low", "scale_high"])


def _scales(rows: Rows) -> list[tuple[int, int]]:
    return [(row["scale_low"], row["scale_high"]) for row in rows.to_pyarrow().to_pylist()]


def _check_scales(rows: ir.Table, question: str, cuts: Cuts) -> None:
    without_cuts = [f"{low}-{high}" for low, high in _scales(_distinct_scales(rows)) if (low, high) not in cuts]
    if without_cuts:
        expected = ", ".join(f"{low}-{high}" for low, high in cuts)
        raise InputError(
            f"answers, column scale: question '{question}' has scores on the scale {', '.join(without_cuts)}, for "
            f"which no cut points into categories are defined; expected one of {expected}. Correct the scale, "
            "convert the scores to one of these scales, or choose another question in the settings."
        )
