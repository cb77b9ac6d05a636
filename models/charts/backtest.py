"""Charts of a backtest: purchases over time, calibration by decile, and the lift of the best predicted."""

from collections.abc import Mapping
from datetime import date

import matplotlib.dates as mdates
import numpy as np
import numpy.typing as npt
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, PercentFormatter

from models.charts.predictions import ACTUAL, MODEL, QUIET, date_axis, new_figure
from models.stats.deciles import DECILES, calibration_by_decile, lift
from models.stats.normal import NORMAL_95

OF_PREDICTOR = (MODEL, "#2a7f62", "#b58900", "#5b5ea6")
_STYLES = ("--", "-.", ":", (0, (5, 1)))


def tracking(table: pd.DataFrame, cutoff: date, *, cumulative: bool) -> Figure:
    """Repeat purchases of the cutoff's customers week by week, before and after the cutoff: actual and expected.

    The tracking plots of Fader, Hardie & Lee (2005, Marketing Science 24(2)): the expectation is the sum over customers
    of E[X(t - first purchase)], as for new customers, and does not use their later purchases.

    Parameters
    ----------
    table
        As `models.release.weekly.weekly_repeat_purchases` returns it: until, actual, and a column per model.
    cutoff
        A date, marked; the models were not fitted on the weeks after it.
    cumulative
        Whether the weeks are added up.
    """
    curves = table.drop(columns="until")
    shown = curves.cumsum() if cumulative else curves
    kind = "Cumulative" if cumulative else "Weekly"
    figure, axes = new_figure(f"{kind} repeat purchases of the customers of the cutoff")
    until = table["until"].to_numpy("datetime64[D]")
    for number, name in enumerate(shown):
        is_actual = name == "actual"
        axes.plot(
            until,
            shown[name].to_numpy(float),
            color=ACTUAL if is_actual else OF_PREDICTOR[number - 1],
            linewidth=2 if is_actual and cumulative else 1.5,
            linestyle="-" if is_actual else _STYLES[number - 1],
            label=f"{name}: {shown[name].iloc[-1]:,.0f}" if cumulative else name,
        )
    day = float(mdates.date2num(cutoff))  # type: ignore[no-untyped-call]
    axes.axvline(day, color=QUIET, linewidth=1, linestyle=":")
    axes.annotate(f" cutoff {cutoff}", (day, 0.02), xycoords=("data", "axes fraction"), color=QUIET, fontsize=9)
    date_axis(axes)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}"))
    axes.set_ylabel("repeat purchases" if cumulative else "repeat purchases in the week")
    axes.set_ylim(bottom=0)
    axes.legend(frameon=False, loc="upper left" if cumulative else "best")
    return figure


def calibration(predictions: Mapping[str, npt.ArrayLike], realised: npt.ArrayLike, what: str) -> Figure:
    """Predicted against realised means in ten groups by each model's own prediction.

    Bars are 95 % intervals of the realised mean (normal, from the spread between customers). The axes grow with the
    square root, so that the many customers who buy little stay distinguishable.

    Parameters
    ----------
    predictions
        (n,) by name of the model.
    realised
        (n,) what came.
    what
        What is predicted, such as "purchases".
    """
    y = np.asarray(realised, dtype=float)
    figure, axes = new_figure(f"Calibration by decile: {what} in the horizon")
    top = 0.0
    for (name, predicted), colour in zip(predictions.items(), OF_PREDICTOR, strict=False):
        table = calibration_by_decile(predicted, y)
        squares = calibration_by_decile(predicted, y**2)["realised"]
        spread = np.sqrt(np.maximum(squares - table["realised"] ** 2, 0.0) / table["n"])
        bars = NORMAL_95 * spread.to_numpy(float)
        below = np.minimum(bars, table["realised"])
        drawn = axes.errorbar(
            table["predicted"], table["realised"], [below, bars], fmt="o-", color=colour, capsize=2, label=name
        )
        drawn.lines[0].set(markersize=4, linewidth=1)
        top = max(top, float(table["predicted"].max()), float((table["realised"] + bars).max()))
    axes.plot(
        np.linspace(0, top, 100),
        np.linspace(0, top, 100),
        color=QUIET,
        linewidth=1,
        linestyle=":",
        label="as predicted",
    )
    axes.set_xlabel(f"mean predicted {what} per customer")
    axes.set_ylabel(f"mean realised {what}")
    if top > 0:
        axes.set(xlim=(0, 1.05 * top), ylim=(0, 1.05 * top))
        axes.set_xscale("function", functions=(_root, np.square))
        axes.set_yscale("function", functions=(_root, np.square))
    axes.legend(frameon=False, loc="upper left")
    return figure


def decile_lift(predictions: Mapping[str, npt.ArrayLike], realised: npt.ArrayLike, what: str) -> Figure:
    """Share of what was realised that came from each tenth of the customers, the best predicted first.

    Parameters
    ----------
    predictions
        (n,) by name of model or baseline.
    realised
        (n,) what came.
    what
        What is predicted, such as "revenue".
    """
    figure, axes = new_figure(f"Decile lift: who brings the {what} of the horizon")
    tenths = np.arange(1, DECILES + 1)
    width = 0.8 / max(len(predictions), 1)
    colours = [*OF_PREDICTOR[: len(predictions) - 1], QUIET]
    for number, ((name, predicted), colour) in enumerate(zip(predictions.items(), colours, strict=False)):
        shares = lift(predicted, realised)
        place = tenths + (number - (len(predictions) - 1) / 2) * width
        axes.bar(place, shares, width=width, color=colour, label=f"{name}: {shares[0]:.0%} from the first tenth")
    axes.axhline(1 / DECILES, color=ACTUAL, linewidth=1, linestyle=":")
    axes.set_xticks(tenths)
    axes.set_xlabel("tenth of the customers, the best predicted first (dotted: no order at all)")
    axes.set_ylabel(f"share of realised {what}")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
    axes.legend(frameon=False, loc="upper right")
    return figure


def _root(values: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    return np.sqrt(np.maximum(values, 0.0))
