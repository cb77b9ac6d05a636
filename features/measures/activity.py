"""What customers do themselves, and the time they spend on it: what the measures of events are computed from."""

import ibis
import ibis.expr.types as ir

from features.events import COMPLETES_BY_NAME
from features.measures.windows import Grouping, Windows
from features.spine import midnight

MICROSECONDS = 1_000_000
SECONDS_A_DAY = 86_400
# Of more than 18 digits, so that DuckDB gives the square 38, and sums of squares do not depend on the order of rows.
EXACT = "decimal(19, 0)"


def is_own(events: ir.Table) -> ir.BooleanValue:
    """Tell events of a customer's own from promises (those with due_at) and deliveries, which the shop makes."""
    return events.due_at.isnull() & events.kind.notin(sorted(COMPLETES_BY_NAME))


def time_spent(events: ir.Table, windows: Windows, grouping: Grouping, idle_minutes: int) -> ir.Table:
    """Add up the time of each customer's visits. Grain: one row per customer, window and group with an own event.

    An event lasts from ts to ts + duration_s (no time where it is not given), at most to the end of its window. A visit
    lasts from the start of its first event to the latest end of one; it is over after a pause longer than
    `idle_minutes` from that end on, or with its window. Time in which events overlap counts once, pauses within a
    visit count.

    Parameters
    ----------
    events
        Clean events.
    windows, grouping
        By what; events belong to the window in which they begin.
    idle_minutes
        The usual cut is 30, as of web analytics.

    Returns
    -------
    Table
        customer_id, window, group, spent (microseconds, exact decimal).
    """
    by = ["customer_id", "window", "group"]
    rows = windows.of(grouping.of(events.filter(is_own(events))))
    started = rows.ts.delta(midnight(windows.start(windows.count - 1)), unit="microsecond")
    # Cut before it is turned into microseconds, which a wrong duration of many years would not fit.
    seconds = ibis.greatest(ibis.least(rows.duration_s.fill_null(0), windows.days * SECONDS_A_DAY), 0)
    lasted = (seconds.cast("float64") * MICROSECONDS).round().cast("int64")
    window_ends = (windows.count - rows.window).cast("int64") * (windows.days * SECONDS_A_DAY * MICROSECONDS)
    rows = rows.select(*by, "ts", started=started, ended=ibis.least(started + lasted, window_ends))
    # Events may overlap: what went before is over with the latest end, not with that of the event before.
    earlier = ibis.window(group_by=by, order_by="ts", rows=(None, -1))
    rows = rows.mutate(over=rows.ended.max().over(earlier))
    is_new = rows.over.isnull() | (rows.started - rows.over > idle_minutes * 60 * MICROSECONDS)
    added = ibis.ifelse(is_new, rows.ended - rows.started, ibis.greatest(rows.ended - rows.over, 0))
    rows = rows.mutate(added=added)
    return rows.group_by(by).agg(spent=rows.added.sum().cast(EXACT))
