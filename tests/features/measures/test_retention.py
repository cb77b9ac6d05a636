from datetime import date

import pytest

from features.measures.windows import Windows
from tests.features.measures.sales import SALES, compute, lines, values


def test_retention_and_arpu_by_hand(shop):
    tables = shop(SALES)
    # Active is who bought within 12 days. On 11 January a, b, d, f (the 1st is 10 days ago); on the 21st a and c (and
    # not b, 13 days ago); on the 31st d and e.
    options = {"inactivity_days": 12}
    assert values("retention", tables, **options) == [0, 100 / 4]
    assert values("churn", tables, **options) == [100, 75]
    assert compute("retention", tables, **options)["n"].tolist() == [2, 4]
    # Net revenue is 50 + 10 - 4 and 20 + 30.
    assert values("arpu", tables, **options) == [56 / ((2 + 2) / 2), pytest.approx(50 / ((4 + 2) / 2))]
    # With 25 days all but f are active on the 31st; N = e, who is new, d and the others were there.
    assert values("retention", tables, inactivity_days=25) == [100 * 4 / 5, 100]


def test_where_nobody_was_active_at_any_start_no_one_could_be_kept(shop):
    # Of e everything is known, but that nobody bought in the five days before either window.
    tables = shop(lines("e 1 1\ne 19 2\ne 30 1"))
    for name in ("retention", "churn"):
        figures = compute(name, tables, windows=Windows(date(2024, 1, 31), days=7), inactivity_days=1)
        assert figures["why"].tolist() == ["no customer was active at the start of this window"] * 2


def test_who_comes_back_is_new_so_that_retention_is_never_above_100(shop):
    tables = shop(lines("a 5 1\nb 25 1\nc 14 1\nc 26 1\nd 1 1\nd 27 1"))
    # On the 21st only c is active; at the end b, c and d are, so that E - (first buyers) would be 2 of 1.
    assert values("retention", tables, inactivity_days=9)[0] == 100
