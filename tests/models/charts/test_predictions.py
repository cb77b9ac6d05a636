"""What is drawn is what was computed; how it looks was looked at."""

from datetime import date

import numpy as np
import pytest
from matplotlib.dates import num2date

from models.charts.predictions import holdout_tracking, nps_reliability, purchases_by_frequency


def test_frequency_groups_hold_the_means_of_their_customers(tmp_path):
    rng = np.random.default_rng(2)
    x = rng.poisson(1.5, 500)
    expected, realised = 0.5 * x, rng.poisson(0.5 * x)
    figure = purchases_by_frequency(x, expected, realised, most=3)
    (axes,) = figure.axes
    realised_line, predicted_line = axes.lines[0], axes.lines[-1]
    assert realised_line.get_ydata() == pytest.approx(
        [realised[x == g].mean() for g in range(3)] + [realised[x >= 3].mean()]
    )
    assert predicted_line.get_ydata() == pytest.approx([0, 0.5, 1.0, expected[x >= 3].mean()])
    assert [label.get_text().split("\n")[0] for label in axes.get_xticklabels()] == ["0", "1", "2", "3+"]
    figure.savefig(tmp_path / "calibration.png")
    assert (tmp_path / "calibration.png").stat().st_size > 5_000


def test_a_frequency_of_one_customer_has_no_interval_but_is_drawn():
    (axes,) = purchases_by_frequency([0, 0, 5], [0.1, 0.1, 2], [0, 1, 3]).axes
    assert axes.lines[0].get_ydata().tolist() == [0.5, 3.0]


def test_tracking_is_drawn_by_date_and_says_how_far_it_is_off(tmp_path):
    figure = holdout_tracking(date(1997, 10, 1), [0, 10, 20], [0, 40, 100], [0, 45, 90])
    (axes,) = figure.axes
    figure.savefig(tmp_path / "tracking.png")
    assert axes.get_xlabel() == "at the end the expectation is 10.0 % below what happened"
    ends = [num2date(value).date() for value in axes.get_xlim()]
    assert ends[0] <= date(1997, 10, 1) < date(1997, 10, 21) <= ends[1]
    assert [line.get_ydata()[-1] for line in axes.lines] == [100, 90]
    assert holdout_tracking(date(2024, 1, 1), [0, 1], [0, 0], [0, 3]).axes[0].get_xlabel() == ""


def test_reliability_of_true_probabilities_lies_on_the_diagonal_within_its_intervals(tmp_path):
    rng = np.random.default_rng(3)
    p = rng.dirichlet([2, 3, 4], 20_000)
    category = (rng.random(20_000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    figure = nps_reliability(category, p)
    assert [axes.get_xlabel() for axes in figure.axes] == [
        f"predicted share of {name}" for name in ("detractors", "passives", "promoters")
    ]
    for axes in figure.axes:
        points = axes.lines[1]
        assert points.get_ydata() == pytest.approx(points.get_xdata(), abs=0.03)
        assert len(points.get_xdata()) == 8
    figure.savefig(tmp_path / "reliability.png")
