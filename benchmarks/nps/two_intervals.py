"""The two intervals of segments and of a change, where answering shares a half-hidden trait with the answer.

Customers are asked at two dates; parcels come later at the second. One model is trained on the answers of both dates,
as a release does, and each date has its own model of who answers. Answering depends on the trait at both dates, or at
the second only, so that the trait moves the change as well. Segments are fifths of the second date's customers: by
visits, which show the trait; by orders, which show less of it; and by age, which shows nothing of it.

Run: python -m benchmarks.nps.two_intervals [--replicates 20] [--customers 60000]
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.nps.change import Wave, surveys
from benchmarks.nps.who_answers import mean, show
from benchmarks.nps.who_answers_worlds import HALF_HIDDEN, VISIBLE, World, group_of, simulate_twice
from models.nps.out_of_fold import POINTS
from models.stats.typing import Floats, Integers
from models.survey.aipw import estimate_nps
from models.survey.change import nps_change
from models.survey.frame import Survey
from models.survey.small_area import segment_nps

BOTH, SECOND = "the trait acts at both dates", "the trait acts at the second date only"
ANSWERING = {BOTH: (HALF_HIDDEN, HALF_HIDDEN), SECOND: (VISIBLE, HALF_HIDDEN)}
SEGMENTS = {"visits": "events_ever_of_visit", "orders": "orders_ever", "age": "attribute_age"}
FIFTHS = 5


def replicate(seed: int, world: str, customers: int) -> pd.DataFrame:
    """Simulate customers at two dates: a row with the errors and widths of the change and of the segments."""
    worlds = simulate_twice(ANSWERING[world], customers, seed)
    before, now = (_grouped(survey) for survey in surveys(*(_wave(each) for each in worlds), seed))
    change = nps_change(before, now)
    assert change.change is not None and change.low is not None and change.high is not None
    assert change.wide_low is not None and change.wide_high is not None
    true = worlds[1].nps - worlds[0].nps
    row = {
        "answers": (change.n_answers_before + change.n_answers_now) / 2,
        "true": true,
        "error": change.change - true,
        "covered": change.low <= true <= change.high,
        "wide_covered": change.wide_low <= true <= change.wide_high,
        "width": change.high - change.low,
        "wide_width": change.wide_high - change.wide_low,
        "unmeasured": change.unmeasured,
    }
    for name, feature in SEGMENTS.items():
        row |= {f"{name} {figure}": value for figure, value in _segments(worlds[1], now, feature).items()}
    return pd.DataFrame([row])


def _wave(world: World) -> Wave:
    return Wave(world.features, world.probabilities, world.score, world.answered)


def _grouped(survey: Survey) -> Survey:
    return replace(survey, feature_groups={str(name): group_of(str(name)) for name in survey.features})


def _segments(world: World, survey: Survey, feature: str) -> dict[str, float]:
    """Means over the fifths by a feature: error, its size, shares covered by both intervals, and their widths."""
    ranks = world.features[feature].rank(method="first").to_numpy(float)
    group = (FIFTHS * (ranks - 1) // len(ranks)).astype(int)
    gamma = estimate_nps(survey).figures.unmeasured_gamma
    table = segment_nps(survey, group, gamma).assign(truth=_means(world.probabilities @ POINTS, group))
    table = table[table["hidden_because"].isna()]
    truth = table["truth"]
    return {
        "error": float((table["nps"] - truth).mean()),
        "rmse": float(np.sqrt(((table["nps"] - truth) ** 2).mean())),
        "covered": float(truth.between(table["low"], table["high"]).mean()),
        "wide_covered": float(truth.between(table["wide_low"], table["wide_high"]).mean()),
        "width": float((table["high"] - table["low"]).mean()),
        "wide_width": float((table["wide_high"] - table["wide_low"]).mean()),
        "answers": float(table["answers"].mean()),
    }


def _means(values: Floats, group: Integers) -> Floats:
    return np.asarray(np.bincount(group, values) / np.bincount(group))


def summarise(rows: pd.DataFrame) -> dict[str, str]:
    """Give each figure as mean and Monte Carlo error over worlds."""
    figures = {"true change": mean(rows["true"], "+.1f"), "unmeasured, points": mean(rows["unmeasured"], ".1f")}
    for of in ("", *(f"{name} " for name in SEGMENTS)):
        who = f"fifths by {of.strip()}" if of else "change"
        figures[f"{who}: bias"] = mean(rows[f"{of}error"], "+.2f")
        if of:
            figures[f"{who}: root mean square error"] = mean(rows[f"{of}rmse"], ".1f")
        for name, words in (("covered", "interval of the sample covers, %"), ("wide_covered", "wide covers, %")):
            figures[f"{who}: {words}"] = mean(100.0 * rows[f"{of}{name}"], ".0f")
        ratio = rows[f"{of}wide_width"] / rows[f"{of}width"]
        figures[f"{who}: widths, wide / plain (largest)"] = (
            f"{rows[f'{of}width'].mean():.1f}, {rows[f'{of}wide_width'].mean():.1f}, "
            f"{ratio.mean():.2f} ({ratio.max():.2f})"
        )
    return figures


def main() -> None:
    """Simulate and print a table per kind of world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=60_000)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes started below
    console = Console(width=110)
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        for world in ANSWERING:
            work = partial(replicate, world=world, customers=options.customers)
            rows = pd.concat(pool.map(work, range(options.replicates)))
            asked = f"{options.customers:,} customers, {rows['answers'].mean():.0f} answers a date"
            show(console, f"{world}: {asked}, {len(rows)} worlds", summarise(rows))


if __name__ == "__main__":
    main()
