"""A chart of the measures of a shop over time: one small panel for each, drawn from their history alone."""

import numpy as np
import pandas as pd
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from models.charts.predictions import ACTUAL, QUIET

COLUMNS = 4
# A line needs two points.
FEWEST_POINTS = 2


def plot_history(history: pd.DataFrame, days: int) -> Figure | None:
    """Draw every measure that has a history, with its interval where it has one.

    Parameters
    ----------
    history
        As `features.measures.panel.measure` gives it for one group: measure, title, unit, end, value, low, high.
    days
        Length of the windows, shown in the title.

    Returns
    -------
    matplotlib.figure.Figure or None
        None where no measure has a value in two windows.
    """
    points = history[history["value"].notna()]
    counts = points.groupby("measure", sort=False)["value"].size()
    names = counts[counts >= FEWEST_POINTS].index.tolist()
    if not names:
        return None
    lines = -(-len(names) // COLUMNS)
    # The panels are laid out by hand: a layout found by matplotlib draws everything twice.
    width, height = 3.2 * COLUMNS, 2.0 * lines + 0.6
    figure = Figure(figsize=(width, height))
    FigureCanvasAgg(figure)
    edges = {"left": 0.5 / width, "right": 1 - 0.15 / width, "bottom": 0.5 / height, "top": 1 - 0.65 / height}
    gaps = {"wspace": 0.5 / 2.7, "hspace": 0.75 / 1.25}
    panels = np.atleast_1d(figure.subplots(lines, COLUMNS, gridspec_kw=edges | gaps)).ravel()
    for axes, name in zip(panels, names, strict=False):
        of_one = points[points["measure"] == name].sort_values("end")
        end = pd.to_datetime(of_one["end"]).to_numpy()
        if of_one["low"].notna().any():
            low, high = of_one["low"].to_numpy(float), of_one["high"].to_numpy(float)
            axes.fill_between(end, low, high, color=QUIET, alpha=0.3, linewidth=0)
        axes.plot(end, of_one["value"].to_numpy(float), "o-", color=ACTUAL, markersize=3, linewidth=1.2)
        unit = of_one["unit"].iloc[0]
        axes.set_title(of_one["title"].iloc[0] + (f" ({unit})" if unit else ""), fontsize=8)
        axes.tick_params(labelsize=6)
        axes.tick_params(axis="x", rotation=45)
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.spines[["top", "right"]].set_visible(False)
    for axes in panels[len(names) :]:
        axes.set_axis_off()
    title = f"Measures, each of {days} days up to the day shown (shaded: 95 % interval)"
    figure.suptitle(title, fontsize=10, y=1 - 0.1 / height, va="top")
    return figure
