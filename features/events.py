"""What happened to customers: counts, values and promises of each kind of event."""

from collections.abc import Mapping, Sequence

import ibis.expr.types as ir

from features.definition import WINDOWS, Feature
from features.purchases import mean
from features.spine import Spine, left_joined

# The contract's own word for the end of a promise. Other kinds are recognised by what they follow in the data.
COMPLETES_BY_NAME = frozenset({"delivered"})
# Rows with a due time that tell which kinds follow which, as a rule the same in all of them. Of the 4.6 million of a
# million simulated customers, whose kinds follow in one order, an eighth takes .7 processor seconds, and all take 2.9.
MOST_DUE = 500_000
_SECONDS_A_DAY = 86_400


def event_features(events: ir.Table, spine: Spine, features: Sequence[Feature]) -> ir.Table:
    """Describe each customer's visible events. Grain: one row per pair with any event of these kinds.

    Parameters
    ----------
    events
        Clean events.
    spine
        Whom to describe, and as of when.
    features
        Those to compute: each is a measure of a kind of event.

    Returns
    -------
    Table
        The spine's keys and the features. Measures are: events in the last 30, 90 and 365 days; days from the last one
        to the last day seen; value of the last one (the mean where several have its time) and mean value; mean
        duration; days from due_at to the last event, likewise, and mean days (negative: early); number of promises
        whose due_at has passed and that are still open, and the days by which the oldest of them is overdue at as_of
        (0.0 where none is).
    """
    kinds: dict[str, list[str]] = {}
    for feature in features:
        kinds.setdefault(feature.measure, []).append(feature.value)
    visible = spine.visible(events)
    visible = visible.filter(visible.kind.isin(list(dict.fromkeys(feature.value for feature in features))))
    day = visible.ts.date()
    visible = visible.mutate(
        age=spine.date_of(visible).delta(day, unit="day"),
        days_late=day.delta(visible.due_at.date(), unit="day"),
    )
    promising = list(dict.fromkeys([*kinds.get("overdue", []), *kinds.get("days_overdue", [])]))
    overdue = _overdue(visible, spine, promising) if promising else None
    last = [
        _last(visible.filter(visible.kind.isin(kinds[f"last_{column}"])), spine, column)
        for column in ("value", "days_late")
        if f"last_{column}" in kinds
    ]
    # First to one row per pair and kind, then to one column per kind: each row is added up once.
    by_kind = visible.group_by([*spine.keys, "kind"]).agg(
        **{
            f"events_{window}": visible.count(where=None if days is None else visible.age <= days)
            for window, days in WINDOWS.items()
        },
        age=visible.age.min(),
        value=visible.value.sum(),
        values=visible.value.count(),
        duration=visible.duration_s.sum(),
        durations=visible.duration_s.count(),
        late=visible.days_late.sum(),
        lates=visible.days_late.count(),
    )
    by_kind = by_kind.select(
        *spine.keys,
        "kind",
        **{f"events_{window}": by_kind[f"events_{window}"].cast("float64") for window in WINDOWS},
        days_since_last=(by_kind.age - 1).cast("float64"),
        mean_value=mean(by_kind.value, by_kind.values),
        mean_duration_s=mean(by_kind.duration, by_kind.durations),
        mean_days_late=mean(by_kind.late, by_kind.lates),
    )
    for extra in (overdue, *last):
        if extra is not None:
            by_kind = left_joined(by_kind, extra, [*spine.keys, "kind"])
    columns = {}
    for feature in features:
        # What has no expression is missed by `features.describe.describe`, which says so.
        if feature.measure in by_kind.columns:
            column = by_kind[feature.measure].max(where=by_kind.kind == feature.value)
            columns[feature.name] = column.fill_null(0.0) if feature.entry.zero_without_rows else column
    return by_kind.group_by(spine.keys).agg(**columns)


