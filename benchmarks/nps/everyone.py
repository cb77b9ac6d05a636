"""What is said of each customer, judged on everyone, not only on those who answered: level, categories, list.

The worlds are those of `who_answers`, where answering is explained by what the tables show. Judged are the calibration
error of the probabilities as trained and with the level of the base, the shares of the categories beside those of the
median class, and of how many on the list of likely detractors the answer would be a detractor's, beside the same number
of those likeliest by p_detractor, and of those with the largest clv x p_detractor, as the list once was. The shares are
judged beside what chance makes of so many answers: their standard error, the error of the same estimate with everyone's
true chance to answer, with everyone's true probabilities too, and, with `--customers 240000`, that of four times the
answers.

Run: python -m benchmarks.nps.everyone [--replicates 20] [--customers 60000]
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from types import SimpleNamespace

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.nps.who_answers import mean, show, trained
from benchmarks.nps.who_answers_worlds import VISIBLE, World, simulate
from data.simulation.behaviour import Floats
from models.actions.lists import LONGEST_LIST, action_lists
from models.population.category_level import levelled
from models.scoring.columns import CATEGORIES
from models.scoring.members import CategoryParameters
from models.scoring.nps import categories, category_probabilities, median_category
from models.scoring.scorer import parse_trees
from models.stats.metrics import expected_calibration_error
from models.survey.aipw import level_shares
from models.survey.frame import Survey

# Of fewer the few answers leave a category of some worlds without a share.
FEWEST_CUSTOMERS = 8_000


def replicate(seed: int, customers: int) -> pd.DataFrame:
    """Simulate one world: a row of what is said of everyone, beside the truth."""
    world = simulate(VISIBLE, customers, seed)
    survey, training = trained(world, seed)
    nps, boosters = training.model.parameters, parse_trees(training.model.boosters)
    published = levelled(nps, boosters, [world.features], level_shares(survey))
    before, p = (category_probabilities(each, boosters, world.features) for each in (nps, published))
    named, truth = categories(published, p), world.probabilities.mean(axis=0)
    shares = np.array([np.mean(named == name) for name in CATEGORIES])
    median = np.bincount(median_category(before), minlength=3) / customers
    errors = 100.0 * np.abs(shares - truth)
    with_chances = level_shares(replace(survey, propensity=world.chance))
    row = {
        "answers": len(survey.answers),
        "ece_trained": expected_calibration_error(world.category, before),
        "ece": expected_calibration_error(world.category, p),
        "share_error": errors.max(),
        "share_error_trained": 100.0 * np.abs(before.mean(axis=0) - truth).max(),
        "share_error_true_chances": 100.0 * np.abs(with_chances - truth).max(),
        "share_error_all_known": 100.0 * np.abs(_with_all_known(world) - truth).max(),
        "standard_errors": (errors / _standard_errors(survey)).max(),
        "standard_error": _standard_errors(survey).max(),
        "share_error_median": 100.0 * np.abs(median - truth).max(),
        "detractors": 100.0 * shares[0],
        "detractors_median": 100.0 * median[0],
        "true_detractors": 100.0 * truth[0],
    }
    return pd.DataFrame([row | _precision(world, published, p, named)])


def _standard_errors(survey: Survey) -> Floats:
    """Give the standard error of each category's share, (3,), points: what drawing the answers alone makes."""
    h = survey.weights / survey.weights.sum()
    residual = (survey.category[survey.answered][:, None] == np.arange(3)) - survey.probabilities[survey.answered]
    return np.asarray(100.0 * np.sqrt((h**2) @ (residual - h @ residual) ** 2))


def _with_all_known(world: World) -> Floats:
    """Give the shares by everyone's true probabilities, corrected by who answered what, weighted by true chances.

    The estimator that knows all that behaviour could tell: what is left is the luck of who answered, and what.
    """
    R, h = world.answered, world.answered / world.chance
    missed = (world.category[R][:, None] == np.arange(3)) - world.probabilities[R]
    return np.asarray(world.probabilities.mean(axis=0) + h[R] @ missed / h.sum())


