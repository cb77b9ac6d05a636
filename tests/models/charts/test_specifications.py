"""The charts of the report: each is what Vega-Lite allows, and the picture holds its words and values."""

import re

import altair as alt
import pytest

from models.charts import by_group, customer, forecasts, nps
from models.charts.drawing import to_svg, to_svg_file
from models.charts.style import DETRACTORS, PASSIVES, PROMOTERS

CATEGORIES = ("detractors", "passives", "promoters")
INTERVALS = [
    {"label": "loyal", "value": 12.0, "low": 2.0, "high": 22.0},
    {"label": "lost", "value": -9.0, "low": -20.0, "high": 1.0},
]
DAYS = [{"day": f"2024-01-0{k}", "actual": 10.0 * k, "expected": 11.0 * k} for k in range(1, 6)]
MEANS = [{"group": str(k), "predicted": 0.5 * k, "realised": 0.4 * k} for k in range(1, 4)]
LEVELS = [{"label": "low", "start": -100.0, "end": 0.0}, {"label": "high", "start": 0.0, "end": 100.0}]
SHARES = [
    {"label": "base", "category": name, "order": k, "share": share, "told": f"{share:.0%}"}
    for k, (name, share) in enumerate(zip(CATEGORIES, (0.2, 0.3, 0.5), strict=True))
]
BINS = [
    {"category": k, "predicted": 0.1 * j, "realised": 0.1 * j, "low": 0.05 * j, "high": 0.15 * j}
    for k in range(3)
    for j in range(1, 4)
]
DRIVERS = [{"label": "returns", "lowers": -5.0, "lifts": 2.0, "lowers_error": 0.5, "lifts_error": 0.4}]
SPECIFICATIONS = {
    "gauge": nps.nps_gauge([{"label": "base", "nps": 3.0, "low": -2.0, "high": 8.0}], LEVELS, "the scale"),
    "shares": nps.category_shares(SHARES, CATEGORIES, "share"),
    "answers": nps.answer_counts([{"score": "9", "answers": 3, "category": "promoters"}], CATEGORIES, ("score", "n")),
    "reliability": nps.reliability(BINS, CATEGORIES, ("predicted", "realised")),
    "intervals": by_group.intervals_by_group(INTERVALS, "points", (-100, 100)),
    "change": by_group.parts_of_change([{"label": "answers", "points": -3.0, "is_whole": False}], "points"),
    "sensitivity": nps.sensitivity({-0.1: 4.0, 0.0: 1.0, 0.1: -2.0}, ("gamma", "NPS")),
    "drivers": by_group.drivers(DRIVERS, "points"),
    "tracking": forecasts.tracking(DAYS, ("came", "expected"), "purchases"),
    "calibration": forecasts.calibration(MEANS, ("came", "expected"), ("group", "mean")),
    "tenths": forecasts.shares_by_tenth([{"tenth": k, "share": 0.1} for k in range(1, 11)], ("tenth", "share")),
    "timeline": customer.timeline(
        [{"day": "2024-01-02", "amount": 20.0}, {"day": "2024-02-03", "amount": -5.0}],
        [{"day": "2024-01-05", "series": "answers"}],
        ["answers"],
        ("amount", "scored"),
        "2024-03-01",
    ),
    "course": customer.course([{"day": "2024-01-01", "index": 20.0}, {"day": "2024-02-01", "index": 30.0}], "index"),
    "season": forecasts.season([{"day": "2023-01-15", "index": 1.1, "low": 0.9, "high": 1.3}], "index"),
}


@pytest.mark.parametrize("name", SPECIFICATIONS)
def test_a_chart_is_valid_vega_lite(name):
    specification = SPECIFICATIONS[name]
    kinds = {"hconcat": alt.HConcatChart, "vconcat": alt.VConcatChart, "layer": alt.LayerChart}
    chart = next(kind for name, kind in kinds.items() if name in specification).from_dict(specification)
    assert chart.to_dict()["config"]["aria"] is False


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("gauge", ["base", "low", "high", "the scale", "−100", "+50"]),
        ("shares", ["detractors", "20%", "30%", "50%"]),
        ("intervals", ["loyal", "lost", "points"]),
        ("timeline", ["answers", "amount", "scored", "−5"]),
        ("tracking", ["came", "expected", "2024-01-02"]),
    ],
)
def test_a_picture_holds_its_words_and_stands_in_a_page(name, words):
    svg = to_svg(SPECIFICATIONS[name], name)
    texts = re.findall(r">([^<]+)</text>", svg)
    assert set(words) <= set(texts)
    assert svg.startswith('<svg class="chart" viewBox="')
    assert "style=" not in svg
    assert all(found.startswith(f"{name}-") for found in re.findall(r'\bid="([^"]+)"', svg))


def test_bars_of_categories_have_colours_that_everyone_tells_apart():
    svg = to_svg(SPECIFICATIONS["shares"], "shares")
    assert all(colour.lower() in svg.lower() for colour in (DETRACTORS, PASSIVES, PROMOTERS))


def test_a_picture_is_also_a_file_of_its_own():
    drawn = to_svg_file(SPECIFICATIONS["course"])
    assert drawn.startswith(b"<svg")
    assert b'xmlns="http://www.w3.org/2000/svg"' in drawn
