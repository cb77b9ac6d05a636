"""Answers become labels: who answered what, described as of when."""

from collections.abc import Mapping
from datetime import date

import ibis
import ibis.expr.types as ir

from data.errors import InputError
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


def labelled_answers(
    answers: ir.Table,
    question: str,
    *,
    before: date,
    since: date | None = None,
    gap_days: int = 0,
    cuts: Cuts = CATEGORY_CUTS,
) -> ir.Table:
    """Turn the answers to a question into labels. Grain: one row per answer.

    Parameters
    ----------
    answers
        Clean answers.
    question
        The question, e.g. 'nps'; one that nobody answered gives no rows.
    before
        Only what was answered before this midnight is a label.
    since
        Only what was answered at or after this midnight is one; so two calls cut at a date share no answer.
    gap_days
        Days, at least 0, by which as_of is moved back from the invitation.
    cuts
        Lowest and highest score of a scale -> highest score of category 0 and of category 1.

    Returns
    -------
    Table
        customer_id, as_of (DATE: the day of the invitation, or the day before the answer where only that is known,
        minus the gap; exclusive, so that day itself is not seen), invited_at, answered_at, score, scale_low,
        scale_high, category (INTEGER: 0 detractor, 1 passive, 2 promoter; by `SATISFACTION_CUTS` 0 dissatisfied,
        1 in between, 2 satisfied).

    Raises
    ------
    InputError
        If a score stands on a scale whose cut into categories is not known, or `gap_days` is negative.
    """
    asked = _asked(answers, question, gap_days)
    known = asked.filter(asked.score.notnull(), asked.answered_at < midnight(before))
    if since is not None:
        known = known.filter(known.answered_at >= midnight(since))
    return (
        categorised(known, question, cuts)
        .select("customer_id", "as_of", "invited_at", "answered_at", "score", "scale_low", "scale_high", "category")
        .order_by(["customer_id", "as_of", "answered_at", "score", "invited_at"])
    )


def categorised(rows: ir.Table, question: str, cuts: Cuts = CATEGORY_CUTS) -> ir.Table:
    """Add the category of each score, cut on its own scale.

    Parameters
    ----------
    rows
        Answers that have a score, with scale_low and scale_high.
    question
        The question they answer, for the message.
    cuts
        As in `labelled_answers`.

    Returns
    -------
    Table
        The rows with category (INTEGER) as in `labelled_answers`.

    Raises
    ------
    InputError
        If a score stands on a scale whose cut into categories is not known.
    """
    _check_scales(rows, question, cuts)
    return rows.mutate(category=_category(rows, cuts))


def invitations(
    answers: ir.Table, question: str, *, before: date, since: date | None = None, gap_days: int = 0
) -> ir.Table:
    """Everyone who was asked a question, answered or not: what tells who answers. Grain: one row per invitation.

    Parameters
    ----------
    answers, question, gap_days
        As in `labelled_answers`.
    before
        Only who was invited before this midnight counts, and as answered only who answered before it.
    since
        Only who was invited at or after this midnight counts. Where only the answer's time is known, the invitation
        is taken to have come one day before it.

    Returns
    -------
    Table
        customer_id, as_of (DATE, as in `labelled_answers`), invited_at, answered_at (null where not answered before
        `before`), answered (BOOLEAN).
    """
    asked = _asked(answers, question, gap_days)
    is_answered = (asked.score.notnull() & (asked.answered_at < midnight(before))).fill_null(False)
    asked = asked.mutate(answered=is_answered)
    # An answer whose invitation is not known did not exist before it was given.
    known = asked.filter(asked.answered | (asked.invited_at < midnight(before)))
    if since is not None:
        known = known.filter(known.asked_on >= ibis.literal(since))
    return known.select(
        "customer_id",
        "as_of",
        "invited_at",
        answered_at=ibis.ifelse(known.answered, known.answered_at, ibis.null("timestamp")),
        answered=known.answered,
    ).order_by(["customer_id", "as_of", "invited_at", "answered_at"])


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


def _category(rows: ir.Table, cuts: Cuts) -> ir.IntegerValue:
    branches = []
    for (low, high), (lowest, middle) in cuts.items():
        on_scale = (rows.scale_low == low) & (rows.scale_high == high)
        branches.append((on_scale & (rows.score <= lowest), 0))
        branches.append((on_scale & (rows.score <= middle), 1))
        branches.append((on_scale, 2))
    return ibis.cases(*branches).cast("int32")


def _check_scales(rows: ir.Table, question: str, cuts: Cuts) -> None:
    found = rows.select("scale_low", "scale_high").distinct().order_by(["scale_low", "scale_high"])
    scales = [(row["scale_low"], row["scale_high"]) for row in found.to_pyarrow().to_pylist()]
    unknown = [f"{low}-{high}" for low, high in scales if (low, high) not in cuts]
    if unknown:
        expected = ", ".join(f"{low}-{high}" for low, high in cuts)
        raise InputError(
            f"answers, column scale: question '{question}' has scores on the scale {', '.join(unknown)}, for which no "
            f"cut into categories is known; expected one of {expected}. Correct the scale, "
            "convert the scores to one of these scales, or choose another question in the settings."
        )