def is_own(events: ir.Table) -> ir.BooleanValue:
    """Say which events are a customer's own: not promises (those with due_at) nor deliveries, which the shop makes."""
    return events.due_at.isnull() & events.kind.notin(sorted(COMPLETES_BY_NAME))


def _last(visible: ir.Table, spine: Spine, column: str) -> ir.Table:
    """Take the column of the newest event of each kind that has it, the mean where several have its time."""
    filled = visible.filter(visible[column].notnull())
    keys = [*spine.keys, "kind"]
    newest = filled.group_by(keys).agg(newest=filled.ts.max())
    joined = filled.join(newest, keys)
    joined = joined.filter(joined.ts == joined.newest)
    sums = joined.group_by(keys).agg(total=joined[column].sum(), number=joined.count())
    return sums.select(*keys, **{f"last_{column}": mean(sums.total, sums.number)})


def _overdue(visible: ir.Table, spine: Spine, kinds: Sequence[str]) -> ir.Table:
    """Count promises of these kinds that are due and open: no other with the same due_at has come at or after them."""
    due = visible.filter(visible.due_at < spine.midnight_of(visible)).select(*spine.keys, "kind", "due_at", "ts")
    promises = due.filter(due.kind.isin(kinds))
    # Where one kind promises, only others can follow it.
    others = due.filter(due.kind != kinds[0]) if len(kinds) == 1 else due
    latest = others.group_by([*spine.keys, "due_at", "kind"]).agg(latest=others.ts.max())
    latest = latest.rename(other_kind="kind")
    open_promises = promises.anti_join(
        latest,
        [*spine.keys, "due_at", promises.kind != latest.other_kind, promises.ts <= latest.latest],
    )
    days = spine.date_of(open_promises).delta(open_promises.due_at.date(), unit="day")
    return open_promises.group_by([*spine.keys, "kind"]).agg(
        overdue=open_promises.count().cast("float64"), days_overdue=days.max().cast("float64")
    )


def completing_kinds(events: ir.Table, due: Mapping[str, int] | None = None) -> frozenset[str]:
    """Find the kinds whose due_at ends a promise instead of making one.

    They are 'delivered', and each kind that comes at or after another kind with the same customer and due_at at
    least twice as often as another comes at or after it.

    Parameters
    ----------
    events
        Visible events.
    due
        Rows with a due_at of each kind that is asked about. Where they are more than `MOST_DUE`, those due on some days
        are looked at, as long as these show all of the kinds.
    """
    rows = events.filter(events.due_at.notnull()).select("customer_id", "due_at", "kind", "ts")
    step = sum(due.values()) // MOST_DUE if due else 0
    if due and step > 1:
        some = _orders_of_kinds(rows.filter((rows.due_at.epoch_seconds() // _SECONDS_A_DAY) % step == 0))
        if some.keys() >= due.keys():
            return _following(some)
    return _following(_orders_of_kinds(rows))


def _orders_of_kinds(due: ir.Table) -> dict[str, tuple[int, int]]:
    """Count how often a kind comes at or after another one of the same customer and due_at, and another after it."""
    # One row per customer, due_at and kind keeps the join small.
    firsts = due.group_by(["customer_id", "due_at", "kind"]).agg(first=due.ts.min(), latest=due.ts.max())
    others = firsts.view()
    met = firsts.join(others, ["customer_id", "due_at", firsts.kind != others.kind], rname="other_{name}")
    counts = met.group_by("kind").agg(
        follows=met.count(where=met.latest >= met.other_first),
        followed=met.count(where=met.other_latest >= met["first"]),
    )
    return {row["kind"]: (row["follows"], row["followed"]) for row in counts.to_pyarrow().to_pylist()}


def _following(orders: Mapping[str, tuple[int, int]]) -> frozenset[str]:
    following = {kind for kind, (follows, followed) in orders.items() if follows and 2 * followed <= follows}
    return frozenset(following) | COMPLETES_BY_NAME
