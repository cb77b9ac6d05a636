"""Who of the invited answers."""

import ibis
import pandas as pd

from features.answer_figures import BY, Compute
from features.measure import MeasureOptions, absent, with_empty_windows
from features.proportions import wilson_interval
from features.spine import midnight
from features.tables import Tables
from features.windows import Grouping, Windows


def response_rate(question: str) -> Compute:
    """Make the response rate: of those invited to a question in a window, the share that answered by its end.

    Answers after the window's end do not count: otherwise older windows had longer to answer than the newest, and its
    rate would always seem to have fallen. An answer whose invitation is not known, or is dated after it, counts as
    invited when it was answered. Where the data hold no unanswered invitation (yet), there is no rate.
    """

    def compute(tables: Tables, windows: Windows, grouping: Grouping, _options: MeasureOptions) -> pd.DataFrame:
        answers = tables.answers
        if answers is None:
            return absent("no table of answers was given", windows)
        if not grouping.applies_to(answers):
            return absent(f"answers have no column {grouping.column}", windows)
        rows = answers.filter(answers.question == question)
        invited = rows.filter(rows.invited_at < midnight(windows.until))
        firsts = invited.group_by("score").aggregate(first=invited.invited_at.min()).to_pandas()
        silent = firsts.loc[firsts["score"].isna(), "first"]
        if silent.empty:
            return absent(
                f"no invitations to the question {question} that were not answered: give rows with invited_at and "
                "without a score",
                windows,
            )
        asked_at = ibis.coalesce(
            ibis.ifelse(rows.answered_at < rows.invited_at, rows.answered_at, rows.invited_at), rows.answered_at
        )
        rows = grouping.of(windows.of(rows.mutate(asked_at=asked_at), "asked_at"))
        ends = ibis.cases(*((rows.window == k, midnight(windows.end(k))) for k in range(windows.count)))
        answered = rows.score.count(where=rows.answered_at < ends)
        counts = rows.group_by(BY).aggregate(n=rows.count(), answered=answered).order_by(BY).to_pandas()
        share, low, high = wilson_interval(counts["answered"], counts["n"])
        figures = counts[[*BY, "n"]].assign(value=100 * share, low=100 * low, high=100 * high)
        # Before the first that was not answered, only answers were kept.
        kept = [k for k in range(windows.count) if windows.end(k) > silent.iloc[0].date()]
        return with_empty_windows(
            figures[figures["window"].isin(kept)],
            windows,
            f"no invitations to the question {question} in this window, or only answered ones",
        )

    return compute
