"""Four lists of customers to act on, each with the customers, the reasons and the value."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from models.actions.base_figures import BaseFigures, nps_score
from models.actions.reasons import least_difference
from models.release.release import Release

# A list is no longer than a team can work through before the next scoring.
LONGEST_LIST = 1000
# A customer is lapsing after more than this many usual gaps between purchases. With purchases at random times a gap is
# that long 14 times in 100 (e^-2).
LAPSING_GAPS = 2.0
# Fewest gaps from which a usual gap is computed.
FEWEST_GAPS = 2
# With a smaller chance to be alive a customer has lapsed, and is no longer lapsing.
LAPSED = 0.1
# Features that the sentences quote, beside scores.
QUOTED = ["days_since_last_purchase", "days_between_purchases", "total_value"]


@dataclass(frozen=True)
class ActionList:
    """One list.

    Attributes
    ----------
    name, title : str
        Its name in files, and its title in texts.
    meaning : str
        Who is on the list, with the thresholds and their values.
    value_definition : str
        How ``value`` is computed, and what it is not.
    customers : pandas.DataFrame
        The largest value first (of likely detractors the likeliest), ties by customer_id: customer_id, segment, value
        (money) and why; its index is that of the scores.
    absent : str or None
        Why the list cannot be made; None where it can, though it may be empty.
    """

    name: str
    title: str
    meaning: str
    value_definition: str
    customers: pd.DataFrame
    absent: str | None = None


def rank_of(each: "ActionList", scores: pd.DataFrame) -> pd.Series:
    """Give what the customers of a list are ordered by, the largest first."""
    value: pd.Series = each.customers["value"]
    if each.name == "likely_detractors":
        value = scores.loc[each.customers.index, "p_detractor"]
    return value.astype(float)


def action_lists(
    scores: pd.DataFrame, described: pd.DataFrame, release: Release, figures: BaseFigures | None = None
) -> tuple[ActionList, ...]:
    """Choose the customers of each list; a customer may be on several.

    Parameters
    ----------
    scores, release
        As in `models.actions.plan.find_actions`.
    described
        The features `QUOTED` of the same customers, with the index of the scores.
    figures
        Of the whole base, where these customers are a part of it.

    Returns
    -------
    tuple of ActionList
        - likely_detractors: of the category detractor, no likelier a promoter than a detractor, with an NPS score
          m = 100 (p_promoter - p_detractor) below the base's by more than the model's noise, and a clv in the top
          fifth; the likeliest detractors first. Value: clv x p_detractor.
        - lapsing: at least two gaps between purchases, no purchase for more than twice the usual gap, p_alive not below
          .1, and net purchases so far in the top fifth. Value: clv x p_churn.
        - promoters: of the category promoter, likelier to be one than the base, with an NPS score above the base's by
          more than the model's noise, and not lapsing. Value: clv x p_promoter.
        - second_purchase: bought on one day only. Value: expected_revenue.

        Customers without a positive value are not listed. A list holds at most `LONGEST_LIST`. The top fifth are the
        customers with the largest values, a fifth of the base (rounded up) and ties with the last of them.
    """
    base = _Base(scores, described, release, figures or BaseFigures.of(scores, described, release))
    return _likely_detractors(base), _lapsing(base), _promoters(base), _second_purchase(base)


_NO_FORECAST = "The scorer has no purchase forecast, as nobody had bought on a second day by its training."


@dataclass(frozen=True)
class _Base:
    """The customers to choose from."""

    scores: pd.DataFrame
    described: pd.DataFrame
    release: Release
    figures: BaseFigures

    @property
    def shares(self) -> pd.DataFrame:
        return self.scores[["p_detractor", "p_promoter"]].astype(float)

    def is_of(self, category: str) -> pd.Series:
        """Flag the customers of a category."""
        return self.scores["nps_category"] == category

    @property
    def has_forecast(self) -> bool:
        return self.release.scorer.has_forecast

    @property
    def worth(self) -> tuple[pd.Series, str, str]:
        """What a customer is worth: lifetime value, or, without a forecast, the purchases so far; column and words."""
        if self.has_forecast:
            return self.scores["clv"], "clv", "lifetime value"
        return self.described["total_value"], "total_value", "purchases so far"

    @property
    def is_lapsing(self) -> pd.Series:
        since, usual = self.described["days_since_last_purchase"], self.described["days_between_purchases"]
        return (self.scores["frequency"] >= FEWEST_GAPS) & (since > LAPSING_GAPS * usual)

    @property
    def why_no_nps(self) -> str | None:
        nps = self.release.parameters.nps
        if nps.source == "model":
            return None
        problem = "Everyone has the same probabilities" if nps.source else "The scorer holds no NPS model"
        return f"{problem}: {nps.why}"

    def beyond_noise(self, side: int) -> tuple[pd.Series, str]:
        """Flag customers with an NPS score beyond noise above (1) or below (-1) the base's, and word the condition."""
        m, of_base = nps_score(self.shares), self.figures.score
        noise = least_difference(self.release.parameters.nps)
        where = "above" if side > 0 else "below"
        condition = (
            f"with an NPS score more than {noise:.1f} points {where} the mean prediction of the base, {of_base:+.1f}"
        )
        return side * (m - of_base) > noise, condition

    def listed(
        self,
        name: str,
        title: str,
        meaning: str,
        value: tuple[pd.Series, str],
        is_listed: pd.Series,
        why: Callable[[dict[Any, Any]], str],
        rank: pd.Series | None = None,
    ) -> ActionList:
        """Take the customers of highest rank, or else with the largest values, and say why each is listed."""
        amount, value_definition = value
        currency = self.release.parameters.currency
        chosen = self.scores[["customer_id", "segment"]].assign(value=amount, rank=amount if rank is None else rank)
        chosen = chosen[is_listed & (amount > 0)]
        # Only customers who may be on the list are sorted by id.
        chosen = chosen.nlargest(LONGEST_LIST, "rank", keep="all")
        chosen = chosen.sort_values(["rank", "customer_id"], ascending=[False, True]).head(LONGEST_LIST)
        chosen = chosen.drop(columns="rank")
        quoted = self.described[QUOTED].loc[chosen.index].assign(**self.scores.loc[chosen.index, ["clv", "p_purchase"]])
        texts = pd.Series([why(row) for row in quoted.to_dict("records")], index=chosen.index, dtype=object)
        unit = f" In {currency}." if currency else ""
        return ActionList(name, title, f"{meaning}.", f"{value_definition}.{unit}", chosen.assign(why=texts))

    def absent(self, name: str, title: str, why: str) -> ActionList:
        """Return a list that cannot be made, with the reason."""
        empty = self.scores[["customer_id", "segment"]].iloc[:0].assign(value=0.0, why="")
        return ActionList(name, title, "", "", empty, why)


