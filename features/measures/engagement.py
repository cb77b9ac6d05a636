"""The measures of the field that events give: activity time, visit frequency and core user actions.

Events of a customer's own are those that promise nothing: without due_at, and not `delivered`, which the shop makes.
Active in a window is who makes at least one event of their own in it. Intervals are of 95 %: Student's for means,
Wilson's for shares; they take customers to be independent.
"""

from contextlib import ExitStack
from datetime import date

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from features.engine.compiled import given_meanwhile, kept_meanwhile
from features.events import is_own
from features.measures.answer_sums import BY, Compute, with_interval
from features.measures.definition import Measure, MeasureOptions, absent, shared, with_empty_windows
from features.measures.figures import run_by_window, with_beginning
from features.measures.intervals import mean_interval, wilson_interval
from features.measures.numbered.customers import by_number, is_large, numbered_grouping, numbers_of
from features.measures.numbered.visits import visits_of
from features.measures.windows import Grouping, Windows
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


def _activity_time(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    events, kinds, missing = _own_events(tables, windows, grouping)
    if events is None:
        return absent(missing, windows)
    with ExitStack() as stack:
        numbered = _numbered_visits(stack, tables, events, windows, grouping, kinds)
        active = time_spent(events, windows, grouping) if numbered is None else numbered
        spent = active.spent.cast(EXACT)
        sums = run_by_window(
            active.group_by(BY).agg(n=active.count(), spent=spent.sum(), squares=(spent * spent).sum())
        )
    sums = sums.astype({"spent": float, "squares": float})
    if len(sums) and not sums["spent"].any():
        why = f"no event has duration_s, and no two of a customer are within {IDLE_MINUTES} minutes"
        return absent(f"{why}: give duration_s, or every action as an event", windows)
    interval = mean_interval(sums["n"], sums["spent"] / MICROSECONDS, sums["squares"] / MICROSECONDS**2, 0)
    return _whole(with_interval(sums.assign(why=None), interval), windows, _first_own(kinds))


def _visit_frequency(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    events, kinds, missing = _own_events(tables, windows, grouping)
    if events is None:
        return absent(missing, windows)
    with ExitStack() as stack:
        numbered = _numbered_visits(stack, tables, events, windows, grouping, kinds)
        active = _days_of_visits(events, windows, grouping, kinds) if numbered is None else numbered
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
    rows = windows.of(grouping.before(events.filter(is_own(events) | (events.kind == action))))
    keys = ["customer_id", "window", *grouping.of_rows]
    active = grouping.after(rows.group_by(keys).agg(times=rows.count(where=rows.kind == action)))
    counts = run_by_window(
        active.group_by(BY).agg(n=active.count(), doing=active.count(where=active.times >= options.core_action_times))
    )
    interval = wilson_interval(counts["doing"], counts["n"])
    return _whole(with_interval(counts.assign(why=None), interval, 100), windows, kinds[action][1], action)


def _days_of_visits(events: ir.Table, windows: Windows, grouping: Grouping, kinds: Kinds) -> ir.Table:
    rows = windows.of(grouping.before(events.filter(is_own(events))))
    keys = ["customer_id", "window", *grouping.of_rows]
    is_visit = _is_visit(rows, has_visits=VISIT in kinds)
    # Days are told apart by groups: a set of days for each customer takes twice as long.
    by_day = rows.group_by([*keys, rows.ts.date().name("day")]).agg(visits=rows.count(where=is_visit))
    return grouping.after(by_day.group_by(keys).agg(days=by_day.count(where=by_day.visits > 0)))


def _is_visit(events: ir.Table, *, has_visits: bool) -> ir.BooleanValue:
    return events.kind == VISIT if has_visits else ibis.literal(True)


def _numbered_visits(
    stack: ExitStack, tables: Tables, events: ir.Table, windows: Windows, grouping: Grouping, kinds: Kinds
) -> ir.Table | None:
    """Give spent and days of each customer, window and group of a large shop, for as long as the stack is open."""
    if not is_large(events, grouping):
        return None
    visits = stack.enter_context(given_meanwhile(_visits(tables, events, windows, has_visits=VISIT in kinds), events))
    return numbered_grouping(tables, windows.until, grouping).of(visits)


@shared
def _visits(tables: Tables, events: ir.Table, windows: Windows, *, has_visits: bool) -> pa.Table:
    rows = windows.of(events.filter(is_own(events)))
    started, ended = _span(rows, windows)
    rows = rows.select(
        *("customer_id", "window"),
        started=started,
        ended=ended,
        age=ibis.literal(windows.until).delta(rows.ts.date(), unit="day").cast("int32"),
        is_visit=_is_visit(rows, has_visits=has_visits),
    )
    length = windows.count * windows.days * SECONDS_A_DAY * MICROSECONDS
    with kept_meanwhile(by_number(rows, numbers_of(tables, windows.until))) as numbered:
        return visits_of(numbered, length, IDLE_MINUTES * 60 * MICROSECONDS)


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
    started, ended = _span(rows, windows)
    rows = rows.select(*by, "ts", started=started, ended=ended)
    # Events may overlap: what went before is over with the latest end, not with that of the event before.
    earlier = ibis.window(group_by=by, order_by="ts", rows=(None, -1))
    rows = rows.mutate(over=rows.ended.max().over(earlier))
    # The first event of a customer in a window has none before it.
    is_new = (rows.started - rows.over > IDLE_MINUTES * 60 * MICROSECONDS).fill_null(True)
    added = ibis.ifelse(is_new, rows.ended - rows.started, ibis.greatest(rows.ended - rows.over, 0))
    rows = rows.mutate(added=added)
    return grouping.after(rows.group_by(by).agg(spent=rows.added.sum().cast(EXACT)))


def _span(rows: ir.Table, windows: Windows) -> tuple[ir.IntegerValue, ir.IntegerValue]:
    """Say when events start and end: microseconds from the beginning of all windows on."""
    started = rows.ts.delta(midnight(windows.start(windows.count - 1)), unit="microsecond")
    # Cut before it is turned into microseconds, which a wrong duration of many years would not fit.
    seconds = ibis.greatest(ibis.least(rows.duration_s.fill_null(0), windows.days * SECONDS_A_DAY), 0)
    lasted = (seconds.cast("float64") * MICROSECONDS).round().cast("int64")
    window_ends = (windows.count - rows.window).cast("int64") * (windows.days * SECONDS_A_DAY * MICROSECONDS)
    return started, ibis.least(started + lasted, window_ends)


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
