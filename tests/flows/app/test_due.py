"""When the next order is due: the rhythm counted by hand, the model's day against the closed form of BG/NBD."""

from datetime import date
from math import exp

import pytest

from flows.app.reading.due import next_order, p_none_of, scorer_of

ROW = {
    "as_of": date(2026, 3, 1),
    "last_purchase": date(2026, 2, 1),
    "frequency": 4,
    "recency": 100,
    "T": 128,
    "p_purchase": 0.8,
}


def constant_rate(rate):
    return lambda days: exp(-rate * days)


def test_the_rhythm_is_the_mean_gap_after_the_last_purchase():
    due = next_order(ROW, 90, 365, None)
    assert (due.usual_gap, due.by_rhythm, due.overdue) == (25.0, date(2026, 2, 26), 3)
    assert not due.is_modelled
    assert next_order(ROW | {"frequency": 1}, 90, 365, None).by_rhythm is None
    assert next_order(ROW | {"last_purchase": date(2026, 2, 20)}, 90, 365, None).overdue == 0


def test_an_even_chance_comes_when_the_model_says_so():
    # At a constant rate the chance of no order halves in ln 2 / rate days.
    row = ROW | {"p_purchase": 1 - exp(-0.02 * 90)}
    assert next_order(row, 90, 365, constant_rate(0.02)).even_chance == date(2026, 4, 5)
    # A second stage that makes the chance larger makes the day earlier: here the rate doubles.
    row = ROW | {"p_purchase": 1 - exp(-0.04 * 90)}
    assert next_order(row, 90, 365, constant_rate(0.02)).even_chance == date(2026, 3, 19)
    row = ROW | {"p_purchase": 1 - exp(-0.001 * 90)}
    late = next_order(row, 90, 365, constant_rate(0.001))
    assert (late.even_chance, late.is_modelled, late.last) == (None, True, date(2027, 3, 1))


@pytest.mark.parametrize("p_purchase", [None, 0.0, 1.0])
def test_without_a_chance_between_0_and_1_there_is_no_day(p_purchase):
    assert not next_order(ROW | {"p_purchase": p_purchase}, 90, 365, constant_rate(0.02)).is_modelled


def test_the_stored_scorer_gives_the_published_chance(app, scores, trained):
    edition = app.app.state.shelf.current()
    scorer = edition.scorer_model
    assert scorer is not None
    assert not scorer.has_second_stage
    for row in scores.slice(0, 20).to_pylist():
        p_none = p_none_of(row, scorer)
        assert 1 - p_none(90) == pytest.approx(row["p_purchase"], abs=1e-9)
        due = next_order(row, 90, 365, p_none)
        if due.even_chance is not None:
            days = (due.even_chance - row["as_of"]).days
            assert p_none(days) <= 0.5 < p_none(days - 1)


def test_a_scorer_that_is_gone_or_of_another_release_is_none(trained, tmp_path):
    assert scorer_of(None) is None
    assert scorer_of({"format": 0}) is None
