"""When a customer's next order is due: by their own rhythm, and by the purchase model."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from functools import lru_cache
from math import log
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.scoring.scorer import Scorer

# Fewest gaps between purchases that make a rhythm.
FEWEST_GAPS = 2
_EVEN = 0.5


@dataclass(frozen=True)
class Due:
    """When the next order is due.

    Attributes
    ----------
    usual_gap : float or None
        Mean days between the customer's purchases; None with fewer than `FEWEST_GAPS` gaps.
    by_rhythm : datetime.date or None
        The usual gap after the last purchase.
    overdue : int
        Days from there to the date that the customer is described at; 0 before it.
    even_chance : datetime.date or None
        The day by which the chance of an order reaches one half; None where it does not before `last`.
    last : datetime.date
        How far was looked: the end of the horizon of churn.
    is_modelled : bool
        Whether the purchase model could be asked.
    """

    usual_gap: float | None
    by_rhythm: date | None
    overdue: int
    even_chance: date | None
    last: date
    is_modelled: bool


def next_order(row: Mapping[str, Any], horizon: int, longest: int, p_none: Callable[[int], float] | None) -> Due:
    """Say when the next order is due.

    The model's own chance of no order within t days, S(t), is raised to the power that makes it agree with the
    published chance at the horizon, as with proportional hazards: where a second stage corrected the chance, the
    correction goes on at its strength.

    Parameters
    ----------
    row : Mapping
        The customer's scores.
    horizon, longest : int
        Days of the horizon, and how many days ahead an even chance is looked for.
    p_none : callable or None
        The first stage's chance of no order within so many days; None where there is no purchase model.
    """
    as_of, gap, by_rhythm, overdue = row["as_of"], None, None, 0
    if row["frequency"] >= FEWEST_GAPS:
        gap = row["recency"] / row["frequency"]
        by_rhythm = row["last_purchase"] + timedelta(days=round(gap))
        overdue = max((as_of - by_rhythm).days, 0)
    last = as_of + timedelta(days=longest)
    p_purchase = row["p_purchase"]
    at_horizon = 1.0 if p_none is None else p_none(horizon)
    if p_none is None or p_purchase is None or not (0 < p_purchase < 1 and 0 < at_horizon < 1):
        return Due(gap, by_rhythm, overdue, None, last, is_modelled=False)
    power = log(1.0 - p_purchase) / log(at_horizon)
    days = _first_day(lambda t: p_none(t) ** power <= _EVEN, longest)
    even = None if days is None else as_of + timedelta(days=days)
    return Due(gap, by_rhythm, overdue, even, last, is_modelled=True)


def _first_day(holds: Callable[[int], bool], longest: int) -> int | None:
    """Return the first of 1 to `longest` days at which something holds that goes on to hold; None if it never does."""
    if not holds(longest):
        return None
    low, high = 0, longest
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if holds(middle) else (middle, high)
    return high


def p_none_of(row: Mapping[str, Any], scorer: "Scorer") -> Callable[[int], float]:
    """Give the first stage's chance that a customer does not order within so many days."""
    # One customer is scored: the libraries that the scorer needs are imported where it is read.
    import pandas as pd

    from models.scoring.columns import PURCHASE_COLUMNS

    known = {"frequency": row["frequency"], "recency": row["recency"], "T": row["T"]}
    features = pd.DataFrame([{**dict.fromkeys(PURCHASE_COLUMNS, 0.0), **known}]).astype(float)
    features["as_of"] = pd.Timestamp(row["as_of"])

    @lru_cache(maxsize=64)
    def p_none(days: int) -> float:
        return float(scorer.p_silent(features, days).iloc[0])

    return p_none


def scorer_of(parameters: Mapping[str, Any] | None) -> "Scorer | None":
    """Make the scorer without its trees; None where it has no purchase model or was made by another release."""
    if parameters is None:
        return None
    from models.scoring.parameters import ScorerParameters, scorer_sections
    from models.scoring.scorer import Scorer

    try:
        scorer = Scorer(ScorerParameters(**scorer_sections(parameters)))
    except (TypeError, KeyError, ValueError):
        return None
    return scorer if scorer.has_forecast else None
