"""Measures of surveys that ask several things: satisfaction weighed by importance, and loyalty in three parts."""

from collections.abc import Callable

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.measures.answer_sums import (
    BY,
    SCALE,
    Compute,
    figures_of_answers,
    moments_of_customers,
    one_scale,
    with_interval,
    with_why,
)
from features.measures.intervals import customer_interval

LOYALTY_PARTS = ("recommend", "buy_again", "try_other")
# A digit more than one number has, and products of two are still exact.
NUMBER = "decimal(19, 4)"


def satisfaction_index(question: str) -> Compute:
    """Make the customer satisfaction index: sum(importance * satisfaction) / sum(importance), in % of the highest.

    A survey is what a customer answers on one day to parts that each name an attribute and its importance. The
    interval is that of a ratio of two sums over customers (`ratio_interval`); n counts surveys. The scale must be one:
    the lowest index possible is 20 % on 1-5 and 14 % on 1-7.
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
        sums, parts = one_scale(by_scale), len(LOYALTY_PARTS)
        total, low, high = customer_interval(sums, parts * sums["scale_low"], parts * sums["scale_high"])
        return with_interval(sums, (total / parts, low / parts, high / parts))

    return _of_loyalty(question, figures)


def loyalty_100(question: str) -> Compute:
    """Make the customer loyalty index from 0 (all answers lowest) to 100 (all highest), each on its survey's scale."""

    def figures(sums: pd.DataFrame) -> pd.DataFrame:
        mixed = sums[sums["scale_low"].isna()].groupby(BY).groups
        whys = dict.fromkeys(mixed, "the parts of a survey stand on several scales; ask them on one")
        # With y = (total - parts * lowest * surveys) * step of a customer: its sums from those of total. A customer
        # with surveys on two scales counts as two.
        floor = len(LOYALTY_PARTS) * sums["scale_low"]
        step = 100 / (len(LOYALTY_PARTS) * (sums["scale_high"] - sums["scale_low"]))
        sums = sums.assign(
            above=(sums["above"] - floor * sums["below"]) * step,
            above2=(sums["above2"] - 2 * floor * sums["cross"] + floor**2 * sums["below2"]) * step**2,
            cross=(sums["cross"] - floor * sums["below2"]) * step,
        )
        added = ["customers", "n", "above", "below", "above2", "cross", "below2"]
        together = with_why(sums.groupby(BY, as_index=False)[added].sum(), whys)
        return with_interval(together, customer_interval(together, 0, 100))

    return _of_loyalty(question, figures)


def _sums_of_surveys(rows: ir.Table) -> pd.DataFrame:
    surveys = rows.group_by([*BY, "customer_id", rows.answered_at.date().name("day")]).aggregate(
        above=(rows.importance * rows.score.cast("int64")).sum().cast(NUMBER),
        below=rows.importance.sum().cast(NUMBER),
        **_common_scale(rows),
    )
    above, below = (surveys[name].sum().cast(NUMBER) for name in ("above", "below"))
    return moments_of_customers(surveys, above, below, surveys.count())


def _satisfaction_index(by_scale: pd.DataFrame) -> pd.DataFrame:
    sums = one_scale(by_scale)
    weightless = sums["why"].isna() & (sums["below"] <= 0)
    sums["why"] = sums["why"].mask(weightless, "the importance of all answers is 0")
    lowest, highest = sums["scale_low"].to_numpy(float), sums["scale_high"].to_numpy(float)
    ratio, low, high = customer_interval(sums, lowest, highest)
    return with_interval(sums, (ratio / highest, low / highest, high / highest), 100)


def _of_loyalty(question: str, figures: Callable[[pd.DataFrame], pd.DataFrame]) -> Compute:
    such = f" by customers who answered all parts ({', '.join(LOYALTY_PARTS)}) on one day"
    return figures_of_answers(question, _loyalty_sums, figures, needs=("attribute",), such=such)


def _loyalty_sums(rows: ir.Table) -> pd.DataFrame:
    """Take moments of customers of the totals (of three answers) of their surveys, by window, group and scale."""
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
    return moments_of_customers(surveys, surveys.total.sum().cast("int64"), surveys.count(), surveys.count())


def _common_scale(rows: ir.Table) -> dict[str, ir.Value]:
    """Give the scale of all rows, null where there are several."""
    same = (rows.scale_low.min() == rows.scale_low.max()) & (rows.scale_high.min() == rows.scale_high.max())
    return {name: ibis.ifelse(same, rows[name].min(), ibis.null("int32")) for name in SCALE}
