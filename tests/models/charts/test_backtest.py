"""What is drawn is what was computed; how it looks was looked at."""

from datetime import date

import numpy as np
import pandas as pd
import pytest
from matplotlib.dates import num2date

from models.charts.backtest import calibration, decile_lift, tracking
from models.stats.deciles import lift
from models.stats.normal import NORMAL_95


@pytest.fixture
def weeks():
    until = pd.date_range("2024-01-08", periods=4, freq="7D")
    return pd.DataFrame({"until": until, "actual": [5.0, 7, 3, 2], "BG/NBD": [4.0, 6, 4, 4], "MBG/NBD": [5.0, 5, 5, 4]})


def test_tracking_shows_the_weeks_or_their_running_total_and_marks_the_cut(weeks, tmp_path):
    (axes,) = tracking(weeks, date(2024, 1, 22), cumulative=True).axes
    actual, bg, mbg, cut = axes.lines
    assert actual.get_ydata().tolist() == [5, 12, 15, 17]
    assert bg.get_ydata().tolist() == [4, 10, 14, 18]
    assert mbg.get_label() == "MBG/NBD: 19"
    assert num2date(cut.get_xdata()[0]).date() == date(2024, 1, 22)
    figure = tracking(weeks, date(2024, 1, 22), cumulative=False)
    assert figure.axes[0].lines[0].get_ydata().tolist() == [5, 7, 3, 2]
    figure.savefig(tmp_path / "weekly.png")
    assert (tmp_path / "weekly.png").stat().st_size > 5_000


def test_calibration_puts_each_tenth_at_its_means_with_the_interval_of_its_mean(rng, tmp_path):
    rate = np.sort(rng.gamma(1.0, 1.0, 1000))
    realised = rng.poisson(rate).astype(float)
    figure = calibration({"BG/NBD": rate, "MBG/NBD": 0.9 * rate}, realised, "purchases")
    (axes,) = figure.axes
    points, (_, _, (bars,)) = axes.containers[0][0], axes.containers[0]
    groups = realised.reshape(10, 100)
    assert points.get_ydata() == pytest.approx(groups.mean(axis=1))
    assert points.get_xdata() == pytest.approx(rate.reshape(10, 100).mean(axis=1))
    heights = [segment[1, 1] - segment[0, 1] for segment in bars.get_segments()]
    above = NORMAL_95 * groups.std(axis=1) / 10
    assert heights == pytest.approx(above + np.minimum(above, groups.mean(axis=1)))
    assert calibration({"BG/NBD": np.zeros(5)}, np.zeros(5), "purchases").axes[0].get_xscale() == "linear"
    figure.savefig(tmp_path / "calibration.png")


def test_bars_of_the_lift_are_its_shares_beside_each_other(rng, tmp_path):
    score, realised = rng.random(200), rng.poisson(1.0, 200)
    figure = decile_lift({"BG/NBD": score, "own average rate": -score}, realised, "revenue")
    (axes,) = figure.axes
    first, second = axes.containers
    assert [bar.get_height() for bar in first] == pytest.approx(lift(score, realised))
    assert [bar.get_height() for bar in second] == pytest.approx(lift(score, realised)[::-1])
    assert first[0].get_x() + first[0].get_width() == pytest.approx(second[0].get_x())
    assert first.get_label() == f"BG/NBD: {lift(score, realised)[0]:.0%} from the first tenth"
    figure.savefig(tmp_path / "lift.png")
