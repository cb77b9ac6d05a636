"""Whom to do something about: four lists of customers, each with who, why and worth."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from models.actions.reasons import least_difference
from models.release.release import Release

# A list is as long as what a team can work through before the next scoring.
LONGEST_LIST = 1000
# Valuable is one customer in so many: the top quintile, as in RFM.
VALUABLE_ONE_IN = 5
# Silence is longer than this many usual gaps; purchases at random leave it 14 times in 100 (e^-2).
SILENT_GAPS = 2.0
# So many gaps make a rhythm.
FEWEST_GAPS = 2
# With less than this chance to be alive a customer has gone, and is no longer going.
GONE = 0.1
# What sentences tell of a customer, beside scores.
_TOLD = ["days_since_last_purchase", "days_between_purchases", "total_value"]


@dataclass(frozen=True)
class ActionList:
    """One list.

    Attributes
    ----------
    name, title : str
        For machines and for people.
    meaning : str
        Who is on it, with the thresholds and their figures.
    worth_means : str
        What ``worth`` is, and what it is not.
    customers : pandas.DataFrame
        Most worth first, ties by customer_id: customer_id, segment, worth (money) and why; its index is that of the
        scores.
    absent : str or None
        Why the list cannot be made; None where it can, though nobody may be on it.
    """

    name: str
    title: str
    meaning: str
    worth_means: str
    customers: pd.DataFrame
    absent: str | None = None


def action_lists(
    scores: pd.DataFrame, described: pd.DataFrame, release: Release, longest: int = LONGEST_LIST
) -> tuple[ActionList, ...]:
    """Choose who is on which list; a customer may be on several.

    Parameters
    ----------
    scores, described, release, longest
        As in `models.actions.plan.find_actions`.

    Returns
    -------
    tuple of ActionList
        - likely_detractors: likelier to be a detractor than the base, with an NPS score m = 100 (p_promoter -
          p_detractor) below the base's by more than the model's noise, and a clv in the top fifth. Worth: clv x
          p_detractor.
        - going_silent: at least two gaps between purchases, silent for more than twice the usual gap, p_alive at least
          .1, and what they bought so far in the top fifth. Worth: clv x p_churn.
        - promoters: as the first list on the other side, of any clv, without those who are silent as in the second.
          Worth: clv x p_promoter.
        - second_purchase: bought on one day only. Worth: expected_revenue.

        Nobody without worth is listed. The top fifth are those whose value a fifth of the customers (rounded up)
        reach, so ties are in.
    """
    base = _Base(scores, described, release, longest)
    return _likely_detractors(base), _going_silent(base), _promoters(base), _second_purchase(base)


@dataclass(frozen=True)
class _Base:
    """Everyone there is to choose from."""

    scores: pd.DataFrame
    described: pd.DataFrame
    release: Release
    longest: int

    @property
    def shares(self) -> pd.DataFrame:
        return self.scores[["p_detractor", "p_promoter"]].astype(float)

    @property
    def is_silent(self) -> pd.Series:
        since, usual = self.described["days_since_last_purchase"], self.described["days_between_purchases"]
        return (self.scores["frequency"] >= FEWEST_GAPS) & (since > SILENT_GAPS * usual)

    @property
    def why_no_nps(self) -> str | None:
        nps = self.release.parameters.nps
        if nps.source == "model":
            return None
        known = "Everyone has the same probabilities" if nps.source else "The scorer holds no NPS model"
        return f"{known}: {nps.why}"

    def away(self, side: int) -> tuple[pd.Series, str]:
        """Flag whose NPS score is beyond noise above (1) or below (-1) the base's, and say it."""
        m = 100.0 * (self.shares["p_promoter"] - self.shares["p_detractor"])
        noise = least_difference(self.release.parameters.nps)
        where = "above" if side > 0 else "below"
        said = (
            f"with an NPS score more than {noise:.1f} points {where} the mean prediction of the base, {m.mean():+.1f}"
        )
        return side * (m - m.mean()) > noise, said

    def listed(
        self,
        name: str,
        title: str,
        meaning: str,
        worth: tuple[pd.Series, str],
        on_it: pd.Series,
        why: Callable[[dict[Any, Any]], str],
    ) -> ActionList:
        """Take those of most worth and say why."""
        amount, worth_means = worth
        currency = self.release.parameters.currency
        chosen = self.scores[["customer_id", "segment"]].assign(worth=amount)[on_it & (amount > 0)]
        # Ids are sorted only among those who may be on the list.
        chosen = chosen.nlargest(self.longest, "worth", keep="all")
        chosen = chosen.sort_values(["worth", "customer_id"], ascending=[False, True]).head(self.longest)
        known = self.described[_TOLD].loc[chosen.index].assign(**self.scores.loc[chosen.index, ["clv", "p_purchase"]])
        texts = pd.Series([why(row) for row in known.to_dict("records")], index=chosen.index, dtype=object)
        unit = f" In {currency}." if currency else ""
        return ActionList(name, title, f"{meaning}.", f"{worth_means}.{unit}", chosen.assign(why=texts))

    def absent(self, name: str, title: str, why: str) -> ActionList:
        """Say why there is no such list."""
        nobody = self.scores[["customer_id", "segment"]].iloc[:0].assign(worth=0.0, why="")
        return ActionList(name, title, "", "", nobody, why)


