"""Charts of forecasts: beside what came, by decile, as lift, over the year, and how concentrated value is."""

from collections.abc import Sequence

from models.charts.style import BLUE, INK, ORANGE, QUIET, SKY, Row, Spec, chart, field, layer, number_axis

_WIDE = 330


def tracking(rows: Sequence[Row], names: tuple[str, str], title: str) -> Spec:
    """Draw cumulative purchases day by day: what came as a line, what was expected as a dashed one.

    Parameters
    ----------
    rows : sequence of mapping
        day (ISO date), actual, expected.
    names : tuple of str
        Of what came and of what was expected.
    title : str
        Of the axis of purchases.
    """
    curves = [
        {"day": row["day"], "series": name, "purchases": row[column]}
        for column, name in zip(("actual", "expected"), names, strict=True)
        for row in rows
    ]
    domain = list(names)
    x = field("day", "temporal", axis={"title": None, "format": "%Y-%m-%d", "tickCount": 4, "labelFlush": True})
    y = field("purchases", axis=number_axis(title, ",d"))
    colour = field("series", "nominal", scale={"domain": domain, "range": [INK, BLUE]})
    dash = field("series", "nominal", scale={"domain": domain, "range": [[1, 0], [6, 4]]})
    return chart([layer(curves, {"type": "line", "strokeWidth": 2.2}, x=x, y=y, color=colour, strokeDash=dash)], _WIDE)


def calibration(rows: Sequence[Row], names: tuple[str, str], titles: tuple[str, str]) -> Spec:
    """Draw predicted and realised means of groups of customers, the lowest predictions first.

    Parameters
    ----------
    rows : sequence of mapping
        group (text), predicted, realised.
    names : tuple of str
        Of realised and of predicted means.
    titles : tuple of str
        Of the axes of groups and of means.
    """
    order = [row["group"] for row in rows]
    both = [
        {"group": row["group"], "series": name, "mean": row[column]}
        for column, name in zip(("realised", "predicted"), names, strict=True)
        for row in rows
    ]
    x = field("group", "ordinal", sort=order, axis={"title": titles[0], "labelAngle": 0})
    y = field("mean", axis=number_axis(titles[1]))
    domain = list(names)
    colour = field("series", "nominal", scale={"domain": domain, "range": [INK, BLUE]})
    shape = field("series", "nominal", scale={"domain": domain, "range": ["circle", "diamond"]})
    return chart(
        [
            layer(
                rows,
                {"type": "rule", "color": QUIET, "strokeWidth": 1},
                x=x,
                y=field("predicted"),
                y2={"field": "realised"},
            ),
            layer(
                both, {"type": "point", "filled": True, "size": 70, "opacity": 1}, x=x, y=y, color=colour, shape=shape
            ),
        ],
        _WIDE,
    )


def shares_by_tenth(rows: Sequence[Row], titles: tuple[str, str]) -> Spec:
    """Draw the share of a total that each tenth of the customers brings, the best first; a line where all are equal.

    Parameters
    ----------
    rows : sequence of mapping
        tenth (from 1) and share.
    titles : tuple of str
        Of the axes of tenths and of shares.
    """
    x = field("tenth", "ordinal", axis={"title": titles[0], "labelAngle": 0})
    y = field("share", axis=number_axis(titles[1], ".0%"))
    return chart(
        [
            layer(rows, {"type": "bar", "color": BLUE}, x=x, y=y),
            layer([{"share": 0.1}], {"type": "rule", "strokeDash": [4, 3], "color": ORANGE, "strokeWidth": 2}, y=y),
        ],
        _WIDE,
        170,
    )


def season(rows: Sequence[Row], title: str) -> Spec:
    """Draw the index of the season over the calendar year, mean 1, with its 95 % band.

    Parameters
    ----------
    rows : sequence of mapping
        day (ISO date in a year), index, low, high.
    title : str
        Of the axis of the index.
    """
    x = field("day", "temporal", axis={"title": None, "format": "%m", "tickCount": 12})
    y = field("index", axis=number_axis(title), scale={"zero": True})
    return chart(
        [
            layer(rows, {"type": "area", "color": SKY, "opacity": 0.35}, x=x, y=field("low"), y2={"field": "high"}),
            layer(rows, {"type": "line", "color": BLUE, "strokeWidth": 2}, x=x, y=y),
            layer([{"index": 1}], {"type": "rule", "color": QUIET, "strokeDash": [4, 3]}, y=y),
        ],
        _WIDE,
        170,
    )
