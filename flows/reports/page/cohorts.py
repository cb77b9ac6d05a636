"""The cohorts of a scoring as the page shows them: a row for each month of first purchase, a cell for each age."""

from collections.abc import Callable, Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from flows.reports.page.language import Words

if TYPE_CHECKING:
    import pandas as pd

    from models.population.cohort_groups import CohortGroups
    from models.population.cohorts import Cohorts

Figures = dict[str, Any]
Shown = Callable[[Figures], Figures]

# Cohorts, the newest ones, and months of age that the page shows.
_MOST_COHORTS, _OLDEST = 18, 23
# Months of age that groups of customers show beside what is to come; each group by itself shows all.
_OLDEST_OF_GROUPS = 12
# Shades of a grid.
_SHADES = 8
# Rows of less than this share of the largest have no say in the shades.
_FEW = 0.1
# Digits of an amount that are kept, and decimals of a share.
_DIGITS, _DECIMALS = 6, 4
_SHARES, _AMOUNTS = ("share", "low", "high"), ("value", "value_low", "value_high")


def cohort_figures(cohorts: "Cohorts", as_of: date) -> Figures:
    """Put what was counted and what is forecast of each cohort into cells by age in months.

    A cell holds the share of the cohort that buys in that month and the cumulative net value per customer at its end;
    from the month that holds as_of on they are forecast, with the ends of their 90 % intervals.
    """
    sizes = cohorts.sizes.tail(_MOST_COHORTS)
    past, ahead = _by_cohort(cohorts.past), _by_cohort(cohorts.ahead)
    rows = [
        {
            "month": _iso(cohort),
            "customers": size,
            "cells": list(_cells(past.get(cohort, []), ahead.get(cohort, []), cohort, size, as_of)),
        }
        for cohort, size in zip(sizes.index.astype(int).tolist(), sizes.astype(int).tolist(), strict=True)
    ]
    return {"rows": rows, "all_cohorts": len(cohorts.sizes)}


