"""Charts of one value for each group, a row each: intervals, parts of a change, and what lowers and lifts."""

from collections.abc import Sequence

from models.charts.style import BLUE, INK, QUIET, VERMILION, Row, Spec, chart, field, layer, signed_axis


def intervals_by_group(rows: Sequence[Row], title: str, domain: tuple[float, float] | None = None) -> Spec:
    """Draw a value with its interval for each group, in the order of the rows.

    Parameters
    ----------
    rows : sequence of mapping
        label, value, low, high.
    title : str
        Of the axis of values.
    domain : tuple of float, optional
        Ends of that axis; those of the intervals unless given.
    """
    names = [row["label"] for row in rows]
    y = field("label", "nominal", sort=names, axis={"title": None, "labelLimit": 170, "domain": False, "ticks": False})
    scale: Spec = {"zero": True} if domain is None else {"domain": list(domain), "nice": False}
    x = field("value", scale=scale, axis=signed_axis(title))
    return chart(
        [
            layer([{"zero": 0}], {"type": "rule", "color": QUIET, "strokeWidth": 1}, x=field("zero", scale=scale)),
            layer(
                rows,
                {"type": "rule", "strokeWidth": 4, "color": BLUE, "opacity": 0.5},
                y=y,
                x=field("low", scale=scale),
                x2={"field": "high"},
            ),
            layer(rows, {"type": "point", "filled": True, "size": 60, "color": INK, "opacity": 1}, y=y, x=x),
        ],
        300,
        {"step": 24},
    )


def parts_of_change(rows: Sequence[Row], title: str) -> Spec:
    """Draw the parts that a change is made of, and the change itself, as bars from zero.

    Parameters
    ----------
    rows : sequence of mapping
        label, points, and is_whole for the change itself.
    title : str
        Of the axis of points.
    """
    names = [row["label"] for row in rows]
    y = field("label", "nominal", sort=names, axis={"title": None, "labelLimit": 210, "domain": False, "ticks": False})
    colour = {
        "condition": [
            {"test": "datum.is_whole", "value": INK},
            {"test": "datum.points < 0", "value": VERMILION},
        ],
        "value": BLUE,
    }
    x = field("points", axis=signed_axis(title))
    return chart(
        [
            layer([{"zero": 0}], {"type": "rule", "color": QUIET}, x=field("zero")),
            layer(rows, {"type": "bar", "height": {"band": 0.6}}, y=y, x=x, color=colour),
        ],
        260,
        {"step": 28},
    )


def drivers(rows: Sequence[Row], title: str) -> Spec:
    """Draw how far each group lowers and lifts the NPS, with the 95 % intervals of both.

    Parameters
    ----------
    rows : sequence of mapping
        label, lowers, lifts, lowers_error, lifts_error.
    title : str
        Of the axis of points.
    """
    names = [row["label"] for row in rows]
    y = field("label", "nominal", sort=names, axis={"title": None, "labelLimit": 190, "domain": False, "ticks": False})
    bars = [
        {
            "label": row["label"],
            "points": row[side],
            "low": row[side] - row[f"{side}_error"],
            "high": row[side] + row[f"{side}_error"],
        }
        for row in rows
        for side in ("lowers", "lifts")
    ]
    colour = {"condition": {"test": "datum.points < 0", "value": VERMILION}, "value": BLUE}
    x = field("points", axis=signed_axis(title))
    return chart(
        [
            layer(bars, {"type": "bar", "height": {"band": 0.6}, "opacity": 0.85}, y=y, x=x, color=colour),
            layer(bars, {"type": "rule", "color": INK, "strokeWidth": 1.5}, y=y, x=field("low"), x2={"field": "high"}),
            layer([{"zero": 0}], {"type": "rule", "color": QUIET}, x=field("zero")),
        ],
        280,
        {"step": 24},
    )
