"""A long time without a sale is told where a file may be missing, and not where the shop is closed or sells seldom."""

from datetime import datetime, timedelta

import ibis

from flows.steps.findings.gaps import find_gaps


def gaps_of(days, without):
    kept = [datetime(2022, 1, 1) + timedelta(days=k) for k in days if not any(a <= k < b for a, b in without)]
    return [each.text for each in find_gaps(ibis.memtable({"ts": kept}))]


def test_a_long_time_without_sales_is_told_unless_it_comes_back_each_year():
    [found] = gaps_of(range(400), [(100, 140)])
    assert "No sale lies between 2022-04-10 and 2022-05-21, 40 days, while of the days beside them 100 %" in found
    assert "Other such gaps" not in found
    [found] = gaps_of(range(400), [(100, 140), (250, 281)])
    assert "40 days" in found
    assert "Other such gaps: 1." in found
    # Three weeks, a season that is closed each year, and a shop that sells once a week.
    assert gaps_of(range(400), [(100, 121)]) == []
    assert gaps_of(range(800), [(100, 140), (470, 500)]) == []
    assert gaps_of(range(0, 800, 7), [(100, 140)]) == []