def _iso(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def _by_cohort(frame: "pd.DataFrame") -> dict[int, list[Figures]]:
    """Give the rows of each cohort, in one pass over all."""
    rows: dict[int, list[Figures]] = {}
    for row in frame.to_dict("records"):
        rows.setdefault(int(row["cohort"]), []).append({str(name): value for name, value in row.items()})
    return rows


def _cells(counted: list[Figures], predicted: list[Figures], cohort: int, size: int, as_of: date) -> Iterator[Figures]:
    # A page is written without what follows cohorts, and without pandas.
    from flows.reports.page.figures import plain
    from models.population.cohorts import month_of

    past = {row["month"]: (row["buyers"], row["value"]) for row in counted}
    here, value = month_of(as_of), 0.0
    for month in range(cohort, here):
        buyers, net = past.get(month, (0, 0.0))
        value += net / size
        if month - cohort <= _OLDEST:
            yield {"age": month - cohort, **_short({"share": buyers / size, "value": value}), "is_ahead": False}
    value += past.get(here, (0, 0.0))[1] / size
    for row in predicted:
        age = int(row["month"]) - cohort
        if 0 <= age <= _OLDEST:
            amounts = {name: value + row[name] for name in _AMOUNTS}
            ends = {name: row[name] for name in _SHARES}
            yield {"age": age, **_short(plain(ends | amounts)), "is_ahead": True}


def _short(figures: Figures) -> Figures:
    """Leave the digits that are shown: a run may keep the grids of fifty groups."""
    return {
        name: round(value, _DECIMALS) if name in _SHARES else float(f"{value:.{_DIGITS}g}")
        for name, value in figures.items()
        if value is not None
    }


def _packed(figures: Figures) -> Figures:
    """Write the cells of each row as two lists, of those counted and those predicted: all ages follow each other."""
    rows = []
    for row in figures["rows"]:
        cells: dict[bool, list[list[float]]] = {False: [], True: []}
        for cell in row["cells"]:
            names = (*_SHARES, *_AMOUNTS) if cell["is_ahead"] else ("share", "value")
            cells[cell["is_ahead"]].append([cell[name] for name in names])
        rows.append({**row, "cells": [cells[False], cells[True]]})
    return {**figures, "rows": rows}


def unpacked(figures: Figures) -> Figures:
    """Give the cells of a group by month of first purchase as those of everyone are kept."""
    rows = []
    for row in figures["rows"]:
        past, ahead = row["cells"]
        cells = [dict(zip(("share", "value"), cell, strict=True), is_ahead=False) for cell in past]
        cells += [dict(zip((*_SHARES, *_AMOUNTS), cell, strict=True), is_ahead=True) for cell in ahead]
        rows.append({**row, "cells": [{"age": age, **cell} for age, cell in enumerate(cells)]})
    return {**figures, "rows": rows}


def cohort_grids(figures: Mapping[str, Any] | None, words: Words) -> list[Figures]:
    """Give the two grids as they are shown: of the share that buys, and of the value per customer so far."""
    if not figures or not figures["rows"]:
        return []
    rows = figures["rows"]
    ages = sorted({cell["age"] for row in rows for cell in row["cells"]})
    return [
        {
            "title": title,
            "ages": ages,
            "rows": [{**row, "cells": _by_age(row["cells"], ages, shown)} for row in rows],
        }
        for _, title, shown in _two_grids([cell for row in _many(rows) for cell in row["cells"]], words)
    ]


def _many(rows: list[Figures]) -> list[Figures]:
    """Leave out what few customers do, one of whom would take all shades from the others."""
    most = max(row["customers"] for row in rows)
    return [row for row in rows if row["customers"] >= _FEW * most]


def _two_grids(cells: list[Figures], words: Words) -> list[tuple[str, str, Shown]]:
    """Give of each grid what it shows, its title, and how it writes a cell."""
    _ = words.gettext
    most = max((cell["value"] for cell in cells), default=0.0) or 1.0
    # The month of the first purchase, in which all buy, would leave no shades for the others.
    largest = max((cell["share"] for cell in cells if cell.get("age") != 0), default=0.0) or 1.0

    def percents(share: float, digits_below: float) -> str:
        return words.number(100 * share, 0 if share >= digits_below else 1)

    def ends(low: float | None, high: float | None, write: Callable[[float], str]) -> str:
        return "" if low is None or high is None else f"{write(low)}–{write(high)}"

    def shares(cell: Figures) -> Figures:
        low, high = cell.get("low"), cell.get("high")
        # Whole percents are narrow: the months of two years stand beside each other.
        told = ends(low, high, lambda share: percents(share, 0.0 if (high or 0.0) > 0.03 else 1.0))
        return {"told": percents(cell["share"], 0.0995), "ends": told, "heat": _shade(cell["share"] / largest)}

    def values(cell: Figures) -> Figures:
        told = ends(cell.get("value_low"), cell.get("value_high"), words.number)
        return {"told": words.number(cell["value"]), "ends": told, "heat": _shade(cell["value"] / most)}

    amounts = _("Cumulative net value per customer, by age in months")
    with_currency = f"{amounts}, {words.currency}" if words.currency else amounts
    return [
        ("share", _("Share still buying, in percent, by age in months"), shares),
        ("value", with_currency, values),
    ]


def group_figures(groups: "CohortGroups", as_of: date) -> Figures:
    """Put the groups of customers into cells: counted by age in months, then predicted month by month.

    Each group has its own cells by month of first purchase, as everyone has.
    """
    from flows.reports.page.figures import plain

    rows = []
    for row in groups.groups.to_dict("records"):
        own = groups.ages[(groups.ages["group"] == row["group"]) & (groups.ages["age"] <= _OLDEST_OF_GROUPS)]
        counted = own[["age", "share", "value"]].to_dict("records")
        cells = [{**_short(plain(cell)), "age": int(cell["age"]), "is_ahead": False} for cell in counted]
        to_come = groups.ahead[groups.ahead["group"] == row["group"]].drop(columns="group")
        ahead = [_month_ahead(plain(each), row["value"]) for each in to_come.to_dict("records")]
        cohorts = _packed(cohort_figures(groups.cohorts[row["group"]], as_of))
        rows.append({**plain(row), "cells": cells, "ahead": ahead, "cohorts": cohorts})
    return {"by": groups.by, "rows": rows}


def _month_ahead(row: Figures, value: float) -> Figures:
    """Put what a group brings on top of what it has brought."""
    amounts = {name: value + row[name] for name in _AMOUNTS}
    shares = {name: row[name] for name in _SHARES}
    return {"month": _iso(row["month"]), **_short(shares | amounts), "is_ahead": True}


def group_tables(score: Mapping[str, Any], words: Words) -> list[Figures]:
    """Give the grids of each grouping of the customers, that of the setting first, as they are shown.

    Each grid has its counted cells by age and its predicted ones by month; `groups` holds the figures of each group by
    month of first purchase, which `unpacked` and `cohort_grids` show.
    """
    kept = score.get("cohort_groups") or []
    # A scoring of an earlier release kept one grouping, and nothing by month.
    kept = kept if isinstance(kept, list) else [kept]
    return [
        {
            "by": each["by"],
            "grids": _group_grids(each["rows"], words),
            "groups": [{"name": row["group"], "cohorts": row.get("cohorts")} for row in each["rows"]],
        }
        for each in kept
    ]


def _group_grids(rows: list[Figures], words: Words) -> list[Figures]:
    ages = sorted({cell["age"] for row in rows for cell in row["cells"]})
    months = sorted({cell["month"] for row in rows for cell in row.get("ahead", [])})
    cells = [cell for row in _many(rows) for cell in (*row["cells"], *row.get("ahead", []))]
    return [
        {
            "title": title,
            "ages": ages,
            "months": months,
            "of_horizon": "chance" if kind == "share" else "revenue",
            "rows": [
                {
                    "group": row["group"],
                    "customers": row["customers"],
                    "cells": _by_age(row["cells"], ages, shown),
                    "ahead": [{**shown(cell), "is_ahead": True} for cell in row.get("ahead", [])],
                    "of_horizon": _of_horizon(kind, row, words),
                }
                for row in rows
            ],
        }
        for kind, title, shown in _two_grids(cells, words)
    ]


def _of_horizon(kind: str, row: Figures, words: Words) -> Figures:
    """Write what comes of a group in the horizon of the scores, with its interval."""
    if kind == "share":
        ends = words.interval(row.get("buyers_low"), row.get("buyers_high"), lambda share: words.number(100 * share, 1))
        return {"told": words.percent(row["p_purchase"]), "ends": ends}
    ends = words.interval(row.get("revenue_low"), row.get("revenue_high"), lambda amount: words.number(amount, 2))
    return {"told": words.money(row["expected_revenue"], 2), "ends": ends}


def _by_age(cells: list[Figures], ages: list[int], shown: Shown) -> list[Figures | None]:
    of_age = {cell["age"]: {**shown(cell), "is_ahead": cell["is_ahead"]} for cell in cells}
    return [of_age.get(age) for age in ages]


def _shade(share: float) -> int:
    return min(int(_SHADES * max(share, 0.0)), _SHADES - 1)
