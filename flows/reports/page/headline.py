"""The first screen of the page: the base in six figures, each with its interval, its change and its trend."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flows.reports.page.language import Words

Figures = Mapping[str, Any]


@dataclass(frozen=True)
class Points:
    """The path of a trend in a box of 96 by 34."""

    path: str


@dataclass(frozen=True)
class Card:
    """One figure: its name, value, interval, change since when, and trend; and what stands there without a change."""

    name: str
    figure: str
    interval: str
    change: str
    since: str | None
    points: Points | None
    without: str


def points(values: Sequence[float | None]) -> Points | None:
    """Draw the values that there are as a line; None with fewer than two."""
    known = [(k, value) for k, value in enumerate(values) if value is not None]
    if len(known) < 2:
        return None
    low, high = min(value for _, value in known), max(value for _, value in known)
    span, last = (high - low) or 1.0, len(values) - 1
    places = [f"{2 + 92 * k / last:.1f} {31 - 28 * (value - low) / span:.1f}" for k, value in known]
    return Points("M" + "L".join(places))


def cards(figures: Figures, words: Words) -> list[Card]:
    """Put the base of a run into six cards.

    Parameters
    ----------
    figures : Mapping
        Of a run, with ``base``, ``nps`` and ``history``, whose last point is its own.
    words : Words
        How the language says things.
    """
    _ = words.gettext
    base, nps, history = figures["base"], figures.get("nps"), figures["history"]
    horizon = {"days": figures["horizon"]}

    def card(name: str, key: str, figure: str, interval: str, change: Callable[[float], str]) -> Card:
        earlier = [(point["as_of"], point[key]) for point in history[:-1] if point.get(key) is not None]
        now = history[-1].get(key)
        told, since = "", None
        if earlier and now is not None:
            since, before = earlier[-1]
            told = change(now - before)
        trend = points([point.get(key) for point in history])
        return Card(name, figure, interval, told, since, trend, "" if now is None else _("first figure: no change yet"))

    interval = ""
    if nps:
        ends = words.interval(nps["wide_low"], nps["wide_high"])
        interval = _("95 %% interval %(interval)s") % {"interval": ends}
    mean_value = base.get("clv_mean")
    per_customer = {"amount": words.money(mean_value, 2)}
    score_name = _("Net promoter score") if figures["question"] == "nps" else _("Net score of the question")
    buys = _("expected: %(purchases)s purchases") % {"purchases": words.number(base["expected_purchases"])}
    return [
        card(_("Customers"), "customers", words.number(base["customers"]), "", lambda d: words.signed(d, 0)),
        card(score_name, "nps", words.signed(nps["nps"] if nps else None), interval, words.signed),
        card(
            _("Next purchase index, %(days)s days") % horizon,
            "next_purchase_index",
            words.number(base["next_purchase_index"], 1),
            _("mean chance in 100 to buy"),
            words.signed,
        ),
        card(
            _("Expected revenue, %(days)s days") % horizon,
            "expected_revenue",
            words.money(base["expected_revenue"]),
            buys if base["expected_purchases"] is not None else "",
            lambda d: words.signed(d, 0),
        ),
        card(
            _("Lifetime value, %(days)s days") % {"days": figures["clv_horizon"]},
            "clv",
            words.money(base["clv"]),
            _("per customer %(amount)s") % per_customer if mean_value is not None else "",
            lambda d: words.signed(d, 0),
        ),
        card(
            _("Churn, %(days)s days") % {"days": figures["churn_horizon"]},
            "p_churn",
            words.percent(base["p_churn"]),
            _("mean chance of no purchase"),
            lambda d: _("%(points)s points") % {"points": words.signed(100 * d)},
        ),
    ]
