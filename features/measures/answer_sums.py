"""What measures of answers share: which answers count, sums by window, group and scale, and reasons for no value."""

from collections.abc import Callable, Mapping
from datetime import date
from typing import Any

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.labels import Cuts, category_of
from features.measures.definition import FIGURES, MeasureOptions, absent, shared, with_empty_windows
from features.measures.intervals import Interval
from features.measures.windows import Grouping, Windows
from features.spine import midnight
from features.tables import Tables

Compute = Callable[[Tables, Windows, Grouping, MeasureOptions], pd.DataFrame]
Sums = Callable[[ir.Table], pd.DataFrame]
BY = ["window", "group"]
SCALE = ["scale_low", "scale_high"]


def figures_of_answers(
    question: str,
    sums: Sums,
    figures: Callable[[pd.DataFrame], pd.DataFrame],
    *,
    needs: tuple[str, ...] = (),
    such: str = "",
) -> Compute:
    """Make the function that computes a measure of the answers to one question.

    Parameters
    ----------
    question
        Its answers that have a score, given in a window and before `until`, are measured.
    sums
        Adds these up by `window` and `group`, in one query. Measures of one question that have it in common share it.
    figures
        Turns the sums into figures by both.
    needs
        Optional columns of answers; only answers that have all of them count.
    such
        Which of the answers count, as it ends the words "no answers to the question csi".

    Returns
    -------
    callable
        The `compute` of a `Measure`. Where a table, the question or a column is not there, it says so.
    """
    what = f"answers to the question {question}{such}"

    def compute(tables: Tables, windows: Windows, grouping: Grouping, _options: MeasureOptions) -> pd.DataFrame:
        answers = tables.answers
        if answers is None:
            return absent("no table of answers was given", windows)
        if not grouping.applies_to(answers):
            return absent(f"answers have no column {grouping.column}", windows)
        missing = [name for name in needs if name not in answers.columns]
        if missing:
            return absent(f"no {what}: answers have no column {' and no column '.join(missing)}", windows)
        answered = _answered(answers, windows.until)
        if question not in answered:
            others = f"; the questions answered are {', '.join(answered)}" if answered else ""
            remedy = "name another question, or give answers to this one"
            return absent(f"no {what} before {windows.until}{others}; {remedy}", windows)
        by_scale = _sums(answers, windows, grouping, question, needs, sums)
        if by_scale.empty:
            return absent(f"no {what} in these windows", windows)
        return with_empty_windows(figures(by_scale), windows, f"no {what} in this window")

    return compute


@shared
def _answered(answers: ir.Table, until: date) -> list[str]:
    """List the questions answered before a midnight."""
    scored = answers.filter(answers.answered_at < midnight(until)).drop_null("score")
    return sorted(scored.select("question").distinct().to_pandas()["question"].dropna())


@shared
def _sums(
    answers: ir.Table, windows: Windows, grouping: Grouping, question: str, needs: tuple[str, ...], sums: Sums
) -> pd.DataFrame:
    rows = answers.filter(answers.question == question).drop_null(["score", *needs])
    return sums(grouping.of(windows.of(rows, "answered_at")))


def counts_by_scale(rows: ir.Table, cuts: Cuts) -> pd.DataFrame:
    """Count answers and those at both ends of their own scale, by window and group.

    Parameters
    ----------
    rows
        Answers with window and group.
    cuts
        Lowest and highest score of a scale -> highest score of the lowest class and of the one in between.

    Returns
    -------
    DataFrame
        window, group, n, bottom, middle, top (counts), why: not null where a scale has no cut.
    """
    category = category_of(rows, cuts)
    ends = {"bottom": (category == 0).sum(), "below_top": (category <= 1).sum()}
    sums = sums_by_scale(rows, {"n": rows.count(), **ends})
    counts = sums.fillna({"bottom": 0, "below_top": 0}).groupby(BY, as_index=False)[["n", "bottom", "below_top"]].sum()
    counts["middle"], counts["top"] = counts["below_top"] - counts["bottom"], counts["n"] - counts["below_top"]
    has_cuts = np.array([pair in cuts for pair in zip(sums["scale_low"], sums["scale_high"], strict=True)], dtype=bool)
    scales = ", ".join(f"{low}-{high}" for low, high in cuts)
    whys = {
        key: f"answers on the scale {_scales(part)}, which has no cut points; give them on one of {scales}"
        for key, part in sums[~has_cuts].groupby(BY)
    }
    return with_why(counts, whys)


def sums_by_scale(rows: ir.Table, sums: Mapping[str, ir.Value]) -> pd.DataFrame:
    """Take sums by window, group and scale.

    Parameters
    ----------
    rows
        Rows with window, group, scale_low and scale_high (null where a row itself joins several scales).
    sums
        Name -> aggregate of `rows`, exact (integers or DECIMAL), so that the order of rows does not matter.

    Returns
    -------
    DataFrame
        window, group, scale_low, scale_high, the sums in doubles, in this order.
    """
    keys = [*BY, *SCALE]
    by_scale: pd.DataFrame = rows.group_by(keys).aggregate(**sums).order_by(keys).to_pandas()
    return by_scale.astype(dict.fromkeys(sums, float))


def one_scale(by_scale: pd.DataFrame) -> pd.DataFrame:
    """Keep one row by window and group: where there are several scales, a mean over them says nothing.

    Parameters
    ----------
    by_scale
        As `sums_by_scale` gives them, with the sum n.

    Returns
    -------
    DataFrame
        The same columns, n over all scales, and why: not null where there are several.
    """
    several = by_scale.duplicated(BY, keep=False) | by_scale["scale_low"].isna()
    whys = {
        key: f"answers on several scales ({_scales(part)}): their mean says nothing; give them on one scale"
        for key, part in by_scale[several].groupby(BY)
    }
    single = by_scale.assign(n=by_scale.groupby(BY)["n"].transform("sum")).drop_duplicates(BY)
    return with_why(single, whys)


def with_why(figures: pd.DataFrame, whys: Mapping[Any, str]) -> pd.DataFrame:
    """Add `why` (text, null where there is no reason) by (window, group)."""
    keys = zip(figures["window"], figures["group"], strict=True)
    return figures.assign(why=pd.Series([whys.get(key) for key in keys], index=figures.index, dtype=object))


def with_interval(counts: pd.DataFrame, interval: Interval, factor: float = 1.0) -> pd.DataFrame:
    """Put values and their intervals beside counts, null where there is a reason why.

    Parameters
    ----------
    counts
        window, group, n, why.
    interval
        (value, low, high), a row each.
    factor
        100 where shares are shown in percent.
    """
    figures = counts[[*BY, "n", "why"]].copy()
    for name, numbers in zip(("value", "low", "high"), interval, strict=True):
        figures[name] = np.where(counts["why"].isna(), factor * np.asarray(numbers), np.nan)
    return figures[list(FIGURES)]


def _scales(part: pd.DataFrame) -> str:
    pairs = part[SCALE].drop_duplicates().itertuples(index=False)
    return ", ".join("mixed in one survey" if pd.isna(low) else f"{int(low)}-{int(high)}" for low, high in pairs)
