"""The measures of the field that answers give: NPS, CSAT, CES, CSI, CLI, net satisfaction, would-miss-us.

Scores are judged as they stand in the clean table: on every scale the highest is the most content. Intervals are of
95 %: Wilson's for shares, the adjusted Wald interval for net scores, Student's for means (features.measures.intervals).
Customers are independent, several answers of one are not. They speak of those who answer; what the whole base would say
is for the base estimate.
"""

from functools import partial

import ibis.expr.types as ir
import pandas as pd

from features.labels import CATEGORY_CUTS, SATISFACTION_CUTS, Cuts
from features.measures.answer_sums import (
    Compute,
    Sums,
    counts_by_scale,
    figures_of_answers,
    moments_of_customers,
    one_scale,
    with_interval,
)
from features.measures.definition import Measure
from features.measures.intervals import customer_interval, effective_answers, nps_interval, wilson_interval
from features.measures.loyalty import LOYALTY_PARTS, loyalty, loyalty_100, satisfaction_index
from features.measures.response_rate import response_rate

__all__ = ["ANSWER_MEASURES", "answer_measures"]

# The share of 5-7 on 1-7, and of 4-5 on the first form of the question, 1-5, turned round on reading.
EASE_CUTS: Cuts = {(1, 7): (3, 4), (1, 5): (2, 3)}
MISSED_CUTS: Cuts = {(1, 10): (6, 8), (0, 10): (6, 8)}


def answer_measures(nps_question: str = "nps", satisfaction_question: str = "csat") -> tuple[Measure, ...]:
    """Give the measures of answers.

    Parameters
    ----------
    nps_question
        The question that `nps` and `response_rate` are of.
    satisfaction_question
        The question that `csat` and `net_satisfaction` are of.
    """
    parts = ", ".join(LOYALTY_PARTS)
    satisfied = partial(counts_by_scale, cuts=SATISFACTION_CUTS)
    return (
        Measure(
            "nps",
            "Net promoter score of the survey",
            "points",
            f"100 * (promoters - detractors) / answers to {nps_question}: {_ends(CATEGORY_CUTS)}",
            _net(nps_question, partial(counts_by_scale, cuts=CATEGORY_CUTS)),
        ),
        Measure(
            "csat",
            "Customer satisfaction (CSAT)",
            "%",
            f"share of top answers among answers to {satisfaction_question}: {_tops(SATISFACTION_CUTS)}",
            _top_share(satisfaction_question, satisfied),
        ),
        Measure(
            "net_satisfaction",
            "Net satisfaction",
            "points",
            f"100 * (satisfied - dissatisfied) / answers to {satisfaction_question}: {_ends(SATISFACTION_CUTS)}",
            _net(satisfaction_question, satisfied),
        ),
        Measure(
            "ces",
            "Customer effort score (CES): made it easy",
            "%",
            f"share of answers that it was easy among answers to ces: {_tops(EASE_CUTS)} (where effort was asked, "
            "turned round)",
            _top_share("ces", partial(counts_by_scale, cuts=EASE_CUTS)),
        ),
        Measure(
            "ces_mean",
            "Customer effort score (CES), mean",
            "",
            "mean of the answers to ces on their scale, the highest the easiest (where effort was asked, turned round)",
            figures_of_answers("ces", _sum_of_scores, _mean),
        ),
        Measure(
            "csi",
            "Customer satisfaction index (CSI)",
            "%",
            "sum(importance * satisfaction) / sum(importance) over the answers to csi that name an attribute and its "
            "importance, as % of the highest answer of the scale (so on 1-5 the lowest possible is 20 %); n counts "
            "surveys (a customer and day)",
            satisfaction_index("csi"),
        ),
        Measure(
            "cli",
            "Customer loyalty index (CLI)",
            "",
            f"mean of the three answers ({parts}) to cli on their scale, over the surveys (a customer and day) that "
            "have all three",
            loyalty("cli"),
        ),
        Measure(
            "cli_100",
            "Customer loyalty index (CLI), 0 to 100",
            "points",
            f"100 * (mean of the three answers ({parts}) to cli - lowest of the scale) / (highest - lowest), over the "
            "surveys (a customer and day) that have all three",
            loyalty_100("cli"),
        ),
        Measure(
            "miss_us",
            "Would miss us",
            "%",
            f"share of highest answers to miss_us, how much the company would be missed: {_tops(MISSED_CUTS)}",
            _top_share("miss_us", partial(counts_by_scale, cuts=MISSED_CUTS)),
        ),
        Measure(
            "response_rate",
            "Response rate",
            "%",
            f"share of those invited to {nps_question} in the window who answered by its end",
            response_rate(nps_question),
        ),
    )


def _top_share(question: str, counted: Sums) -> Compute:
    def figures(counts: pd.DataFrame) -> pd.DataFrame:
        effective = effective_answers(counts, net=False)
        return with_interval(counts, wilson_interval(counts["top"], counts["n"], effective), 100)

    return figures_of_answers(question, counted, figures)


def _net(question: str, counted: Sums) -> Compute:
    def figures(counts: pd.DataFrame) -> pd.DataFrame:
        effective = effective_answers(counts, net=True)
        return with_interval(counts, nps_interval(counts["bottom"], counts["middle"], counts["top"], effective))

    return figures_of_answers(question, counted, figures)


def _sum_of_scores(rows: ir.Table) -> pd.DataFrame:
    return moments_of_customers(rows, rows.score.cast("int64").sum().cast("int64"), rows.count(), rows.count())


def _mean(by_scale: pd.DataFrame) -> pd.DataFrame:
    sums = one_scale(by_scale)
    return with_interval(sums, customer_interval(sums, sums["scale_low"], sums["scale_high"]))


def _tops(cuts: Cuts) -> str:
    return ", ".join(f"{_span(middle + 1, high)} on {low}-{high}" for (low, high), (_, middle) in cuts.items())


def _ends(cuts: Cuts) -> str:
    return ", ".join(
        f"{_span(middle + 1, high)} against {_span(low, lowest)} on {low}-{high}"
        for (low, high), (lowest, middle) in cuts.items()
    )


def _span(first: int, last: int) -> str:
    return f"{first}" if first == last else f"{first}-{last}"


ANSWER_MEASURES = answer_measures()
