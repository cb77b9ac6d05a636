"""Charts of the NPS: its gauge, the shares of the categories, the answers, intervals by group, change, sensitivity."""

from collections.abc import Mapping, Sequence

from models.charts.style import (
    BLUE,
    DETRACTORS,
    INK,
    PASSIVES,
    PROMOTERS,
    QUIET,
    RULE,
    Row,
    Spec,
    beside,
    chart,
    field,
    layer,
    number_axis,
    signed_axis,
)

_WIDE = 300
_ROW = 34
CATEGORY_COLOURS = (DETRACTORS, PASSIVES, PROMOTERS)


def nps_gauge(rows: Sequence[Row], levels: Sequence[Row], title: str) -> Spec:
    """Draw estimates with their intervals on the scale from -100 to 100, over the usual readings of its levels.

    Parameters
    ----------
    rows : sequence of mapping
        label, nps, low and high; the last two None where there is no interval.
    levels : sequence of mapping
        label, start and end of each reading, in their order.
    title : str
        Of the scale.
    """
    scale = {"domain": [-100, 100], "nice": False}
    shades = ["#f1f3f5", "#e6eaee", "#dbe1e7", "#cfd7df", "#c3cdd7"]
    bands = [
        {**level, "middle": (level["start"] + level["end"]) / 2, "shade": shades[k]} for k, level in enumerate(levels)
    ]
    names = [row["label"] for row in rows]
    y = field("label", "nominal", sort=names, axis={"title": None, "labelLimit": 130, "domain": False, "ticks": False})
    x = field("start", scale=scale, axis=signed_axis(title, values=[-100, -50, 0, 20, 50, 80, 100]))
    height = _ROW * len(rows)
    return chart(
        [
            layer(
                bands,
                {"type": "rect", "stroke": "white"},
                x=x,
                x2={"field": "end"},
                color={"field": "shade", "type": "nominal", "scale": None},
            ),
            layer(
                rows,
                {"type": "rule", "strokeWidth": 5, "color": BLUE, "opacity": 0.55},
                y=y,
                x=field("low"),
                x2={"field": "high"},
            ),
            layer(
                rows, {"type": "point", "filled": True, "size": 110, "color": INK, "opacity": 1}, y=y, x=field("nps")
            ),
            # Names of neighbouring bands are longer than the bands: every second one stands higher.
            *(
                layer(
                    bands[start::2],
                    {"type": "text", "baseline": "bottom", "fontSize": 10, "color": QUIET},
                    x=field("middle"),
                    y={"value": above},
                    text={"field": "label"},
                )
                for start, above in ((0, -5), (1, -17))
            ),
        ],
        _WIDE,
        height,
    )


def category_shares(rows: Sequence[Row], categories: Sequence[str], title: str) -> Spec:
    """Draw the shares of detractors, passives and promoters as one bar for each row.

    Parameters
    ----------
    rows : sequence of mapping
        label, category (one of the names), order (0, 1, 2), share, and told (the share in words).
    categories : sequence of str
        Names of detractors, passives and promoters.
    title : str
        Of the axis of shares.
    """
    names = list(dict.fromkeys(row["label"] for row in rows))
    y = field("label", "nominal", sort=names, axis={"title": None, "labelLimit": 130, "domain": False, "ticks": False})
    colour = field("category", "nominal", scale={"domain": list(categories), "range": list(CATEGORY_COLOURS)})
    placed = []
    for name in names:
        start = 0.0
        for row in (row for row in rows if row["label"] == name):
            placed.append({**row, "start": start, "end": start + row["share"], "middle": start + row["share"] / 2})
            start += row["share"]
    x = field("start", scale={"domain": [0, 1]}, axis=number_axis(title, ".0%"))
    ink = {"condition": {"test": "datum.order == 1", "value": INK}, "value": "white"}
    return chart(
        [
            layer(
                placed,
                {"type": "bar", "stroke": "white", "strokeWidth": 2},
                y=y,
                x=x,
                x2={"field": "end"},
                color=colour,
            ),
            layer(
                placed, {"type": "text", "fontWeight": 600}, y=y, x=field("middle"), text={"field": "told"}, color=ink
            ),
        ],
        _WIDE,
        40 * len(names),
    )


def answer_counts(rows: Sequence[Row], categories: Sequence[str], titles: tuple[str, str]) -> Spec:
    """Draw how many answers each score got.

    Parameters
    ----------
    rows : sequence of mapping
        score, answers and category (one of the names).
    categories : sequence of str
        Names of detractors, passives and promoters.
    titles : tuple of str
        Of the axes of scores and of answers.
    """
    colour = field("category", "nominal", scale={"domain": list(categories), "range": list(CATEGORY_COLOURS)})
    x = field("score", "ordinal", sort=[row["score"] for row in rows], axis={"title": titles[0], "labelAngle": 0})
    return chart(
        [layer(rows, {"type": "bar"}, x=x, y=field("answers", axis=number_axis(titles[1], ",d")), color=colour)], _WIDE
    )


def reliability(rows: Sequence[Row], categories: Sequence[str], titles: tuple[str, str]) -> Spec:
    """Draw predicted beside realised shares of each category, with the 95 % interval of the realised one.

    Parameters
    ----------
    rows : sequence of mapping
        category (0, 1, 2), predicted, realised, low, high.
    categories : sequence of str
        Names of detractors, passives and promoters.
    titles : tuple of str
        Of the axes of predicted and of realised shares.
    """
    panels = []
    for k, name in enumerate(categories):
        own = [row for row in rows if row["category"] == k]
        top = min(1.0, 1.1 * max([0.1, *(row["high"] for row in own), *(row["predicted"] for row in own)]))
        scale = {"domain": [0, top], "nice": False}
        axis = number_axis(titles[0] if k == 1 else None, ".0%", tickCount=3)
        x = field("predicted", scale=scale, axis=axis)
        y_axis = number_axis(titles[1] if k == 0 else None, ".0%", tickCount=3)
        y = field("realised", scale=scale, axis=y_axis)
        ends = [{"predicted": 0, "realised": 0}, {"predicted": top, "realised": top}]
        panels.append(
            chart(
                [
                    layer(ends, {"type": "line", "strokeDash": [3, 3], "color": QUIET, "strokeWidth": 1}, x=x, y=y),
                    layer(own, {"type": "rule", "color": INK}, x=x, y=field("low"), y2={"field": "high"}),
                    layer(own, {"type": "point", "filled": True, "size": 45, "opacity": 1, "color": BLUE}, x=x, y=y),
                ],
                112,
                112,
                title={"text": name, "fontSize": 11, "fontWeight": 600, "color": INK},
            )
        )
    return beside(panels)


def sensitivity(by_gamma: Mapping[float, float], titles: tuple[str, str]) -> Spec:
    """Draw the NPS that the base would have if answering depended on satisfaction itself.

    Parameters
    ----------
    by_gamma : Mapping of float to float
        NPS by gamma, 0 among them.
    titles : tuple of str
        Of the axes of gamma and of the NPS.
    """
    rows = [{"gamma": gamma, "nps": nps} for gamma, nps in sorted(by_gamma.items())]
    x = field("gamma", axis=signed_axis(titles[0], values=[row["gamma"] for row in rows]))
    y = field("nps", axis=signed_axis(titles[1]), scale={"zero": False, "nice": True})
    return chart(
        [
            layer(
                rows, {"type": "line", "color": BLUE, "strokeWidth": 2, "point": {"color": INK, "size": 50}}, x=x, y=y
            ),
            layer([{"gamma": 0}], {"type": "rule", "color": RULE}, x=x),
        ],
        _WIDE,
        150,
    )
