from datetime import date
from itertools import pairwise
from statistics import fmean

import numpy as np
import pandas as pd
import pytest

from features.measures.definition import FIGURES, MeasureOptions
from features.measures.engagement import EVENT_MEASURES
from features.measures.intervals import mean_interval, wilson_interval
from features.measures.windows import Grouping, Windows

MEASURES = {measure.name: measure for measure in EVENT_MEASURES}
TWO = Windows(until=date(2024, 1, 31), days=10)


def events(text):
    """Rows from 'customer dayThour kind duration_s due_day' a line; a dash is no value."""
    rows = []
    for line in text.strip().splitlines():
        customer, time, kind, *more = line.split()
        day, _, hour = time.partition("T")
        seconds, due = [*(None if cell == "-" else cell for cell in more), None, None][:2]
        row = {"customer_id": customer, "ts": f"2024-01-{int(day):02} {hour or '12:00'}", "kind": kind}
        rows.append(row | {"duration_s": seconds, "due_at": due and f"2024-01-{due}"})
    return rows


def compute(name, tables, windows=TWO, grouping=None, **options):
    figures = MEASURES[name].compute(tables, windows, grouping or Grouping(), MeasureOptions(**options))
    assert tuple(figures.columns) == FIGURES
    return figures


MADE = events(
    """
    a 12T10:00:00 visit
    a 12T10:30:00 visit
    a 12T11:00:01 visit 60
    a 12T11:30:30 search
    b 13T10:00 call 3600
    b 13T10:10 visit 60
    b 13T11:25 visit
    c 20T23:50 search
    c 21T00:10 search 100.5
    d 22T09:00 visit 30
    d 23T09:00 visit
    d 23T10:00 visit
    d 24T09:00 search
    e 25T09:00 delivered 5000
    e 25T09:10 promised 5000 28
    """
)


def test_activity_time_by_hand(shop):
    tables = shop([], events=MADE)
    # a: half an hour, then a pause a second longer, then 60 s of which the pause counts up to the next event (1,829 s).
    # b: an hour in which another event is, then a pause of 25 minutes. c: the visit is cut at the end of the window.
    older = [1800 + 1829, 3600 + 1500, 0]
    newer = [100.5, 30]
    figures = compute("activity_time", tables)
    assert figures["value"].tolist() == pytest.approx([fmean(newer), fmean(older)])
    assert figures["n"].tolist() == [2, 3]
    bounds = mean_interval(3, sum(older), sum(x * x for x in older), lowest=0)[1:]
    assert (figures["low"][1], figures["high"][1]) == pytest.approx(tuple(float(x) for x in bounds))
    assert figures["why"].tolist() == [None, "the events given begin on 2024-01-12, within this window"]


def test_time_after_the_end_of_a_window_is_no_time_of_it(shop):
    # Ten minutes of the older window; all of the newer one, whatever is said of a visit that never ended.
    late = events("a 20T23:50 visit 3600\na 21T00:00 visit 99999999999999.9999\na 30T23:59 visit 120")
    figures = compute("activity_time", shop([], events=late))
    assert figures["value"].tolist() == [10 * 86400, 600]
    assert figures["low"].isna().all()
    # A mean of times is never below 0, whatever its interval would be.
    uneven = compute("activity_time", shop([], events=events("a 22 visit 9000\nb 22 visit\nc 23 visit 10")))
    assert uneven["low"][0] == 0


def test_visit_days_by_hand(shop):
    # Of the kind visit: a 1 day, b 1, c none; c none and d 2 of three visits on two days.
    figures = compute("visit_frequency", shop([], events=MADE))
    assert figures["value"].tolist() == pytest.approx([2 / 2, 2 / 3])
    # Without that kind any event of the customer's own counts: c 1 and d 1; c 1, b 1 and a 1.
    other = [row for row in MADE if row["kind"] != "visit"]
    assert compute("visit_frequency", shop([], events=other))["value"].tolist() == [1, 1]


