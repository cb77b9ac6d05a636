"""Change of the base's NPS, and the NPS of segments, beside what a survey alone says, on customers of known truth.

Each replicate simulates customers who are asked by one channel and then by another, and trains the category model on
both waves' answers as a release does. Between the waves nothing else changes (each alarm is false), or behaviour gets
worse, or answers do at equal behaviour. Segments are those of the second wave: elevenths by a feature, and an attribute
that the model does not know and that moves satisfaction. Figures are means over replicates, with Monte Carlo errors.

Run: python benchmarks/nps/change.py [--customers 10000] [--answer-rate 0.06] [--replicates 400]
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from data.simulation.answers import NPS_CUTS, point_probabilities
from data.simulation.behaviour import POINT_SHARES, response_probability, simulate_behaviour
from models.nps.model import train_nps_category
from models.nps.out_of_fold import POINTS
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats, Integers
from models.survey.change import nps_change
from models.survey.frame import NO_ANSWER, Survey
from models.survey.prepare import predict_survey
from models.survey.small_area import segment_nps

CHANNEL, BEHAVIOUR, ANSWERS = "only the channel", "channel and behaviour", "channel and answers"
SEGMENTS = 11
BY_FEATURE, BY_ATTRIBUTE = "by a feature", "by an unknown attribute"
SPLIT_FEATURE = "purchases_0"
# How much likelier a state of one standard deviation less satisfaction gets, as a log; what answers fall by, and by
# what the levels of the attribute differ, both in standard deviations of an answer's latent.
WORSE_BEHAVIOUR, WORSE_ANSWERS, ATTRIBUTE_EFFECT = 0.3, 0.2, 0.1


@dataclass(frozen=True)
class Wave:
    """Customers as they are at one time: (n,) each but the (n, 45) features and the (n, 3) true probabilities."""

    features: pd.DataFrame
    probabilities: Floats
    score: Integers
    answered: npt.NDArray[np.bool_]

    @property
    def category(self) -> Integers:
        """Category of those who answered."""
        return np.where(self.answered, np.searchsorted(NPS_CUTS, self.score, side="right"), NO_ANSWER)


def waves(seed: int, customers: int, answer_rate: float, r_squared: float, world: str) -> tuple[Wave, Wave, Integers]:
    """Simulate two waves and the attribute: customers in a state each, later in another where behaviour changes."""
    behaviour = simulate_behaviour(2 * customers, seed, r_squared)
    rng = np.random.default_rng([seed, 1])
    attribute = rng.choice(SEGMENTS, customers, p=np.arange(1, SEGMENTS + 1) / (SEGMENTS * (SEGMENTS + 1) / 2))
    moved = (ATTRIBUTE_EFFECT * rng.standard_normal(SEGMENTS))[attribute]
    then = now = np.arange(customers)
    if world == BEHAVIOUR:
        worse = np.exp(-WORSE_BEHAVIOUR * behaviour.satisfaction[customers:])
        now = customers + rng.choice(customers, customers, p=worse / worse.sum())
    pair = []
    for channel, state in enumerate((then, now)):
        shift = moved - (WORSE_ANSWERS if channel and world == ANSWERS else 0.0)
        latent = behaviour.satisfaction[state] + shift / np.sqrt(r_squared)
        points = point_probabilities(latent, r_squared, POINT_SHARES)
        chance = response_probability(behaviour, answer_rate, channel=channel)[state]
        pair.append(
            Wave(
                behaviour.features.iloc[state].reset_index(drop=True),
                np.add.reduceat(points, [0, *NPS_CUTS], axis=1),
                (rng.random(customers)[:, None] > np.cumsum(points, axis=1)[:, :-1]).sum(axis=1),
                rng.random(customers) < chance,
            )
        )
    return pair[0], pair[1], attribute


def surveys(before: Wave, now: Wave, seed: int) -> tuple[Survey, Survey]:
    """Predict both waves by one model, trained on the answers of both."""
    who = np.arange(len(before.score)).astype(str)
    names = [str(name) for name in before.features]
    asked = [wave.features[wave.answered] for wave in (before, now)]
    answers = [len(frame) for frame in asked]
    customer = np.concatenate([who[wave.answered] for wave in (before, now)])
    training = train_nps_category(
        pd.concat(asked, ignore_index=True),
        np.concatenate([wave.category[wave.answered] for wave in (before, now)]),
        customer,
        level=np.concatenate([wave.score[wave.answered] for wave in (before, now)]),
        seed=seed,
    )
    pair = []
    for wave, rows in ((before, np.arange(answers[0])), (now, answers[0] + np.arange(answers[1]))):
        people = wave.features.assign(customer_id=who, answered=wave.answered, category=wave.category)
        pair.append(predict_survey(people, people, names, training, customer, rows, seed))
    return pair[0], pair[1]


def replicate(
    seed: int, customers: int, answer_rate: float, r_squared: float, world: str
) -> tuple[dict[str, float], pd.DataFrame]:
    """One world: its change, and its segments in the second wave."""
    before, now, attribute = waves(seed, customers, answer_rate, r_squared, world)
    then, today = surveys(before, now, seed)
    estimate = nps_change(then, today)
    assert estimate.change is not None and estimate.low is not None and estimate.high is not None
    assert estimate.standard_error is not None and estimate.survey_difference is not None
    true = float(((now.probabilities - before.probabilities) @ POINTS).mean())
    noise = sum(survey.answers.var(ddof=1) / len(survey.answers) for survey in (then, today))
    change = {
        "true": true,
        "answers": (estimate.n_answers_before + estimate.n_answers_now) / 2,
        "error": estimate.change - true,
        "standard_error": estimate.standard_error,
        "alarm": float(not estimate.low <= 0 <= estimate.high),
        "covered": float(estimate.low <= true <= estimate.high),
        "survey": estimate.survey_difference - true,
        "survey_alarm": float(abs(estimate.survey_difference) > NORMAL_95 * np.sqrt(noise)),
    }
    ranks = now.features[SPLIT_FEATURE].rank(method="first").to_numpy(float)
    groups = {BY_FEATURE: (SEGMENTS * (ranks - 1) // len(ranks)).astype(int), BY_ATTRIBUTE: attribute}
    tables = []
    for kind, group in groups.items():
        table = segment_nps(today, group).assign(kind=kind, seed=seed)
        for name, p in (("truth", now.probabilities), ("predictions", today.base_probabilities)):
            table[name] = np.bincount(group, p @ POINTS, SEGMENTS) / np.bincount(group, minlength=SEGMENTS)
        tables.append(table)
    return change, pd.concat(tables)


def show_changes(console: Console, title: str, worlds: dict[str, pd.DataFrame]) -> None:
    """Print what the change says in each world, beside the difference of the surveys."""
    columns = ("what changes", "true", "bias", "sd", "mean SE", "alarms, %", "covered, %", "survey: bias", "alarms, %")
    table = Table(title=title, title_justify="left")
    for name in columns:
        table.add_column(name, justify="left" if name == columns[0] else "right", no_wrap=True)
    for world, rows in worlds.items():
        n = len(rows)
        share = {name: (100 * rows[name].mean(), 100 * rows[name].std() / np.sqrt(n)) for name in ("alarm", "covered")}
        table.add_row(
            world,
            f"{rows['true'].mean():+.1f}",
            f"{rows['error'].mean():+.2f} ± {rows['error'].std() / np.sqrt(n):.2f}",
            f"{rows['error'].std():.2f}",
            f"{rows['standard_error'].mean():.2f}",
            *(f"{mean:.1f} ± {error:.1f}" for mean, error in share.values()),
            f"{rows['survey'].mean():+.1f}",
            f"{100 * rows['survey_alarm'].mean():.1f}",
        )
    console.print(table)


def show_segments(console: Console, title: str, rows: pd.DataFrame) -> None:
    """Print the root mean squared error of each figure of a segment, and the intervals' coverage and width."""
    figures = {"nps": "as published", "direct": "direct", "synthetic": "synthetic"}
    figures |= {"predictions": "predictions", "survey": "survey"}
    table = Table(title=title, title_justify="left")
    for name in ("segments", *figures.values(), "covered, %", "width", "answers", "hidden, %"):
        table.add_column(name, justify="left" if name == "segments" else "right", no_wrap=True)
    for kind, of in rows.groupby("kind", sort=False):
        shown = of[of["hidden_because"].isna()]
        covered = shown["truth"].between(shown["low"], shown["high"]).groupby(shown["seed"]).mean()
        table.add_row(
            str(kind),
            *(f"{np.sqrt(((shown[name] - shown['truth']) ** 2).mean()):.1f}" for name in figures),
            f"{100 * covered.mean():.1f} ± {100 * covered.std() / np.sqrt(len(covered)):.1f}",
            f"{(shown['high'] - shown['low']).mean():.1f}",
            f"{shown['answers'].mean():.0f}",
            f"{100 * of['hidden_because'].notna().mean():.0f}",
        )
    console.print(table)


