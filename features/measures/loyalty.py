"""Measures of surveys that ask several things: satisfaction weighed by importance, and loyalty in three parts."""

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from features.measures.answer_sums import (
    BY,
    SCALE,
    Compute,
    figures_of_answers,
    one_scale,
    sums_by_scale,
    with_interval,
    with_why,
)
from features.measures.intervals import mean_interval, ratio_interval

LOYALTY_PARTS = ("recommend", "buy_again", "try_other")
# A digit more than one number has, and products of two are still exact.
NUMBER = "decimal(19, 4)"


def satisfaction_index(question: str) -> Compute:
    """Make the customer satisfaction index: sum(importance * satisfaction) / sum(importance), in % of the highest.

    A survey is what a customer answers on one day to parts that each name an attribute and its importance. The
    interval is that of a ratio of two sums over surveys (`ratio_interval`); n counts them. The scale must be one: the
    lowest index possible is 20 % on 1-5 and 14 % on 1-7.
    """
    such = " that name an attribute and its importance"
    needs = ("attribute", "importance")
    return figures_of_answers(question, _sums_of_surveys, _satisfaction_index, needs=needs, such=such)


def loyalty(question: str) -> Compute:
    """Make the customer loyalty index: the mean of `LOYALTY_PARTS` over surveys, on the scale of the answers.

    A survey is what a customer answers on one day; it counts where all three parts are there. Of a part answered
    twice the later answer counts, at the same time the lower one.
    """

    def figures(by_scale: pd.DataFrame) -> pd.DataFrame:
        sums = one_scale(by_scale)
        parts = len(LOYALTY_PARTS)
        scale = (sums["scale_low"], sums["scale_high"])
        return with_interval(sums, mean_interval(sums["n"], sums["total"] / parts, sums["squares"] / parts**2, *scale))

    return _of_loyalty(question, figures)


def loyalty_100(question: str) -> Compute:
    """Make the customer loyalty index from 0 (all answers lowest) to 100 (all highest), each on its survey's scale."""

    def figures(sums: pd.DataFrame) -> pd.DataFrame:
        mixed = sums[sums["scale_low"].isna()].groupby(BY).groups
        whys = dict.fromkeys(mixed, "the parts of a survey stand on several scales; ask them on one")
        # With y = (total - parts * lowest) * step: sums of y and of y^2 from those of total.
        n, total, floor = sums["n"], sums["total"], len(LOYALTY_PARTS) * sums["scale_low"]
        step = 100 / (len(LOYALTY_PARTS) * (sums["scale_high"] - sums["scale_low"]))
        squares = (sums["squares"] - 2 * floor * total + floor**2 * n) * step**2
        sums = sums.assign(total=(total - floor * n) * step, squares=squares)
        together = with_why(sums.groupby(BY, as_index=False)[["n", "total", "squares"]].sum(), whys)
        return with_interval(together, mean_interval(together["n"], together["total"], together["squares"], 0, 100))

    return _of_loyalty(question, figures)


def _sums_of_surveys(rows: ir.Table) -> pd.DataFrame:
    surveys = rows.group_by([*BY, "customer_id", rows.answered_at.date().name("day")]).aggregate(
        above=(rows.importance * rows.score.cast("int64")).sum().cast(NUMBER),
        below=rows.importance.sum().cast(NUMBER),
        **_common_scale(rows),
    )
    above, below = surveys.above, surveys.below
    return sums_by_scale(
        surveys,
        {
            "n": surveys.count(),
            "above": above.sum(),
            "below": below.sum(),
            "above2": (above * above).sum(),
            "cross": (above * below).sum(),
            "below2": (below * below).sum(),
        },
    )


def _satisfaction_index(by_scale: pd.DataFrame) -> pd.DataFrame:
    sums = one_scale(by_scale)
    weightless = sums["why"].isna() & (sums["below"] <= 0)
    sums["why"] = sums["why"].mask(weightless, "the importance of all answers is 0")
    ratio, low, high = ratio_interval(*(sums[name] for name in ("n", "above", "below", "above2", "cross", "below2")))
    lowest, highest = sums["scale_low"].to_numpy(float), sums["scale_high"].to_numpy(float)
    interval = (ratio / highest, np.maximum(low, lowest) / highest, np.minimum(high, highest) / highest)
    return with_interval(sums, interval, 100)


def _of_loyalty(question: str, figures: Callable[[pd.DataFrame], pd.DataFrame]) -> Compute:
    such = f" by customers who answered all parts ({', '.join(LOYALTY_PARTS)}) on one day"
    return figures_of_answers(question, _loyalty_sums, figures, needs=("attribute",), such=such)


def _loyalty_sums(rows: ir.Table) -> pd.DataFrame:
    """Sum over surveys their total (of three answers) and its square, by window, group and scale."""
    part = rows.attribute.strip().lower().replace("-", "_").replace(" ", "_")
    rows = rows.mutate(part=part, day=rows.answered_at.date()).filter(part.isin(LOYALTY_PARTS))
    survey = [*BY, "customer_id", "day"]
    newest = [rows.answered_at.desc(), rows.score, rows.scale_low, rows.scale_high]
    rows = rows.mutate(again=ibis.row_number().over(group_by=[*survey, "part"], order_by=newest))
    rows = rows.filter(rows.again == 0)
    surveys = rows.group_by(survey).aggregate(
        parts=rows.count(), total=rows.score.sum().cast("int64"), **_common_scale(rows)
    )
    surveys = surveys.filter(surveys.parts == len(LOYALTY_PARTS))
    total = surveys.total
    return sums_by_scale(surveys, {"n": surveys.count(), "total": total.sum(), "squares": (total * total).sum()})


def _common_scale(rows: ir.Table) -> dict[str, ir.Value]:
    """Give the scale of all rows, null where there are several."""
    same = (rows.scale_low.min() == rows.scale_low.max()) & (rows.scale_high.min() == rows.scale_high.max())
    return {name: ibis.ifelse(same, rows[name].min(), ibis.null("int32")) for name in SCALE}
