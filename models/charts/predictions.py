"""Charts of the quality of predictions; each function returns a matplotlib Figure and needs no screen."""

import matplotlib.dates as mdates
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.stats.normal import NORMAL_95

ACTUAL, MODEL, QUIET = "#1b2a41", "#d1495b", "#8d99ae"


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
