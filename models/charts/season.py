"""A chart of the season: how much more or less often customers buy over the year, with what is not known of it."""

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from models.charts.predictions import ACTUAL, QUIET
from models.scoring.clock.parameters import ClockParameters
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def index_with_band(clock: ClockParameters) -> tuple[Floats, Floats, Floats]:
    """Return the index over the year and the ends of its 95 % interval, normal in the logarithm."""
    index = np.asarray(clock.index)
    errors = np.asarray(clock.index_errors).reshape(-1, index.size)
    factor = np.exp(NORMAL_95 * np.sqrt((errors**2).sum(axis=0)))
    return index, index / factor, index * factor


def plot_season(clock: ClockParameters) -> Figure:
    """Draw the index of the season over the calendar year, mean 1, with its 95 % band.

    Parameters
    ----------
    clock : ClockParameters
        Of a release.
    """
    index, low, high = index_with_band(clock)
    figure = Figure(figsize=(8.0, 3.2), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    months = 12.0 * (np.arange(index.size) + 0.5) / index.size
    axes.fill_between(months, low, high, color=QUIET, alpha=0.3, linewidth=0)
    axes.plot(months, index, color=ACTUAL, linewidth=1.5)
    axes.axhline(1.0, color=QUIET, linewidth=0.8, linestyle="--")
    axes.set_xticks(np.arange(12) + 0.5, _MONTHS)
    axes.set_xlim(0.0, 12.0)
    axes.set_ylim(bottom=0.0)
    axes.set_ylabel("purchases of a living customer, mean 1")
    axes.set_title(f"Season as of {clock.fitted_at} (shaded: 95 % interval)", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    return figure
