"""The cohorts of a scoring as the page shows them: a row for each month of first purchase, a cell for each age."""

from collections.abc import Iterator, Mapping
from datetime import date
from typing import TYPE_CHECKING, Any

from flows.reports.page.language import Words

if TYPE_CHECKING:
    from models.population.cohort_groups import CohortGroups
    from models.population.cohorts import Cohorts

Figures = dict[str, Any]

# Cohorts, the newest ones, and months of age that the page shows.
_MOST_COHORTS, _OLDEST = 18, 24
# Shades of a grid.
_SHADES = 8


def cohort_figures(cohorts: "Cohorts", as_of: date) -> Figures:
    """Put what was counted and what is forecast of each cohort into cells by age in months.

    A cell holds the share of the cohort that buys in that month and the cumulative net value per customer at its end;
    from the month that holds as_of on they are forecast, with the ends of their 90 % intervals.
    """
    sizes = cohorts.sizes.tail(_MOST_COHORTS)
    rows = [
        {"month": _iso(cohort), "customers": size, "cells": list(_cells(cohorts, cohort, size, as_of))}
        for cohort, size in zip(sizes.index.astype(int).tolist(), sizes.astype(int).tolist(), strict=True)
    ]
    return {"rows": rows, "all_cohorts": len(cohorts.sizes)}


def _iso(month: int) -> str:
    return f"{month // 12:04d}-{month % 12 + 1:02d}"


def _cells(cohorts: "Cohorts", cohort: int, size: int, as_of: date) -> Iterator[Figures]:
    # A page is written without what follows cohorts, and without pandas.
    from flows.reports.page.figures import plain
    from models.population.cohorts import month_of

    own = cohorts.past[cohorts.past["cohort"] == cohort]
    past = {row["month"]: (row["buyers"], row["value"]) for row in own.to_dict("records")}
    here, value = month_of(as_of), 0.0
    for month in range(cohort, here):
        buyers, net = past.get(month, (0, 0.0))
        value += net / size
        if month - cohort <= _OLDEST:
            yield {"age": month - cohort, "share": buyers / size, "value": value, "is_ahead": False}
    value += past.get(here, (0, 0.0))[1] / size
    ahead = cohorts.ahead[cohorts.ahead["cohort"] == cohort]
    for row in ahead.to_dict("records"):
        age = int(row["month"]) - cohort
        if 0 <= age <= _OLDEST:
            amounts = {name: value + row[name] for name in ("value", "value_low", "value_high")}
            ends = {name: row[name] for name in ("share", "low", "high")}
            yield {"age": age, **plain(ends | amounts), "is_ahead": True}


def cohort_grids(figures: Mapping[str, Any] | None, words: Words) -> list[Figures]:
    """Give the two grids as they are shown: of the share that buys, and of the value per customer so far."""
    if not figures or not figures["rows"]:
        return []
    rows, _ = figures["rows"], words.gettext
    ages = sorted({cell["age"] for row in rows for cell in row["cells"]})
    most = max((cell["value"] for row in rows for cell in row["cells"]), default=0.0) or 1.0
    # The month of the first purchase, in which all buy, would leave no shades for the others.
    later = [cell["share"] for row in rows for cell in row["cells"] if cell["age"] > 0]
    largest = max(later, default=0.0) or 1.0

    def shares(cell: Figures) -> Figures:
        told = words.percent(cell["share"], 0 if cell["share"] >= 0.0995 else 1)
        ends = words.interval(cell.get("low"), cell.get("high"), lambda share: words.number(100 * share, 1))
        return {"told": told, "ends": ends, "heat": _shade(cell["share"] / largest)}

    def values(cell: Figures) -> Figures:
        ends = words.interval(cell.get("value_low"), cell.get("value_high"), words.number)
        return {"told": words.number(cell["value"]), "ends": ends, "heat": _shade(cell["value"] / most)}

    grids = ((_("Share still buying, by age in months"), shares), (_("Cumulative net value per customer"), values))
    return [
        {
            "title": title,
            "ages": ages,
            "rows": [{**row, "cells": _by_age(row["cells"], ages, shown)} for row in rows],
        }
        for title, shown in grids
    ]


def group_figures(groups: "CohortGroups") -> Figures:
    """Put the groups of customers into cells by age in months, all of them counted."""
    from flows.reports.page.figures import plain

    rows = []
    for row in groups.groups.to_dict("records"):
        own = groups.ages[(groups.ages["group"] == row["group"]) & (groups.ages["age"] <= _OLDEST)]
        cells = [{**plain(cell), "is_ahead": False} for cell in own[["age", "share", "value"]].to_dict("records")]
        rows.append({**plain(row), "cells": cells})
    return {"by": groups.by, "rows": rows}


def group_tables(score: Mapping[str, Any], words: Words) -> list[Figures]:
    """Give the grids of each grouping of the customers, that of the setting first, as they are shown."""
    kept = score.get("cohort_groups") or []
    # A scoring of an earlier release kept one grouping, without intervals.
    kept = kept if isinstance(kept, list) else [kept]
    with_ends = [{**each, "rows": [{**row, **_ends(row, words)} for row in each["rows"]]} for each in kept]
    return [{"by": each["by"], "grids": cohort_grids(each, words)} for each in with_ends]


def _ends(row: Figures, words: Words) -> Figures:
    """Write the intervals of what comes of a group."""
    chance = words.interval(row.get("buyers_low"), row.get("buyers_high"), lambda share: words.number(100 * share, 1))
    revenue = words.interval(row.get("revenue_low"), row.get("revenue_high"), lambda amount: words.number(amount, 2))
    return {"chance_ends": chance, "revenue_ends": revenue}


def _by_age(cells: list[Figures], ages: list[int], shown: Any) -> list[Figures | None]:
    of_age = {cell["age"]: {**shown(cell), "is_ahead": cell["is_ahead"]} for cell in cells}
    return [of_age.get(age) for age in ages]


def _shade(share: float) -> int:
    return min(int(_SHADES * max(share, 0.0)), _SHADES - 1)
