"""The NPS of the base on simulated customers whose answering depends on behaviour, beside what is easier to compute.

Each replicate simulates customers, who answers and what; trains the category model on the answers as a release does;
and estimates what all would answer. The truth is the mean of the customers' true probabilities. Every estimator's bias,
coverage and width is a mean over replicates, with its Monte Carlo error.

Run: python benchmarks/nps/base.py [--customers 20000 200000] [--answer-rate 0.04 0.03] [--replicates 400 40]
"""

import argparse
import multiprocessing
import os
import time
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from data.simulation.answers import NPS_CUTS
from data.simulation.behaviour import response_probability, simulate_behaviour
from models.nps.model import train_nps_category
from models.nps.out_of_fold import POINTS
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats
from models.survey.aipw import estimate_nps
from models.survey.frame import NO_ANSWER, Survey, clipped_weights
from models.survey.prepare import predict_survey

SURVEY, PREDICTIONS, IPW, RAKING, AIPW = (
    "mean of the survey",
    "mean of predictions",
    "inverse propensity",
    "raking",
    "as published",
)
RAKED_FEATURES, RAKED_GROUPS, RAKING_ROUNDS = 8, 5, 30
RESAMPLES = 1000


def replicate(seed: int, customers: int, answer_rate: float, r_squared: float, interactions: float) -> pd.DataFrame:
    """One simulated survey: a row per estimator with its error, half the width of its interval, and the answers."""
    started = time.process_time()
    behaviour = simulate_behaviour(customers, seed, r_squared, interactions)
    rng = np.random.default_rng([seed, 1])
    answered = rng.random(customers) < response_probability(behaviour, answer_rate)
    score = behaviour.draw_scores(rng)
    category = np.where(answered, np.searchsorted(NPS_CUTS, score, side="right"), NO_ANSWER)
    who = np.arange(customers).astype(str)
    people = behaviour.features.assign(customer_id=who, answered=answered, category=category)
    training = train_nps_category(
        behaviour.features[answered], category[answered], who[answered], level=score[answered], seed=seed
    )
    rows = np.arange(answered.sum())
    names = [str(name) for name in behaviour.features]
    survey = predict_survey(people, people, names, training, who[answered], rows, seed)
    table = estimates(survey)
    table["error"] = table["nps"] - float((behaviour.probabilities @ POINTS).mean())
    return table.assign(seed=seed, answers=len(rows), seconds=time.process_time() - started)


def estimates(survey: Survey) -> pd.DataFrame:
    """Estimate and half width of the 95 % interval of each estimator."""
    t = survey.answers
    m = survey.base_probabilities @ POINTS
    ours = estimate_nps(survey)
    raked = rake(survey, list(ours.balance.index))
    figures = {
        SURVEY: (t.mean(), NORMAL_95 * t.std(ddof=1) / np.sqrt(len(t))),
        PREDICTIONS: (m.mean(), NORMAL_95 * m.std(ddof=1) / np.sqrt(len(m))),
        IPW: weighted_mean(t, clipped_weights(1.0 / survey.propensity[survey.answered])),
        RAKING: weighted_mean(t, raked),
        AIPW: (ours.figures.nps, (ours.figures.high - ours.figures.low) / 2),
    }
    table = pd.DataFrame(figures, index=["nps", "half"]).T.rename_axis("estimator").reset_index()
    return table.assign(n_eff=ours.figures.n_eff)


def weighted_mean(t: Floats, w: Floats) -> tuple[float, float]:
    """Hajek mean and half its interval, linearised."""
    h = w / w.sum()
    mean = float(h @ t)
    return mean, NORMAL_95 * float(np.sqrt(np.sum((h * (t - mean)) ** 2)))