def main() -> None:
    """Simulate each world and print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=10_000)
    parser.add_argument("--answer-rate", type=float, default=0.06, help="share that answers, of each wave")
    parser.add_argument("--replicates", type=int, default=400, help="of each world")
    parser.add_argument("--r-squared", type=float, default=0.25, help="share of an answer that behaviour explains")
    parser.add_argument("--worlds", nargs="+", default=[CHANNEL, BEHAVIOUR, ANSWERS])
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes started below
    console = Console(width=130)
    changes, segments = dict[str, pd.DataFrame](), list[pd.DataFrame]()
    seeds = range(options.first_seed, options.first_seed + options.replicates)
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        for world in options.worlds:
            work = partial(
                replicate,
                customers=options.customers,
                answer_rate=options.answer_rate,
                r_squared=options.r_squared,
                world=world,
            )
            done = list(track(pool.map(work, seeds), world, options.replicates, console=console))
            changes[world] = pd.DataFrame([change for change, _ in done])
            if world == CHANNEL:
                segments = [table for _, table in done]
    answers = pd.concat(changes)["answers"].mean()
    asked = f"{options.customers:,} customers, {answers:.0f} answers a wave, {options.replicates} replicates"
    show_changes(console, f"Change between two waves: {asked}", changes)
    if segments:
        show_segments(console, f"Segments, root mean squared errors in points: {asked}", pd.concat(segments))


if __name__ == "__main__":
    main()
