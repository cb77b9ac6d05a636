"""Who of the invited answers."""

import ibis
import pandas as pd

from features.measures.answer_sums import BY, Compute, sums_by_customer
from features.measures.definition import MeasureOptions, absent, with_empty_windows
from features.measures.intervals import effective_answers, wilson_interval
from features.measures.windows import Grouping, Windows
from features.spine import midnight
from features.tables import Tables


def response_rate(question: str) -> Compute:
    """Make the response rate: of those invited to a question in a window, the share that answered by its end.

    Answers after the window's end do not count: otherwise older windows had longer to answer than the newest, and its
    rate would always seem to have fallen. Only answers whose invitation is known count: of others nobody knows how many
    were invited with them. Where the data hold no unanswered invitation (yet), or none that names a group, there is no
    rate.
    """

    def compute(tables: Tables, windows: Windows, grouping: Grouping, _options: MeasureOptions) -> pd.DataFrame:
        answers = tables.answers
        if answers is None:
            return absent("no table of answers was given", windows)
        if not grouping.applies_to(answers):
            return absent(f"answers have no column {grouping.column}", windows)
        rows = answers.drop_null("invited_at").filter(ibis._.question == question)
        invited = rows.filter(rows.invited_at < midnight(windows.until))
        if grouping.column is not None:
            invited = invited.drop_null(grouping.column)
        firsts = invited.group_by("score").aggregate(first=invited.invited_at.min()).to_pandas()
        silent = firsts.loc[firsts["score"].isna(), "first"]
        if silent.empty:
            return absent(
                f"no invitations to the question {question} that were not answered: give rows with invited_at"
                + (f", {grouping.column}" if grouping.column is not None else "")
                + " and without a score",
                windows,
            )
        rows = grouping.of(windows.of(rows, "invited_at"))
        ends = ibis.cases(*((rows.window == k, midnight(windows.end(k))) for k in range(windows.count)))
        in_time = rows.score.notnull() & (rows.answered_at < ends)  # noqa: PD004 - an expression of Ibis
        rows = rows.mutate(answered=in_time.fill_null(False).cast("int64"))
        counts = rows.group_by(BY).aggregate(n=rows.count(), top=rows.answered.sum()).order_by(BY).to_pandas()
        counts = counts.assign(bottom=0).merge(sums_by_customer(rows, {"top": "answered"}), on=BY)
        share, low, high = wilson_interval(counts["top"], counts["n"], effective_answers(counts, net=False))
        figures = counts[[*BY, "n"]].assign(value=100 * share, low=100 * low, high=100 * high)
        # Before the first that was not answered, only answers were kept.
        kept = [k for k in range(windows.count) if windows.end(k) > silent.iloc[0].date()]
        return with_empty_windows(
            figures[figures["window"].isin(kept)],
            windows,
            f"no invitations to the question {question} in this window, or only answered ones",
        )

    return compute
