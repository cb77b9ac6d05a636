"""What a reader asks for in the address of a page, checked, and made conditions whose values are parameters."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from data.intake.sql import identifier
from flows.app.told import _, not_a_value

ROWS = 100
# No page has a number with more digits.
_MOST_DIGITS = 9

# What customers are put in order by, the largest first: name in the address -> column. Equal ones, and all where there
# is no column, are in the order of their ids; those without a value are last.
ORDERS: Mapping[str, str | None] = {
    "clv": "clv",
    "revenue": "expected_revenue",
    "index": "next_purchase_index",
    "churn": "p_churn",
    "last": "last_purchase",
    "id": None,
}
# Columns with few values, of which one is chosen.
CHOICES: Mapping[str, str] = {
    "segment": "segment",
    "persona": "persona",
    "category": "nps_category",
    "rfm": "rfm",
}
# Numbers that must lie between two ends: column, and what a typed number is divided by.
RANGES: Mapping[str, tuple[str, float]] = {
    "index": ("next_purchase_index", 1.0),
    "churn": ("p_churn", 100.0),
    "revenue": ("expected_revenue", 1.0),
    "clv": ("clv", 1.0),
}


@dataclass(frozen=True)
class Conditions:
    """A condition of SQL with places for its values, and the values."""

    parts: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()

    @property
    def sql(self) -> str:
        """The clause; empty where everyone is meant."""
        return f"WHERE {' AND '.join(self.parts)}" if self.parts else ""


EVERYONE = Conditions()


@dataclass(frozen=True)
class Wanted:
    """What a page of customers shows.

    Attributes
    ----------
    begin : str
        How ids begin.
    chosen : Mapping of str to str
        Name of `CHOICES` -> value.
    month : str
        Of the first purchase, such as 2026-03; empty: any.
    ends : Mapping of str to float
        ``index_min`` and the like, as typed.
    order : str
        Name of `ORDERS`.
    page : int
        From 1.
    """

    begin: str
    chosen: Mapping[str, str]
    month: str
    ends: Mapping[str, float]
    order: str
    page: int

    @classmethod
    def read(cls, typed: Mapping[str, str], gettext: Callable[[str], str] = str) -> "Wanted":
        """Read the fields of the form.

        Raises
        ------
        ToldError
            With status 400, where a field does not hold what it must.
        """
        chosen = {name: typed[name] for name in CHOICES if typed.get(name)}
        ends = {}
        for name in RANGES:
            for end in ("min", "max"):
                text = typed.get(f"{name}_{end}", "").strip()
                if text:
                    ends[f"{name}_{end}"] = _number(f"{name}_{end}", text, gettext)
        order = typed.get("order") or "clv"
        if order not in ORDERS:
            raise not_a_value("order", order, ", ".join(ORDERS))
        page = typed.get("page") or "1"
        if not page.isdecimal() or not 1 <= int(page[: _MOST_DIGITS + 1]) < 10**_MOST_DIGITS:
            raise not_a_value("page", page, gettext(_("a number from 1 on")))
        month = typed.get("month", "").strip()
        if month:
            _first_day(month, gettext)
        return cls(typed.get("q", ""), chosen, month, ends, order, int(page))

    @property
    def first(self) -> int:
        """How many rows come before this page."""
        return (self.page - 1) * ROWS

    @property
    def is_filtered(self) -> bool:
        """Whether anything narrows the customers down."""
        return bool(self.begin or self.chosen or self.month or self.ends)

    def last_page(self, customers: int, gettext: Callable[[str], str] = str) -> int:
        """Return the number of the last page of so many customers.

        Raises
        ------
        ToldError
            With status 400, where the wanted page comes after it.
        """
        last = max(-(-customers // ROWS), 1)
        if self.page > last:
            raise not_a_value("page", str(self.page), gettext(_("a number from 1 to %(last)s")) % {"last": last})
        return last

    def conditions(self) -> Conditions:
        """Give the conditions that the wanted customers fulfil."""
        parts: list[str] = []
        values: list[Any] = []
        if self.begin:
            # The row groups of a file know the ends of their ids, so that others are passed over.
            parts.append("starts_with(customer_id, ?)")
            values.append(self.begin)
        for name, value in self.chosen.items():
            parts.append(f"{identifier(CHOICES[name])} = ?")
            values.append(value)
        if self.month:
            day = _first_day(self.month)
            parts.append("first_purchase >= ? AND first_purchase < ?")
            values += [day, date(day.year + day.month // 12, day.month % 12 + 1, 1)]
        for name, (column, unit) in RANGES.items():
            for end, sign in (("min", ">="), ("max", "<=")):
                if f"{name}_{end}" in self.ends:
                    parts.append(f"{identifier(column)} {sign} ?")
                    values.append(self.ends[f"{name}_{end}"] / unit)
        return Conditions(tuple(parts), tuple(values))

    def address(self, **changed: Any) -> dict[str, str]:
        """Give the fields of this page's address, some of them changed; those that say nothing are left out."""
        fields: dict[str, Any] = {"q": self.begin, **self.chosen, "month": self.month}
        fields |= {name: f"{value:g}" for name, value in self.ends.items()}
        fields |= {"order": "" if self.order == "clv" else self.order, "page": "" if self.page == 1 else self.page}
        fields |= changed
        return {name: str(value) for name, value in fields.items() if value not in ("", None)}


def _number(name: str, text: str, gettext: Callable[[str], str]) -> float:
    try:
        value = float(text.replace(",", ".").replace("\u00a0", ""))
    except ValueError:
        value = float("nan")
    if not abs(value) < float("inf"):
        raise not_a_value(name, text, gettext(_("a number")))
    return value


def _first_day(month: str, gettext: Callable[[str], str] = str) -> date:
    try:
        day = date.fromisoformat(f"{month}-01")
    except ValueError:
        day = date.max
    if not date.min.year < day.year < date.max.year:
        raise not_a_value("month", month, gettext(_("a month such as 2026-03")))
    return day
