"""Charts of the quality of predictions; each function returns a matplotlib Figure and needs no screen."""

from collections.abc import Sequence
from datetime import date

import matplotlib.dates as mdates
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from features.measures.intervals import wilson_interval
from models.stats.metrics import calibration_bins
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats

ACTUAL, MODEL, QUIET = "#1b2a41", "#d1495b", "#8d99ae"
OF_CLASS = (("detractors", "#d1495b"), ("passives", "#b58900"), ("promoters", "#2a7f62"))


def purchases_by_frequency(
    frequency: npt.ArrayLike, expected: npt.ArrayLike, realised: npt.ArrayLike, most: int = 7
) -> Figure:
    """Predicted against realised mean purchases in the horizon, by repeat purchases before it.

    Bars are 95 % intervals of the realised mean (normal, from the spread between customers).

    Parameters
    ----------
    frequency, expected, realised
        (n,) repeat purchases at the cutoff, purchases predicted and purchases realised.
    most
        Frequencies from here on are one group.
    """
    x = np.minimum(np.asarray(frequency, dtype=int), most)
    y, p = np.asarray(realised, dtype=float), np.asarray(expected, dtype=float)
    groups = np.unique(x)
    count = np.array([np.sum(x == g) for g in groups])
    mean = np.array([y[x == g].mean() for g in groups])
    error = np.array([y[x == g].std(ddof=1) / np.sqrt(n) if n > 1 else 0.0 for g, n in zip(groups, count, strict=True)])
    predicted = np.array([p[x == g].mean() for g in groups])

    figure, axes = new_figure("Purchases in the horizon by past repeat purchases")
    place = np.arange(len(groups))
    axes.errorbar(place, mean, NORMAL_95 * error, fmt="o", color=ACTUAL, capsize=3, label="realised, 95 % interval")
    axes.plot(place, predicted, "D-", color=MODEL, markersize=5, linewidth=1.4, label="predicted")
    axes.set_xticks(place, [f"{g}{'+' if g == most else ''}\nn={n:,}" for g, n in zip(groups, count, strict=True)])
    axes.set_xlabel("repeat purchases before the cutoff (customers below)")
    axes.set_ylabel("mean purchases per customer")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left")
    return figure


def holdout_tracking(
    cutoff: date, days: Sequence[float] | Floats, actual: npt.ArrayLike, expected: npt.ArrayLike
) -> Figure:
    """Cumulative purchases of the base after the cutoff: actual and expected.

    Parameters
    ----------
    cutoff
        First day of the holdout.
    days
        (d,) ascending numbers of days after the cutoff.
    actual, expected
        (d,) purchases within each of them.
    """
    happened, predicted = np.asarray(actual, dtype=float), np.asarray(expected, dtype=float)
    when = np.datetime64(cutoff, "D") + np.asarray(days, dtype=float).astype("timedelta64[D]")
    figure, axes = new_figure("Purchases since the cutoff, all customers")
    axes.plot(when, happened, color=ACTUAL, linewidth=2, label=f"actual: {happened[-1]:,.0f}")
    axes.plot(when, predicted, color=MODEL, linewidth=2, linestyle="--", label=f"expected: {predicted[-1]:,.0f}")
    if happened[-1] > 0:
        off = predicted[-1] / happened[-1] - 1
        side = "above" if off > 0 else "below"
        axes.set_xlabel(f"at the end the expectation is {100 * abs(off):.1f} % {side} what happened")
    date_axis(axes)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylabel("cumulative purchases")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left")
    return figure


def nps_reliability(category: npt.ArrayLike, probabilities: npt.ArrayLike, bins: int = 8) -> Figure:
    """Predicted against realised share of detractors, passives and promoters.

    One point for each bin of equal count; bars are 95 % Wilson intervals of the realised share.

    Parameters
    ----------
    category
        (n,) 0, 1 or 2 as answered.
    probabilities
        (n, 3) predicted out of fold, without the customer's own answer.
    """
    y, p = np.asarray(category), np.asarray(probabilities, dtype=float)
    figure = Figure(figsize=(10.5, 3.8), layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle("NPS category: predicted and realised shares, out of fold", fontsize=12, fontweight="bold")
    for k, (axes, (name, colour)) in enumerate(zip(figure.subplots(1, 3), OF_CLASS, strict=True)):
        _, count, predicted, realised = calibration_bins(y == k, p[:, k], bins)
        _, low, high = wilson_interval(realised * count, count)
        axes.plot([0, 1], [0, 1], color=QUIET, linewidth=1, linestyle=":")
        axes.errorbar(
            predicted,
            realised,
            np.maximum([realised - low, high - realised], 0.0),
            fmt="o",
            color=colour,
            markersize=5,
            capsize=3,
        )
        top = min(1.0, 1.08 * float(max(high.max(), predicted.max())))
        axes.set(xlim=(0, top), ylim=(0, top), xlabel=f"predicted share of {name}")
        axes.set_aspect("equal")
        axes.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        plain(axes)
        if k == 0:
            axes.set_ylabel("realised share")
    return figure


def new_figure(title: str) -> tuple[Figure, Axes]:
    """Return a figure with one plain pair of axes under a title."""
    figure = Figure(figsize=(7.2, 4.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.set_title(title, fontsize=12, fontweight="bold", loc="left")
    plain(axes)
    return figure, axes


def plain(axes: Axes) -> None:
    """Remove the frame and draw a light grid behind the curves."""
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#e5e8ee", linewidth=0.8)
    axes.set_axisbelow(True)


def date_axis(axes: Axes) -> None:
    """Format the dates of the axis briefly."""
    locator = mdates.AutoDateLocator()  # type: ignore[no-untyped-call]
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(mdates.ConciseDateFormatter(locator))  # type: ignore[no-untyped-call]