def test_core_user_actions_by_hand(shop):
    tables = shop([], events=MADE)
    figures = compute("core_user_actions", tables, core_action="visit", core_action_times=2)
    assert figures["value"].tolist() == pytest.approx([50, 200 / 3])
    bounds = wilson_interval(2, 3)[1:]
    assert (figures["low"][1], figures["high"][1]) == tuple(100 * float(x) for x in bounds)
    assert compute("core_user_actions", tables, core_action="search")["value"].tolist() == pytest.approx([100, 200 / 3])
    # An action of the shop's may be named: e is active by it.
    assert compute("core_user_actions", tables, core_action="delivered")["value"].tolist()[0] == pytest.approx(100 / 3)
    by_kind = compute("visit_frequency", tables, grouping=Grouping("kind", column="kind"))
    assert by_kind.groupby("group")["n"].sum().to_dict() == {"call": 1, "search": 4, "visit": 3}


def test_what_is_missing_is_said(shop):
    tables = shop([], events=MADE)
    there = "the kinds of events there are: call, delivered, promised, search, visit"
    assert compute("core_user_actions", tables)["why"].tolist() == [f"no core action is named; {there}"] * 2
    unseen = compute("core_user_actions", tables, core_action="play")["why"][0]
    assert unseen == f"no event of the kind 'play' before 2024-01-31; {there}"
    timeless = shop([], events=events("a 12 visit\na 13 visit\nb 14 visit"))
    assert "no event has duration_s" in compute("activity_time", timeless)["why"][0]
    of_shop = shop([], events=[row for row in MADE if row["customer_id"] == "e"])
    later = shop([], events=[row | {"available_at": "2024-02-01"} for row in MADE])
    for name in MEASURES:
        assert compute(name, shop([]))["why"].tolist() == ["no table of events was given"] * 2
        assert "there are delivered, promised, which the shop makes" in compute(name, of_shop)["why"][0]
        assert compute(name, later)["why"][0] == "no events of the customers' own before 2024-01-31"
        by_channel = compute(name, tables, grouping=Grouping("channel", column="channel"))
        assert by_channel["why"].tolist() == ["events have no column channel"] * 2
    began = compute("core_user_actions", tables, windows=Windows(TWO.until, 5, 4), core_action="call")
    assert began["why"][3] == "the events of the kind call given begin on 2024-01-13, within this window"
    assert began["why"][0] == "no events of the customers' own in this window"


def spent(rows, idle_seconds):
    """Seconds of visits: of all stretches between moments at which anything begins or ends, those that count."""
    spans = [(int(start), int(start + seconds)) for start, seconds in rows]
    moments = sorted({moment for span in spans for moment in span})
    return sum(
        later - moment
        for moment, later in pairwise(moments)
        if later - moment <= idle_seconds or any(start <= moment < stop for start, stop in spans)
    )


def test_activity_time_equals_a_sum_of_stretches_and_does_not_depend_on_the_order_of_rows(shop):
    random = np.random.default_rng(3)
    start = pd.Timestamp("2024-01-11")
    seconds = random.integers(0, 20 * 86400, 600) // 600 * 600
    rows = [
        {"customer_id": f"c{random.integers(9)}", "ts": str(start + pd.Timedelta(seconds=int(second))), "kind": "visit"}
        | {"duration_s": int(random.integers(0, 9000)) if random.integers(3) else None}
        for second in seconds
    ]
    frame = pd.DataFrame(rows).assign(at=seconds, window=1 - seconds // 864000).fillna({"duration_s": 0})
    frame["lasts"] = np.minimum(frame["duration_s"], (2 - frame["window"]) * 864000 - frame["at"])
    expected = [
        fmean(spent(zip(one["at"], one["lasts"], strict=True), 1800) for _, one in part.groupby("customer_id"))
        for _, part in frame.groupby("window")
    ]
    figures = compute("activity_time", shop([], events=rows))
    assert figures["value"].tolist() == pytest.approx(expected, rel=1e-12)
    for name in MEASURES:
        options = {"core_action": "visit", "core_action_times": 30}
        one = compute(name, shop([], events=rows), **options)
        other = compute(name, shop([], events=rows[::-1], threads=3), **options)
        pd.testing.assert_frame_equal(one, other, check_exact=True)
