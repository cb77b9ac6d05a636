"""The measures of the field that events give: activity time, visit frequency and core user actions.

Events of a customer's own are those that promise nothing: without due_at, and not `delivered`, which the shop makes.
Active in a window is who makes at least one event of their own in it. Intervals are of 95 %: Student's for means,
Wilson's for shares; they take customers to be independent.
"""

from datetime import date

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.measures.activity import MICROSECONDS, is_own, time_spent
from features.measures.definition import Measure, MeasureOptions, absent, shared, with_empty_windows
from features.measures.figures import run_by_window, with_beginning
from features.measures.intervals import mean_interval, wilson_interval
from features.measures.survey_sums import BY, Compute, with_interval
from features.measures.windows import Grouping, Windows
from features.spine import midnight
from features.tables import Tables

__all__ = ["EVENT_MEASURES"]

VISIT = "visit"
NOBODY = "no events of the customers' own in this window"
Kinds = dict[str, tuple[bool, date]]


def _activity_time(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    events, kinds, missing = _known(tables, windows, grouping)
    if events is None:
        return absent(missing, windows)
    active = time_spent(events, windows, grouping, options.idle_minutes)
    sums = run_by_window(
        active.group_by(BY).agg(n=active.count(), spent=active.spent.sum(), squares=(active.spent * active.spent).sum())
    ).astype({"spent": float, "squares": float})
    if len(sums) and not sums["spent"].any():
        why = f"no event has duration_s, and no two of a customer are within {options.idle_minutes} minutes"
        return absent(f"{why}: give duration_s, or every action as an event", windows)
    interval = mean_interval(sums["n"], sums["spent"] / MICROSECONDS, sums["squares"] / MICROSECONDS**2, 0)
    return _whole(with_interval(sums.assign(why=None), interval), windows, _first_own(kinds))


def _visit_frequency(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    events, kinds, missing = _known(tables, windows, grouping)
    if events is None:
        return absent(missing, windows)
    rows = windows.of(grouping.of(events.filter(is_own(events))))
    is_visit = rows.kind == VISIT if VISIT in kinds else ibis.literal(True)
    active = rows.group_by(["customer_id", *BY]).agg(days=rows.ts.date().nunique(where=is_visit))
    sums = run_by_window(
        active.group_by(BY).agg(n=active.count(), days=active.days.sum(), squares=(active.days * active.days).sum())
    )
    began = kinds[VISIT][1] if VISIT in kinds else _first_own(kinds)
    return _whole(
        with_interval(sums.assign(why=None), mean_interval(sums.n, sums.days, sums.squares, 0)), windows, began
    )


def _core_user_actions(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    events, kinds, missing = _known(tables, windows, grouping)
    if events is None:
        return absent(missing, windows)
    there = f"the kinds of events there are: {', '.join(kinds)}"
    action = options.core_action
    if action is None:
        return absent(f"no core action is named; {there}", windows)
    if action not in kinds:
        return absent(f"no event of the kind {action!r} before {windows.until}; {there}", windows)
    rows = windows.of(grouping.of(events.filter(is_own(events) | (events.kind == action))))
    active = rows.group_by(["customer_id", *BY]).agg(times=rows.count(where=rows.kind == action))
    counts = run_by_window(
        active.group_by(BY).agg(n=active.count(), doing=active.count(where=active.times >= options.core_action_times))
    )
    interval = wilson_interval(counts["doing"], counts["n"])
    return _whole(with_interval(counts.assign(why=None), interval, 100), windows, kinds[action][1], action)


@shared
def _known(tables: Tables, windows: Windows, grouping: Grouping) -> tuple[ir.Table | None, Kinds, str]:
    """Give events, what kinds there are before `until` (name -> own, first day), or what is missing."""
    events = tables.events
    if events is None:
        return None, {}, "no table of events was given"
    if not grouping.applies_to(events):
        return None, {}, f"events have no column {grouping.column}"
    seen = events.filter(events.available_at < midnight(windows.until))
    by_kind = seen.group_by("kind").agg(own=is_own(seen).any(), begins=seen.ts.min()).order_by("kind")
    kinds = {row["kind"]: (row["own"], row["begins"].date()) for row in by_kind.to_pyarrow().to_pylist()}
    if not any(own for own, _ in kinds.values()):
        found = f"; there are {', '.join(kinds)}, which the shop makes" if kinds else ""
        return None, kinds, f"no events of the customers' own before {windows.until}{found}"
    return events, kinds, ""


def _first_own(kinds: Kinds) -> date:
    return min(day for own, day in kinds.values() if own)


def _whole(found: pd.DataFrame, windows: Windows, began: date, kind: str = "") -> pd.DataFrame:
    rows = f"events of the kind {kind}" if kind else "events"
    return with_beginning(with_empty_windows(found, windows, NOBODY), windows, began, rows)


def _measure(name: str, title: str, unit: str, definition: str, compute: Compute) -> Measure:
    own = "an event is of the customer's own where it has no due_at and is not delivered"
    return Measure(
        name, title, unit, f"{definition}, of customers with at least one event in the window; {own}", compute
    )


EVENT_MEASURES: tuple[Measure, ...] = (
    _measure(
        "activity_time",
        "Activity time",
        "seconds",
        "mean seconds of visits per active customer: a visit lasts from its first event to the end of its last (ts + "
        "duration_s, where given), and is over after a pause longer than idle_minutes, and with the window",
        _activity_time,
    ),
    _measure(
        "visit_frequency",
        "Visit frequency",
        "days",
        "mean number of days with a visit per active customer: days with an event of the kind visit where there is "
        "that kind, else with any event",
        _visit_frequency,
    ),
    _measure(
        "core_user_actions",
        "Core user actions",
        "%",
        "100 * share of active customers who did the core action at least core_action_times",
        _core_user_actions,
    ),
)
