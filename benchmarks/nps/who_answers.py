"""The NPS of a base of which 3 % answer by what they do, or by a trait that behaviour shows in part only.

Each replicate simulates 60,000 customers (`who_answers_worlds`), trains the category on the answers as a release does,
and estimates what all would answer: as published with both intervals, and by the peers of `base`. *Beside true chances*
is the error less that of the same estimator with everyone's true chance to answer: what not knowing it costs, free of
the luck of who answered. In the tilted worlds answering depends on the answer itself, by a known gamma: the report's
line at that gamma is judged, and whether the truth lies between the lines of that gamma in both directions. With
`--customers 1000000` a world takes a minute.

Run: python -m benchmarks.nps.who_answers [--replicates 20] [--customers 60000] [--worlds visible ...]
"""

import argparse
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from benchmarks.nps.base import AIPW, IPW, PREDICTIONS, RAKING, SURVEY, estimates
from benchmarks.nps.who_answers_worlds import WORLDS, World, group_of, simulate
from models.nps.model import NpsTraining, train_nps_category
from models.survey.aipw import BaseNps, estimate_nps
from models.survey.frame import NO_ANSWER, Survey
from models.survey.prepare import predict_survey

LINES = ("-0.2", "-0.1", "+0.0", "+0.1", "+0.2")


def trained(world: World, seed: int) -> tuple[Survey, NpsTraining]:
    """Train the category on the answers and predict everyone, as a release does."""
    who, R = np.arange(len(world.answered)).astype(str), world.answered
    category = np.where(R, world.category, NO_ANSWER)
    training = train_nps_category(world.features[R], category[R], who[R], level=world.score[R], seed=seed)
    people = world.features.assign(customer_id=who, answered=R, category=category)
    names = [str(name) for name in world.features]
    survey = predict_survey(people, people, names, training, who[R], np.arange(R.sum()), seed)
    return replace(survey, feature_groups={name: group_of(name) for name in names}), training


def replicate(seed: int, kind: str, customers: int) -> pd.DataFrame:
    """Simulate one world: a row with its errors, widths and what took how long."""
    started = time.process_time()
    world = simulate(kind, customers, seed)
    simulated = time.process_time()
    survey, _ = trained(world, seed)
    predicted = time.process_time()
    figures = estimate_nps(survey).figures
    ended = time.process_time()
    with_chances = estimate_nps(replace(survey, propensity=world.chance)).figures
    row = {
        "seed": seed,
        "answers": figures.n_answers,
        "beside_true_chances": figures.nps - with_chances.nps,
        "half": (figures.high - figures.low) / 2,
        "wide_half": (figures.wide_high - figures.wide_low) / 2,
        "covered": figures.low <= world.nps <= figures.high,
        "wide_covered": figures.wide_low <= world.nps <= figures.wide_high,
        "unmeasured": figures.unmeasured,
        "unmeasured_gamma": figures.unmeasured_gamma,
        "slope": _slope(survey, world),
        "seconds": predicted - simulated + ended - predicted,
        "seconds_of_estimate": ended - predicted,
        "simulation": simulated - started,
        "memory": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    peers = estimates(survey).set_index("estimator")["nps"] - world.nps
    row |= {f"error {name}": error for name, error in peers.items()}
    row |= {f"line {gamma}": _at(figures, gamma) - world.nps for gamma in LINES}
    row["bracketed"], row["bracketed_without_margin"] = _bracketed(figures, world)
    if world.gamma:
        error = row[f"line {world.gamma:+.1f}"]
        row |= {"line": error, "line_beside_true_chances": error + world.nps - with_chances.nps}
        row["line_covered"] = abs(error) <= row["half"]
    return pd.DataFrame([row])


def _at(figures: BaseNps, gamma: str) -> float:
    return figures.nps if gamma == "+0.0" else figures.sensitivity[gamma]


def _bracketed(figures: BaseNps, world: World) -> tuple[bool, bool]:
    """Whether the truth lies between the lines of -gamma and +gamma: with the margin of the sample, and without."""
    half = (figures.high - figures.low) / 2
    gamma = max(abs(world.gamma), 0.1)
    lines = [figures.sensitivity[f"{sign}{gamma:.1f}"] for sign in "+-"]
    return min(lines) - half <= world.nps <= max(lines) + half, min(lines) <= world.nps <= max(lines)


def _slope(survey: Survey, world: World) -> float:
    """Slope of the true log odds of answering on the estimated ones: 1 if they are not shrunk."""
    true = np.log(world.chance / (1 - world.chance))
    return float(np.polyfit(survey.log_odds, true, 1)[0])


def summarise(rows: pd.DataFrame) -> dict[str, str]:
    """Give each figure as mean and Monte Carlo error."""
    figures = {}
    for name in (f"error {AIPW}", "beside_true_chances", *(f"error {n}" for n in (SURVEY, PREDICTIONS, IPW, RAKING))):
        figures[name] = mean(rows[name], "+.2f")
    for name in ("covered", "wide_covered"):
        figures[f"{name}, %"] = mean(100.0 * rows[name], ".0f")
    figures["width"], figures["wide width"] = f"{2 * rows['half'].mean():.1f}", f"{2 * rows['wide_half'].mean():.1f}"
    ratio = rows["wide_half"] / rows["half"]
    figures["wide / plain (largest)"] = f"{ratio.mean():.2f} ({ratio.max():.2f})"
    figures["unmeasured, points"] = mean(rows["unmeasured"], ".1f")
    figures["gamma of that"] = mean(rows["unmeasured_gamma"], ".3f")
    figures["slope of true log odds"] = mean(rows["slope"], ".2f")
    for gamma in LINES:
        figures[f"error of the line at {gamma}"] = mean(rows[f"line {gamma}"], "+.2f")
    if "line" in rows:
        figures["line at the true gamma beside true chances"] = mean(rows["line_beside_true_chances"], "+.2f")
        figures["the sample's margin about that line covers, %"] = mean(100.0 * rows["line_covered"], ".0f")
        figures["bracketed by both lines and the margin, %"] = mean(100.0 * rows["bracketed"], ".0f")
        figures["without the margin, %"] = mean(100.0 * rows["bracketed_without_margin"], ".0f")
    figures["seconds (estimate alone)"] = f"{rows['seconds'].mean():.1f} ({rows['seconds_of_estimate'].mean():.1f})"
    figures["peak memory, GB"] = f"{rows['memory'].max():.1f}"
    return figures


def mean(values: pd.Series, written: str) -> str:
    """Write a mean with its Monte Carlo error; of one world the value alone."""
    if len(values) < 2:
        return f"{values.mean():{written}}"
    error = values.std(ddof=1) / np.sqrt(len(values))
    return f"{values.mean():{written}} ± {error:{written.lstrip('+')}}"


def show(console: Console, title: str, figures: dict[str, str]) -> None:
    """Print the figures of one kind of world."""
    console.print(f"\n{title}", style="bold")
    table = Table("figure", "value")
    for name, value in figures.items():
        table.add_row(name, value)
    console.print(table)


def main() -> None:
    """Simulate and print a table per kind of world."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=60_000)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=list(WORLDS))
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes started below
    console = Console(width=110)
    seeds = range(options.first_seed, options.first_seed + options.replicates)
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        for kind in options.worlds:
            rows = pd.concat(pool.map(partial(replicate, kind=kind, customers=options.customers), seeds))
            title = f"{kind}, {options.customers:,} customers, {rows['answers'].mean():.0f} answers, {len(rows)} worlds"
            show(console, title, summarise(rows))


if __name__ == "__main__":
    main()
