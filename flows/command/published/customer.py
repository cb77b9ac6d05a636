"""One customer's scores in words, units and groups for people; written without pandas, so that it is there at once."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from rich.console import Console
from rich.markup import escape

Row = Mapping[str, Any]
# To this probability nobody is known to be a customer: it is what a model says that cannot tell.
_CERTAIN = 1.0 - 1e-9
_NOTHING = "–"


@dataclass(frozen=True)
class Figure:
    """One figure: what it is, its value with the unit, and its 90 % interval where it has one."""

    name: str
    value: str
    interval: str = ""


@dataclass(frozen=True)
class Group:
    """Figures that belong together, and sentences on how to read them."""

    title: str
    figures: tuple[Figure, ...] = ()
    notes: tuple[str, ...] = ()


def show_customer(row: Row, metadata: Mapping[str, str], console: Console) -> None:
    """Print the scores of one customer.

    Parameters
    ----------
    row : Mapping
        The customer's row of the published table.
    metadata : Mapping of str to str
        Of that table.
    console : rich.console.Console
        Where to print.
    """
    origin = f"as of {row['as_of']}, by scorer {metadata['scorer_version']}"
    _print(console, f"[bold]Customer {escape(str(row['customer_id']))}[/], {origin}")
    groups = [group for group in customer_groups(row, metadata) if group.figures or group.notes]
    name_width = max(len(figure.name) for group in groups for figure in group.figures)
    for group in groups:
        _print(console, f"\n[bold]{escape(group.title)}[/]")
        for figure in group.figures:
            interval = f"   [dim]90 % interval[/] {figure.interval}" if figure.interval else ""
            _print(console, f"  {escape(figure.name):{name_width}}  {escape(figure.value)}{interval}")
        for note in group.notes:
            _print(console, escape(note))


def _print(console: Console, line: str) -> None:
    console.print(line, highlight=False, soft_wrap=True)


def customer_groups(row: Row, metadata: Mapping[str, str]) -> tuple[Group, ...]:
    """Put the scores of one customer into words and groups.

    Parameters
    ----------
    row, metadata
        As for `show_customer`. A row of an earlier release may lack columns.
    """
    return (
        _bought(row, metadata),
        _horizon(row, metadata),
        _lifetime(row, metadata),
        _survey(row, metadata),
        _segments(row),
        _reasons(row, metadata),
    )


def _bought(row: Row, metadata: Mapping[str, str]) -> Group:
    repeats, first, last = row["frequency"], row["first_purchase"], row["last_purchase"]
    figures = [
        Figure("days with a purchase", f"{repeats + 1:,}"),
        Figure("first purchase", f"{first}, {_ago(first, row)}"),
    ]
    if repeats:
        money = _money(row["monetary_value"], metadata)
        figures += [
            Figure("last purchase", f"{last}, {_ago(last, row)}"),
            Figure("mean value of a repeat purchase", money),
        ]
    return Group("Purchases so far", tuple(figures))


def _horizon(row: Row, metadata: Mapping[str, str]) -> Group:
    expected, high = row["expected_revenue"], row["revenue_high"]
    p_any = row.get("p_any_revenue")
    p_any = row["p_purchase"] if p_any is None else p_any
    change = row["next_purchase_index_change"]
    since = "" if change is None else f" ({change:+.1f} since the scores before)"
    figures = [
        Figure("any purchase", _percent(row["p_purchase"])),
        Figure("next purchase index", _number(row["next_purchase_index"], 1) + since),
        Figure("days with a purchase, expected", _number(row["expected_purchases"], 2)),
        Figure("value of a purchase, expected", _money(row["expected_spend"], metadata)),
        Figure("revenue, expected", _money(expected, metadata), _interval(row["revenue_low"], high)),
    ]
    if p_any != row["p_purchase"]:
        figures.insert(1, Figure("any revenue", _percent(p_any)))
    notes: tuple[str, ...] = ()
    if expected is None:
        notes = ("The scorer holds no purchase model: it has seen too few repeat purchases to fit one.",)
    elif expected > high and p_any > 0:
        notes = (
            f"The expected revenue lies above its interval, as it is a mean: {_money(expected / p_any, metadata)} with "
            f"a chance of {_percent(p_any)}, else nothing.",
        )
    return Group(f"The {metadata['horizon']} days from {row['as_of']}", tuple(figures), notes)


def _lifetime(row: Row, metadata: Mapping[str, str]) -> Group:
    once, alive = row["frequency"] == 0, row["p_alive"]
    figures = (
        Figure(f"no purchase within {metadata['churn_horizon']} days (churn)", _percent(row["p_churn"])),
        Figure(
            "not gone for good",
            "not to be told" if alive is None or (once and alive >= _CERTAIN) else _percent(alive),
        ),
        Figure(
            f"lifetime value, {metadata['clv_horizon']} days",
            _money(row["clv"], metadata),
            _interval(row["clv_low"], row["clv_high"]),
        ),
    )
    notes = ["The interval of the lifetime value is that of what is expected of the customer; what comes varies more."]
    if once:
        notes.append(
            "The customer bought on one day only. Without a second purchase there is no rhythm to miss, so p_alive "
            "says little here: judge by churn, which also counts those who stay but buy seldom."
        )
    return Group("Loyalty and lifetime value", figures, tuple(notes))


def _survey(row: Row, metadata: Mapping[str, str]) -> Group:
    title = f"The answer to {metadata['nps_question']}"
    satisfied = row["p_satisfied"]
    figures = []
    if row["nps_source"] is not None:
        shares = ", ".join(_percent(row[f"p_{name}"]) for name in ("detractor", "passive", "promoter"))
        before = row["nps_category_before"]
        category = row["nps_category"]
        figures = [] if category is None else [Figure("category", category + _before(before, category))]
        figures.append(Figure("detractor, passive, promoter", shares))
    if satisfied is not None:
        figures.append(Figure("satisfied", _percent(satisfied)))
    notes = {
        None: ("The scorer holds no NPS model: too few answers were given to it.",),
        "prior": ("The shares are those of all answers: nothing in behaviour was found to tell them apart.",),
    }
    return Group(title, tuple(figures), notes.get(row["nps_source"], ()))


def _segments(row: Row) -> Group:
    figures = [
        Figure("RFM scores", row["rfm"]),
        Figure("RFM segment", row["segment"] + _before(row["segment_before"], row["segment"])),
    ]
    if row["persona"] is not None:
        figures.append(Figure("persona", row["persona"]))
    return Group("Segments", tuple(figures))


def _reasons(row: Row, metadata: Mapping[str, str]) -> Group:
    return Group("Reasons", notes=tuple(_told(json.loads(row["reasons"] or "[]"), metadata)))


def _told(reasons: list[dict[str, Any]], metadata: Mapping[str, str]) -> Iterator[str]:
    for reason in reasons:
        text, worth = reason["text"], reason.get("worth")
        if worth is not None:
            yield f"- {reason['group']} (value {_money(worth, metadata)}): {text}"
        else:
            yield f"- {text}" if text.startswith(reason["group"]) else f"- {reason['group']}: {text}"


def _before(before: str | None, now: str) -> str:
    return f" (before: {before})" if before is not None and before != now else ""


def _ago(day: date, row: Row) -> str:
    """Count days as the features do, from the last day that was seen."""
    days = (row["as_of"] - day).days - 1
    return "1 day ago" if days == 1 else f"{days:,} days ago"


def _money(value: float | None, metadata: Mapping[str, str]) -> str:
    return _NOTHING if value is None else f"{value:,.2f} {metadata.get('currency', '')}".rstrip()


def _interval(low: float | None, high: float | None) -> str:
    return "" if low is None else f"{low:,.2f} to {high:,.2f}"


def _number(value: float | None, digits: int) -> str:
    return _NOTHING if value is None else f"{value:,.{digits}f}"


def _percent(share: float | None) -> str:
    """Write a probability; what is not certain is not written as if it were."""
    if share is None:
        return _NOTHING
    if 0 < share < 0.0005:
        return "< 0.1 %"
    return "> 99.9 %" if 0.9995 <= share < 1 else f"{100 * share:.1f} %"
