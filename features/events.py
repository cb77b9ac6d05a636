"""What happened to customers: counts, values and promises of each kind of event."""

from collections.abc import Mapping, Sequence

import ibis.expr.types as ir

from features.definition import WINDOWS, Feature
from features.purchases import mean
from features.spine import Spine, left_joined

# The contract's own word for the end of a promise. Other kinds are recognised by what they follow in the data.
COMPLETES_BY_NAME = frozenset({"delivered"})
# Columns of which measures are the mean and the last value, and measures of open promises.
_SUMMED = ("value", "duration_s", "days_late")
_OVERDUE = ("overdue", "days_overdue")
# Rows with a due time that tell which kinds follow which, as a rule the same in all of them. Of the 4.6 million of a
# million simulated customers, whose kinds follow in one order, an eighth takes .7 processor seconds, and all take 2.9.
MOST_DUE = 500_000
_SECONDS_A_DAY = 86_400


def event_features(events: ir.Table, spine: Spine, features: Sequence[Feature]) -> list[ir.Table]:
    """Describe each customer's visible events. A table for each kind, grain: one row per pair with any event of it.

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
    list of Table
        Each the spine's keys and the features of one kind. Measures are: events in the last 30, 90 and 365 days; days
        from the last one to the last day seen; value of the last one (the mean where several have its time) and mean
        value; mean duration; days from due_at to the last event, likewise, and mean days (negative: early); number of
        promises whose due_at has passed and that are still open, and the days by which the oldest of them is overdue at
        as_of (0.0 where none is).
    """
    by_kind: dict[str, list[Feature]] = {}
    for feature in features:
        by_kind.setdefault(feature.value, []).append(feature)
    visible = spine.visible(events)
    return [_of_kind(visible, spine, kind, list(by_kind), own) for kind, own in by_kind.items()]


def _of_kind(visible: ir.Table, spine: Spine, kind: str, kinds: Sequence[str], features: Sequence[Feature]) -> ir.Table:
    """Compute the features of one kind: in rows of a kind of its own nothing has to be told apart."""
    wanted = {feature.measure for feature in features}
    rows = visible.filter(visible.kind == kind)
    day = rows.ts.date()
    rows = rows.mutate(
        age=spine.date_of(rows).delta(day, unit="day"), days_late=day.delta(rows.due_at.date(), unit="day")
    )
    meant, last = ([name for name in _SUMMED if f"{what}_{name}" in wanted] for what in ("mean", "last"))
    of_pair = rows.group_by(spine.keys).agg(
        **{
            f"events_{window}": rows.count(where=None if days is None else rows.age <= days)
            for window, days in WINDOWS.items()
        },
        age=rows.age.min(),
        **{f"total_{name}": rows[name].sum() for name in meant},
        **{f"number_{name}": rows[name].count() for name in meant},
    )
    promises = wanted & set(_OVERDUE)
    if last:
        of_pair = left_joined(of_pair, _last(rows, spine, last), spine.keys)
    if promises:
        of_pair = left_joined(of_pair, _overdue(visible, spine, kind, kinds), spine.keys)
    measures: dict[str, ir.Value] = {
        **{f"events_{window}": of_pair[f"events_{window}"].cast("float64") for window in WINDOWS},
        "days_since_last": (of_pair.age - 1).cast("float64"),
        **{f"mean_{name}": mean(of_pair[f"total_{name}"], of_pair[f"number_{name}"]) for name in meant},
        **{name: of_pair[name] for name in (*(f"last_{name}" for name in last), *promises)},
    }
    # What has no expression is missed by `features.describe.describe`, which says so.
    columns = {
        feature.name: measures[feature.measure].fill_null(0.0)
        if feature.entry.zero_without_rows
        else measures[feature.measure]
        for feature in features
        if feature.measure in measures
    }
    return of_pair.select(*spine.keys, **columns)


def _last(rows: ir.Table, spine: Spine, columns: Sequence[str]) -> ir.Table:
    """Take columns of the newest rows that have them, the mean where several have one time."""
    # Rows of one moment are added up first: the newest of them is then one row, and no row is looked up again.
    moments = rows.group_by([*spine.keys, "ts"]).agg(
        **{f"total_{name}": rows[name].sum() for name in columns},
        **{f"number_{name}": rows[name].count() for name in columns},
    )
    newest = moments.group_by(spine.keys).agg(
        **{
            f"{what}_{name}": moments[f"{what}_{name}"].argmax(moments.ts, where=moments[f"number_{name}"] > 0)
            for name in columns
            for what in ("total", "number")
        }
    )
    means = {f"last_{name}": mean(newest[f"total_{name}"], newest[f"number_{name}"]) for name in columns}
    return newest.select(*spine.keys, **means)


def is_own(events: ir.Table) -> ir.BooleanValue:
    """Say which events are a customer's own: not promises (those with due_at) nor deliveries, which the shop makes."""
    return events.due_at.isnull() & events.kind.notin(sorted(COMPLETES_BY_NAME))


def _overdue(visible: ir.Table, spine: Spine, kind: str, kinds: Sequence[str]) -> ir.Table:
    """Count promises of a kind that are due and open: no other with the same due_at has come at or after them."""
    due = visible.filter(visible.due_at < spine.midnight_of(visible)).select(*spine.keys, "kind", "due_at", "ts")
    promises = due.filter(due.kind == kind)
    others = due.filter(due.kind.isin([other for other in kinds if other != kind]))
    latest = others.group_by([*spine.keys, "due_at"]).agg(latest=others.ts.max())
    open_promises = promises.anti_join(latest, [*spine.keys, "due_at", promises.ts <= latest.latest])
    days = spine.date_of(open_promises).delta(open_promises.due_at.date(), unit="day")
    return open_promises.group_by(spine.keys).agg(
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