def _likely_detractors(base: _Base) -> ActionList:
    names = "likely_detractors", "Likely detractors of high value"
    if base.why_no_nps:
        return base.absent(*names, base.why_no_nps)
    risk, (worth, column, words) = base.shares["p_detractor"], base.worth
    (is_below, below), lowest = base.beyond_noise(-1), base.figures.lowest_worth
    return base.listed(
        *names,
        f"In the category of detractors, no likelier promoters than detractors, {below}, and a {column} among the top "
        f"fifth ({lowest:,.2f} or more); the likeliest detractors first (base: {_percent(base.figures.p_detractor)})",
        (worth * risk, f"{column} x p_detractor: {words} of a probable detractor, not what an action would save"),
        is_below & base.is_of("detractor") & (risk >= base.shares["p_promoter"]) & (worth >= lowest),
        lambda row: f"{words} of {row[column]:,.2f}, among the top fifth",
        rank=risk,
    )


def _lapsing(base: _Base) -> ActionList:
    names = "lapsing", "Valuable customers going silent"
    if not base.has_forecast:
        return base.absent(*names, _NO_FORECAST)
    scores, bought = base.scores, base.described["total_value"]
    lowest, days = base.figures.lowest_bought, base.release.parameters.churn_horizon
    return base.listed(
        *names,
        f"No purchase for more than {LAPSING_GAPS:g} times their usual gap between purchases (of {FEWEST_GAPS} gaps or "
        f"more), still a customer with a chance of at least {_percent(LAPSED)}, and purchases so far, less returns, "
        f"among the top fifth ({lowest:,.2f} or more)",
        (
            scores["clv"] * scores["p_churn"],
            f"clv x p_churn: lifetime value times the chance of no purchase within {days} days; it ranks customers "
            "whose return is valuable and uncertain, and is not a forecast of a loss",
        ),
        # Where nobody can be told to have left, p_alive is null.
        base.is_lapsing & ~(scores["p_alive"] < LAPSED) & (bought >= lowest),
        lambda row: (
            f"silent for {row['days_since_last_purchase']:,.0f} days; a purchase every "
            f"{row['days_between_purchases']:,.0f} days before; {row['total_value']:,.2f} bought so far"
        ),
    )


def _promoters(base: _Base) -> ActionList:
    names = "promoters", "Promoters to ask for a referral"
    if base.why_no_nps:
        return base.absent(*names, base.why_no_nps)
    chance, (is_above, above), usual = base.shares["p_promoter"], base.beyond_noise(1), base.figures.p_promoter
    worth, column, words = base.worth
    return base.listed(
        *names,
        f"In the category of promoters, likelier to be one than the base ({_percent(usual)}), {above}, and not "
        f"lapsing (no purchase "
        f"for more than {LAPSING_GAPS:g} times their usual gap)",
        (
            worth * chance,
            f"{column} x p_promoter: {words} of a probable promoter; the value of a referral is not known",
        ),
        is_above & base.is_of("promoter") & (chance > usual) & ~base.is_lapsing,
        lambda row: f"{words} of {row[column]:,.2f}; last purchase {row['days_since_last_purchase']:,.0f} days ago",
    )


def _second_purchase(base: _Base) -> ActionList:
    names = "second_purchase", "Candidates for a second purchase"
    if not base.has_forecast:
        return base.absent(*names, _NO_FORECAST)
    scores, days = base.scores, base.release.parameters.horizon
    once = scores["frequency"] == 0
    usual = base.figures.p_purchase_once
    again = "" if math.isnan(usual) else f"; {_percent(usual)} of them buy again within {days} days"
    return base.listed(
        *names,
        f"Bought on one day only{again}",
        (scores["expected_revenue"], f"expected_revenue: revenue of the next {days} days without any action"),
        once,
        lambda row: (
            f"bought once, {row['days_since_last_purchase']:,.0f} days ago; {_percent(row['p_purchase'])} likely to "
            f"buy again within {days} days; base of one-time buyers {_percent(usual)}"
        ),
    )


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