def _precision(world: World, nps: CategoryParameters, p: Floats, named: np.ndarray) -> dict[str, float]:
    """Share of detractors on the list and among as many others, and how many on the list it contradicts."""
    features, n = world.features, len(p)
    clv = (features["net_value_ever"] / np.sqrt(features["T"] + 30.0)).to_numpy()
    scores = pd.DataFrame(
        {
            "customer_id": np.arange(n).astype(str),
            "segment": "all",
            "frequency": features["frequency"],
            "clv": clv,
            "p_alive": 1.0,
            "p_churn": 0.5,
            "p_purchase": 0.5,
            "expected_revenue": 1.0,
            "p_detractor": p[:, 0],
            "p_promoter": p[:, 2],
            "nps_category": named,
        }
    )
    described = features[["days_since_last_purchase", "days_between_purchases"]].assign(
        total_value=features["net_value_ever"]
    )
    parameters = SimpleNamespace(nps=nps, currency=None, churn_horizon=365, horizon=90)
    release = SimpleNamespace(parameters=parameters, scorer=SimpleNamespace(has_forecast=True))
    listed = action_lists(scores, described, release)[0].customers.index.to_numpy()
    is_detractor = world.category == 0
    likely = p[:, 0] > p[:, 0].mean()
    worthy = clv >= np.quantile(clv, 0.8)
    at_stake = np.where(likely & worthy, clv * p[:, 0], 0.0)
    first = {"likeliest": p[:, 0], "at_stake": at_stake, "likeliest_worthy": np.where(worthy, p[:, 0], 0.0)}
    figures = {f"precision_{name}": _share(is_detractor, np.argsort(-by)[:LONGEST_LIST]) for name, by in first.items()}
    contradicted = (p[listed, 2] > p[listed, 0]) | (named[listed] != "detractor")
    return figures | {
        "listed": float(len(listed)),
        "precision": _share(is_detractor, listed),
        "contradicted": float(contradicted.sum()),
    }


def _share(flags: np.ndarray, rows: np.ndarray) -> float:
    return float(flags[rows].mean()) if len(rows) else np.nan


def summarise(rows: pd.DataFrame) -> dict[str, str]:
    """Give each figure as mean and Monte Carlo error."""
    return {
        "calibration error on everyone, as trained": mean(rows["ece_trained"], ".4f"),
        "with the level of the base": f"{mean(rows['ece'], '.4f')}; largest {rows['ece'].max():.4f}",
        "share of detractors, %: truth": mean(rows["true_detractors"], ".1f"),
        "by cut points": mean(rows["detractors"], ".1f"),
        "by the median class": mean(rows["detractors_median"], ".1f"),
        "largest error of a category's share, points": (
            f"{mean(rows['share_error'], '.1f')}; largest {rows['share_error'].max():.1f}"
        ),
        "in standard errors of what so many answers tell": (
            f"{mean(rows['standard_errors'], '.1f')}; largest {rows['standard_errors'].max():.1f}; "
            f"a standard error is {rows['standard_error'].mean():.1f} points"
        ),
        "worlds within 3 points": f"{(rows['share_error'] <= 3.0).sum()} of {len(rows)}",
        "the same with everyone's true chance to answer": (
            f"{mean(rows['share_error_true_chances'], '.1f')}; largest {rows['share_error_true_chances'].max():.1f}"
        ),
        "with everyone's true probabilities too": (
            f"{mean(rows['share_error_all_known'], '.1f')}; largest {rows['share_error_all_known'].max():.1f}; within "
            f"3 points in {(rows['share_error_all_known'] <= 3.0).sum()} worlds"
        ),
        "of the probabilities as trained": (
            f"{mean(rows['share_error_trained'], '.1f')}; largest {rows['share_error_trained'].max():.1f}"
        ),
        "that of the median class": mean(rows["share_error_median"], ".1f"),
        "customers on the list of likely detractors": f"{rows['listed'].mean():,.0f}",
        "detractors among them": mean(rows["precision"], ".3f"),
        "among as many likeliest by p_detractor": mean(rows["precision_likeliest"], ".3f"),
        "among as many likeliest of the worthy": mean(rows["precision_likeliest_worthy"], ".3f"),
        "among as many by clv x p_detractor": mean(rows["precision_at_stake"], ".3f"),
        "contradicted on the list": f"{rows['contradicted'].max():.0f}",
    }


def main() -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=60_000)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    if options.customers < FEWEST_CUSTOMERS:
        parser.error(f"the shares of all categories can be estimated from {FEWEST_CUSTOMERS:,} customers on: take more")
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes started below
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        rows = pd.concat(pool.map(partial(replicate, customers=options.customers), range(options.replicates)))
    title = f"{options.customers:,} customers, {rows['answers'].mean():.0f} answers, {len(rows)} worlds"
    show(Console(width=110), title, summarise(rows))


if __name__ == "__main__":
    main()
