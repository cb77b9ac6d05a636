"""Answers that say why: the comments beside the scores of a question."""

from datetime import date

import ibis.expr.types as ir

from features.labels import CATEGORY_CUTS, Cuts, categorised
from features.spine import midnight

# The engine's own idea of a space is that of ASCII: the hard, the thin and the wide ones are named here.
_NOT_BLANK = "[^\\s\u00a0\u2000-\u200b\u202f\u3000\ufeff]"


def commented_answers(
    answers: ir.Table,
    question: str,
    *,
    before: date,
    since: date | None = None,
    cuts: Cuts = CATEGORY_CUTS,
) -> ir.Table:
    """Give the answers to a question that came with words. Grain: one row per answer with a comment.

    Parameters
    ----------
    answers
        Clean answers.
    question
        The question, e.g. 'nps'; one that nobody commented on gives no rows.
    before
        Only what was answered before this midnight counts.
    since
        Only what was answered at or after this midnight counts.
    cuts
        Lowest and highest score of a scale -> highest score of category 0 and of category 1.

    Returns
    -------
    Table
        customer_id, answered_at, category (INTEGER: 0 detractor, 1 passive, 2 promoter), comment (text that is more
        than spaces, as it was written), touchpoint.

    Raises
    ------
    InputError
        If a score stands on a scale whose cut into categories is not known.
    """
    said = answers.filter(
        answers.question == question,
        answers.score.notnull(),
        answers.answered_at < midnight(before),
        answers.comment.re_search(_NOT_BLANK),
    )
    if since is not None:
        said = said.filter(said.answered_at >= midnight(since))
    return (
        categorised(said, question, cuts)
        .select("customer_id", "answered_at", "category", "comment", "touchpoint")
        .order_by(["customer_id", "answered_at", "comment", "category", "touchpoint"])
    )