def _likely_detractors(base: _Base) -> ActionList:
    names = "likely_detractors", "Likely detractors of high value"
    if base.why_no_nps:
        return base.absent(*names, base.why_no_nps)
    risk, clv = base.shares["p_detractor"], base.scores["clv"]
    (is_below, below), lowest = base.away(-1), _lowest_valuable(clv)
    return base.listed(
        *names,
        f"Likelier to be a detractor than the base ({_percent(risk.mean())}), {below}, and a clv among the top fifth "
        f"({lowest:,.2f} or more)",
        (clv * risk, "clv x p_detractor: lifetime value of a probable detractor, not what an action would save"),
        is_below & (risk > risk.mean()) & (clv >= lowest),
        lambda row: f"lifetime value of {row['clv']:,.2f}, among the top fifth",
    )


def _going_silent(base: _Base) -> ActionList:
    scores, bought = base.scores, base.described["total_value"]
    lowest, days = _lowest_valuable(bought), base.release.parameters.churn_horizon
    return base.listed(
        "going_silent",
        "Valuable customers going silent",
        f"Silent for more than {SILENT_GAPS:g} times their usual gap between purchases (of {FEWEST_GAPS} gaps or more),"
        f" still a customer with a chance of at least {_percent(GONE)}, and purchases so far among the top fifth "
        f"({lowest:,.2f} or more)",
        (
            scores["clv"] * scores["p_churn"],
            f"clv x p_churn: lifetime value by the chance of no purchase within {days} days; it ranks those whose "
            "return is worth much and is undecided, and is no forecast of a loss",
        ),
        base.is_silent & (scores["p_alive"] >= GONE) & (bought >= lowest),
        lambda row: (
            f"silent for {row['days_since_last_purchase']:,.0f} days; a purchase every "
            f"{row['days_between_purchases']:,.0f} days before; {row['total_value']:,.2f} bought so far"
        ),
    )


def _promoters(base: _Base) -> ActionList:
    names = "promoters", "Promoters to ask for a referral"
    if base.why_no_nps:
        return base.absent(*names, base.why_no_nps)
    chance, (is_above, above) = base.shares["p_promoter"], base.away(1)
    return base.listed(
        *names,
        f"Likelier to be a promoter than the base ({_percent(chance.mean())}), {above}, and not silent for more than "
        f"{SILENT_GAPS:g} times their usual gap between purchases",
        (
            base.scores["clv"] * chance,
            "clv x p_promoter: the promoter's own lifetime value; what a referral brings is not known",
        ),
        is_above & (chance > chance.mean()) & ~base.is_silent,
        lambda row: (
            f"lifetime value of {row['clv']:,.2f}; last purchase {row['days_since_last_purchase']:,.0f} days ago"
        ),
    )


def _second_purchase(base: _Base) -> ActionList:
    scores, days = base.scores, base.release.parameters.horizon
    once = scores["frequency"] == 0
    usual = scores["p_purchase"][once].mean()
    return base.listed(
        "second_purchase",
        "Candidates for a second purchase",
        f"Bought on one day only{f'; {_percent(usual)} of them buy again within {days} days' if once.any() else ''}",
        (scores["expected_revenue"], f"expected_revenue: of the next {days} days without any action"),
        once,
        lambda row: (
            f"bought once, {row['days_since_last_purchase']:,.0f} days ago; {_percent(row['p_purchase'])} likely to "
            f"buy again within {days} days; base of one-time buyers {_percent(usual)}"
        ),
    )


def _lowest_valuable(value: pd.Series) -> float:
    """Find the lowest value among the top fifth, rounded up to whole customers."""
    return float(value.nlargest(math.ceil(len(value) / VALUABLE_ONE_IN)).min())


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
