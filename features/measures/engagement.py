"""The measures of the field that events give: activity time, visit frequency and core user actions.

Events of a customer's own are those that promise nothing: without due_at, and not `delivered`, which the shop makes.
Active in a window is who makes at least one event of their own in it. Intervals are of 95 %: Student's for means,
Wilson's for shares; they take customers to be independent.
"""

from datetime import date

import ibis
import ibis.expr.types as ir
import pandas as pd

from features.events import is_own
from features.measures.answer_sums import BY, Compute, with_interval
from features.measures.definition import Measure, MeasureOptions, absent, shared, with_empty_windows
from features.measures.figures import run_by_window, with_beginning
from features.measures.intervals import mean_interval, wilson_interval
from features.measures.numbered import numbered_events
from features.measures.windows import AGE, Grouping, Windows
from features.spine import midnight
from features.tables import Tables

__all__ = ["EVENT_MEASURES"]

VISIT = "visit"
NOBODY = "no events of the customers' own in this window"
Kinds = dict[str, tuple[bool, date]]
MICROSECONDS = 1_000_000
SECONDS_A_DAY = 86_400
# A visit is over after a longer pause: the usual cut of web analytics.
IDLE_MINUTES = 30
# Of more than 18 digits, so that DuckDB gives the square 38, and sums of squares do not depend on the order of rows.
EXACT = "decimal(19, 0)"