def rake(survey: Survey, by_imbalance: list[str]) -> Floats:
    """Weights of the answers that give the most unbalanced features the base's margins (Deming & Stephan 1940)."""
    names = [name for name in by_imbalance if name in survey.base_features][:RAKED_FEATURES]
    groups = []
    for name in names:
        everyone = survey.base_features[name].to_numpy(float)
        edges = np.unique(np.nanquantile(everyone, np.arange(1, RAKED_GROUPS) / RAKED_GROUPS))
        missing = len(edges) + 1
        of_all = np.where(np.isnan(everyone), missing, np.searchsorted(edges, everyone, side="right"))
        groups.append((of_all[survey.answered], np.bincount(of_all, minlength=missing + 1) / len(of_all)))
    w = np.ones(len(survey.answers))
    for _ in range(RAKING_ROUNDS):
        for group, share in groups:
            here = np.bincount(group, w, len(share)) / w.sum()
            w *= np.divide(share, here, out=np.ones_like(share), where=here > 0)[group]
    return w


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Bias, coverage, width and width over the one that 95 % coverage needs, each with its Monte Carlo error."""
    rng, figures = np.random.default_rng(0), dict[str, dict[str, float]]()
    for name, of in rows.groupby("estimator", sort=False):
        error, half = of["error"].to_numpy(), of["half"].to_numpy()
        n, covered = len(error), (np.abs(error) <= half).mean()
        needed = np.quantile(np.abs(error), 0.95)
        drawn = rng.integers(0, n, (RESAMPLES, n))
        ratios = half[drawn].mean(axis=1) / np.quantile(np.abs(error)[drawn], 0.95, axis=1)
        figures[str(name)] = {
            "bias": error.mean(),
            "bias_mc": error.std(ddof=1) / np.sqrt(n),
            "rmse": np.sqrt(np.mean(error**2)),
            "coverage": 100 * covered,
            "coverage_mc": 100 * np.sqrt(covered * (1 - covered) / n),
            "width": 2 * half.mean(),
            "needed": 2 * needed,
            "ratio": half.mean() / needed,
            "ratio_mc": ratios.std(),
        }
    return pd.DataFrame(figures).T


def show(console: Console, title: str, figures: pd.DataFrame) -> None:
    """Print the table."""
    console.print(f"\n{title}", style="bold")
    table = Table()
    for name in ("estimator", "bias", "RMSE", "coverage, %", "width", "needed", "width / needed"):
        table.add_column(name, justify="left" if name == "estimator" else "right", no_wrap=True)
    for estimator, row in figures.iterrows():
        table.add_row(
            str(estimator),
            f"{row['bias']:+.2f} ± {row['bias_mc']:.2f}",
            f"{row['rmse']:.2f}",
            f"{row['coverage']:.1f} ± {row['coverage_mc']:.1f}",
            f"{row['width']:.1f}",
            f"{row['needed']:.1f}",
            f"{row['ratio']:.2f} ± {row['ratio_mc']:.2f}",
        )
    console.print(table)


def main() -> None:
    """Simulate and print one table per number of customers."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, nargs="+", default=[20_000, 200_000], help="sizes of the base")
    parser.add_argument("--answer-rate", type=float, nargs="+", default=[0.04, 0.03], help="share that answers")
    parser.add_argument("--replicates", type=int, nargs="+", default=[400, 40], help="simulated surveys of each size")
    parser.add_argument("--r-squared", type=float, default=0.25, help="share of an answer that behaviour explains")
    parser.add_argument("--interactions", type=float, default=0.0, help="share of that in products and thresholds")
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes started below
    console = Console(width=110)
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        for customers, rate, replicates in zip(options.customers, options.answer_rate, options.replicates, strict=True):
            work = partial(
                replicate,
                customers=customers,
                answer_rate=rate,
                r_squared=options.r_squared,
                interactions=options.interactions,
            )
            seeds = range(options.first_seed, options.first_seed + replicates)
            frames = []
            for done, frame in enumerate(pool.map(work, seeds), start=1):
                frames.append(frame)
                if done % max(1, replicates // 10) == 0:
                    console.print(f"{customers:,} customers: {done} of {replicates} replicates", style="dim")
            rows = pd.concat(frames)
            ours = rows[rows["estimator"] == AIPW]
            answers = f"{ours['answers'].mean():.0f} answers ({ours['n_eff'].mean():.0f} effective)"
            cost = f"{replicates} replicates of {ours['seconds'].mean():.1f} processor seconds"
            show(console, f"{customers:,} customers, {answers}, {cost}", summarise(rows))


if __name__ == "__main__":
    main()
