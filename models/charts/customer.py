"""Charts of one customer: what happened on a line of time, and the course of the index."""

from collections.abc import Sequence

from models.charts.style import BLUE, INK, ORANGE, QUIET, VERMILION, Row, Spec, chart, field, layer, number_axis

_WIDE = 640


def timeline(
    purchases: Sequence[Row], marks: Sequence[Row], names: Sequence[str], titles: tuple[str, str], as_of: str
) -> Spec:
    """Draw purchases as columns over time, answers and events as marks below, and the date of the scores.

    Parameters
    ----------
    purchases : sequence of mapping
        day (ISO date) and amount; a negative one is a return.
    marks : sequence of mapping
        day, series (one of `names`).
    names : sequence of str
        Of the series of marks: answers, then events.
    titles : tuple of str
        Of the axis of amounts, and of the date of the scores.
    as_of : str
        That date.
    """
    x = field("day", "temporal", axis={"title": None, "format": "%Y-%m-%d", "tickCount": 6, "labelFlush": True})
    y = field("amount", axis=number_axis(titles[0]))
    colour = {"condition": {"test": "datum.amount < 0", "value": VERMILION}, "value": BLUE}
    top = chart(
        [
            layer(purchases, {"type": "rule", "strokeWidth": 2}, x=x, y=y, y2={"datum": 0}, color=colour),
            layer(purchases, {"type": "point", "filled": True, "size": 36, "opacity": 1}, x=x, y=y, color=colour),
            layer([{"day": as_of}], {"type": "rule", "strokeDash": [4, 3], "color": QUIET}, x=x),
            layer(
                [{"day": as_of, "told": titles[1]}],
                {"type": "text", "align": "right", "dx": -4, "baseline": "top", "color": QUIET},
                x=x,
                y={"value": 0},
                text=field("told", "nominal"),
            ),
        ],
        _WIDE,
        150,
    )
    if not marks:
        return top
    series = field(
        "series", "nominal", scale={"domain": list(names)}, axis={"title": None, "domain": False, "ticks": False}
    )
    kinds = {"domain": list(names), "range": [ORANGE, INK][: len(names)]}
    below = layer(
        marks,
        {"type": "tick", "thickness": 2, "size": 14},
        x=field("day", "temporal", axis=None),
        y=series,
        color=field("series", "nominal", scale=kinds, legend=None),
    )
    parts = [{name: value for name, value in top.items() if name not in ("$schema", "config")}]
    parts.append({"width": _WIDE, "height": {"step": 22}, **below})
    return {
        "$schema": top["$schema"],
        "config": top["config"],
        "vconcat": parts,
        "spacing": 6,
        "resolve": {"scale": {"x": "shared"}},
    }


def course(rows: Sequence[Row], title: str) -> Spec:
    """Draw the next purchase index of one customer at the dates of the published scores.

    Parameters
    ----------
    rows : sequence of mapping
        day (ISO date) and index.
    title : str
        Of the axis of the index.
    """
    x = field("day", "temporal", axis={"title": None, "format": "%Y-%m-%d", "tickCount": 4, "labelFlush": True})
    y = field("index", axis=number_axis(title), scale={"domain": [0, 100]})
    mark = {"type": "line", "color": BLUE, "strokeWidth": 2.2, "point": {"filled": True, "color": BLUE, "size": 46}}
    return chart([layer(rows, mark, x=x, y=y)], height=150)