def _activity_time(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    events, kinds, missing = _own_events(tables, windows, grouping)
    if events is None:
        return absent(missing, windows)
    events, grouping = numbered_events(tables, events, windows.until, grouping, options.core_action)
    active = time_spent(events, windows, grouping)
    sums = run_by_window(
        active.group_by(BY).agg(n=active.count(), spent=active.spent.sum(), squares=(active.spent * active.spent).sum())
    ).astype({"spent": float, "squares": float})
    if len(sums) and not sums["spent"].any():
        why = f"no event has duration_s, and no two of a customer are within {IDLE_MINUTES} minutes"
        return absent(f"{why}: give duration_s, or every action as an event", windows)
    interval = mean_interval(sums["n"], sums["spent"] / MICROSECONDS, sums["squares"] / MICROSECONDS**2, 0)
    return _whole(with_interval(sums.assign(why=None), interval), windows, _first_own(kinds))


def _visit_frequency(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    events, kinds, missing = _own_events(tables, windows, grouping)
    if events is None:
        return absent(missing, windows)
    events, grouping = numbered_events(tables, events, windows.until, grouping, options.core_action)
    rows = windows.of(grouping.before(events.filter(is_own(events))))
    is_visit = rows.kind == VISIT if VISIT in kinds else ibis.literal(True)
    keys = ["customer_id", "window", *grouping.of_rows]
    # Days are told apart by groups: a set of days for each customer takes twice as long.
    day = (rows[AGE] if AGE in rows.columns else rows.ts.date()).name("day")
    by_day = rows.group_by([*keys, day]).agg(visits=rows.count(where=is_visit))
    active = grouping.after(by_day.group_by(keys).agg(days=by_day.count(where=by_day.visits > 0)))
    sums = run_by_window(
        active.group_by(BY).agg(n=active.count(), days=active.days.sum(), squares=(active.days * active.days).sum())
    )
    began = kinds[VISIT][1] if VISIT in kinds else _first_own(kinds)
    return _whole(
        with_interval(sums.assign(why=None), mean_interval(sums.n, sums.days, sums.squares, 0)), windows, began
    )


def _core_user_actions(tables: Tables, windows: Windows, grouping: Grouping, options: MeasureOptions) -> pd.DataFrame:
    events, kinds, missing = _own_events(tables, windows, grouping)
    if events is None:
        return absent(missing, windows)
    there = f"the kinds of events there are: {', '.join(kinds)}"
    action = options.core_action
    if action is None:
        return absent(f"no core action is named; {there}", windows)
    if action not in kinds:
        return absent(f"no event of the kind {action!r} before {windows.until}; {there}", windows)
    events, grouping = numbered_events(tables, events, windows.until, grouping, action)
    rows = windows.of(grouping.before(events.filter(is_own(events) | (events.kind == action))))
    keys = ["customer_id", "window", *grouping.of_rows]
    active = grouping.after(rows.group_by(keys).agg(times=rows.count(where=rows.kind == action)))
    counts = run_by_window(
        active.group_by(BY).agg(n=active.count(), doing=active.count(where=active.times >= options.core_action_times))
    )
    interval = wilson_interval(counts["doing"], counts["n"])
    return _whole(with_interval(counts.assign(why=None), interval, 100), windows, kinds[action][1], action)


def time_spent(events: ir.Table, windows: Windows, grouping: Grouping) -> ir.Table:
    """Add up the time of each customer's visits. Grain: one row per customer, window and group with an own event.

    An event lasts from ts to ts + duration_s (no time where it is not given), at most to the end of its window. A visit
    lasts from the start of its first event to the latest end of one; it is over after a pause longer than
    `IDLE_MINUTES` from that end on, or with its window. Time in which events overlap counts once, pauses within a
    visit count.

    Parameters
    ----------
    events
        Clean events.
    windows, grouping
        By what; events belong to the window in which they begin.

    Returns
    -------
    Table
        customer_id, window, group, spent (microseconds, exact decimal).
    """
    by = ["customer_id", "window", *grouping.of_rows]
    rows = windows.of(grouping.before(events.filter(is_own(events))))
    started = rows.ts.delta(midnight(windows.start(windows.count - 1)), unit="microsecond")
    # Cut before it is turned into microseconds, which a wrong duration of many years would not fit.
    seconds = ibis.greatest(ibis.least(rows.duration_s.fill_null(0), windows.days * SECONDS_A_DAY), 0)
    lasted = (seconds.cast("float64") * MICROSECONDS).round().cast("int64")
    window_ends = (windows.count - rows.window).cast("int64") * (windows.days * SECONDS_A_DAY * MICROSECONDS)
    rows = rows.select(*by, "ts", started=started, ended=ibis.least(started + lasted, window_ends))
    # Events may overlap: what went before is over with the latest end, not with that of the event before.
    earlier = ibis.window(group_by=by, order_by="ts", rows=(None, -1))
    rows = rows.mutate(over=rows.ended.max().over(earlier))
    # The first event of a customer in a window has none before it.
    is_new = (rows.started - rows.over > IDLE_MINUTES * 60 * MICROSECONDS).fill_null(True)
    added = ibis.ifelse(is_new, rows.ended - rows.started, ibis.greatest(rows.ended - rows.over, 0))
    rows = rows.mutate(added=added)
    return grouping.after(rows.group_by(by).agg(spent=rows.added.sum().cast(EXACT)))


@shared
def _own_events(tables: Tables, windows: Windows, grouping: Grouping) -> tuple[ir.Table | None, Kinds, str]:
    """Give events, what kinds there are before `until` (name -> own, first day), or what is missing."""
    events = tables.events
    if events is None:
        return None, {}, "no table of events was given"
    if not grouping.applies_to(events):
        return None, {}, f"events have no column {grouping.column}"
    visible = events.filter(events.available_at < midnight(windows.until))
    by_kind = visible.group_by("kind").agg(own=is_own(visible).any(), begins=visible.ts.min()).order_by("kind")
    kinds = {row["kind"]: (row["own"], row["begins"].date()) for row in by_kind.to_pyarrow().to_pylist()}
    if not any(own for own, _ in kinds.values()):
        others = f"; there are {', '.join(kinds)}, which the shop makes" if kinds else ""
        return None, kinds, f"no events of the customers' own before {windows.until}{others}"
    return events, kinds, ""


def _first_own(kinds: Kinds) -> date:
    return min(day for own, day in kinds.values() if own)


def _whole(figures: pd.DataFrame, windows: Windows, began: date, kind: str = "") -> pd.DataFrame:
    rows = f"events of the kind {kind}" if kind else "events"
    return with_beginning(with_empty_windows(figures, windows, NOBODY), windows, began, rows)


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
        f"duration_s, where given), and is over after a pause longer than {IDLE_MINUTES} minutes, and with the window",
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
