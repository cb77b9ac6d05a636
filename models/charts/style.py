"""What all charts of the report share: colours that everyone can tell apart, quiet axes, and how charts are specified.

A chart is a Vega-Lite specification, a plain dictionary: importing Altair to build it takes two thirds of a second, and
its check against the schema, which tests make, tells the reader of a report nothing.
"""

from collections.abc import Mapping, Sequence
from typing import Any

Spec = dict[str, Any]
Row = Mapping[str, Any]

# Okabe & Ito (2008), Color Universal Design: told apart by colour-blind people, and of different lightness.
BLUE, ORANGE, VERMILION, SKY = "#0072B2", "#E69F00", "#D55E00", "#56B4E9"
INK, QUIET, RULE, PAPER = "#1d2733", "#5b6672", "#e3e7eb", "#ffffff"
DETRACTORS, PASSIVES, PROMOTERS = VERMILION, "#b8c0c8", BLUE

WIDTH, HEIGHT = 340, 210

_SCHEMA = "https://vega.github.io/schema/vega-lite/v6.json"
_FONT = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Noto Sans', sans-serif"
_CONFIG: Spec = {
    "aria": False,
    "background": PAPER,
    "font": _FONT,
    "padding": {"left": 14, "right": 10, "top": 4, "bottom": 4},
    "view": {"stroke": None},
    "axis": {
        "domainColor": "#aab3bc",
        "grid": False,
        "labelColor": QUIET,
        "labelFontSize": 11,
        "tickColor": "#aab3bc",
        "tickSize": 4,
        "titleColor": QUIET,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {"labelColor": INK, "labelFontSize": 11, "orient": "top", "title": None, "symbolSize": 70, "offset": 4},
    "text": {"color": INK, "fontSize": 11},
}


def chart(layers: Sequence[Spec], width: int = WIDTH, height: int | Spec = HEIGHT, **more: Any) -> Spec:
    """Put layers on one pair of axes.

    Parameters
    ----------
    layers : sequence of dict
        Each with its data, as `layer` makes them.
    width, height : int
        Pixels of the plot; the height may be a step for each row.
    **more
        Other properties of the specification.
    """
    return {"$schema": _SCHEMA, "config": _CONFIG, "width": width, "height": height, "layer": list(layers), **more}


def beside(parts: Sequence[Spec], **more: Any) -> Spec:
    """Put specifications beside each other in one picture."""
    plain = [{name: value for name, value in part.items() if name not in ("$schema", "config")} for part in parts]
    return {"$schema": _SCHEMA, "config": _CONFIG, "hconcat": plain, "spacing": 18, **more}


def layer(rows: Sequence[Row], mark: str | Spec, **channels: Any) -> Spec:
    """Draw rows with one mark; channels are those of Vega-Lite."""
    return {"data": {"values": [dict(row) for row in rows]}, "mark": mark, "encoding": channels}


def number_axis(title: str | None, written: str = ",.2~f", **more: Any) -> Spec:
    """Give an axis of numbers with few ticks and a faint grid."""
    return {"title": title, "format": written, "tickCount": 5, "grid": True, "gridColor": RULE, **more}


def signed_axis(title: str | None, **more: Any) -> Spec:
    """Give an axis of numbers that are written with their sign, but for zero."""
    return number_axis(title, ",~f", labelExpr="datum.value > 0 ? '+' + datum.label : datum.label", **more)


def field(name: str, kind: str = "quantitative", **more: Any) -> Spec:
    """Name the field of a channel."""
    return {"field": name, "type": kind, **more}
