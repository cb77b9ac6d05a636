"""What is drawn is what was computed; how it looks was looked at."""

import numpy as np
import pytest

from models.charts.predictions import purchases_by_frequency


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
