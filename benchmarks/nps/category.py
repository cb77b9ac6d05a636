"""The NPS category beside the prior, a default LightGBM and each of its own candidates, on customers of known truth.

Everyone of a simulated base answers; the models learn from the answers and are judged on other customers, by the
log loss and the ranked probability score expected under the true probabilities, so that no luck of drawn answers blurs
the comparison. Differences are paired by seed.

Run: python benchmarks/nps/category.py [--seeds 20] [--sizes 500 2000 20000] [--r-squared .00 .08 .20 .40]
"""

import argparse
import multiprocessing
import os
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from itertools import product

import lightgbm
import numpy as np
import numpy.typing as npt
import pandas as pd

from data.simulation.answers import NPS_CUTS
from data.simulation.behaviour import simulate_behaviour
from models.nps.answers import Answers, ranked_levels
from models.nps.candidates import smoothed_shares
from models.nps.model import publishable
from models.nps.pool import blend
from models.scoring.boosted.trees import Trees
from models.scoring.nps import blended_probabilities
from models.stats.folds import customer_folds
from models.stats.typing import Floats

SIZES = (500, 2_000, 20_000)
R_SQUARED = (0.00, 0.08, 0.20, 0.40)
# The table with strong interactions: this share of what is explained at this R^2 is products and thresholds.
INTERACTIONS, R_SQUARED_OF_INTERACTIONS = 0.8, 0.20
JUDGED_ON = 20_000
# Customers to judge on share no random number with those learned from.
JUDGED_SEED = 1_000_000
SINGLE = ("proportional_odds", "ridit_trees", "cumulative_trees", "prior")
METHODS = {
    "prior": "shares of the answers (prior)",
    "default": "LightGBM multiclass, defaults",
    "proportional_odds": "ridge proportional odds alone",
    "ridit_trees": "ridit trees alone",
    "cumulative_trees": "cumulative trees alone",
    "blend": "blend, before the rule",
    "published": "published (blend, after the rule)",
    "truth": "the true probabilities",
}
CELL = ["interactions", "r_squared", "answers"]


@dataclass(frozen=True)
class Case:
    """One training: so many answers of a base where behaviour explains so much, by this seed."""

    interactions: float
    r_squared: float
    answers: int
    seed: int


def measure(case: Case) -> dict[str, float]:
    """Train once and judge everything.

    Returns
    -------
    dict
        The case; per method of `METHODS` ``log_loss_`` and ``rps_``; ``is_model``, 1.0 where the blend is published and
        0.0 where the prior is; processor seconds of the training in ``seconds``.
    """
    base = simulate_behaviour(case.answers, case.seed, case.r_squared, case.interactions)
    judged = simulate_behaviour(JUDGED_ON, JUDGED_SEED + case.seed, case.r_squared, case.interactions)
    scores = base.draw_scores(np.random.default_rng([case.seed, case.answers]))
    category = (scores >= NPS_CUTS[0]).astype(np.int64) + (scores >= NPS_CUTS[1])
    started = time.process_time()
    predicted, is_model = predict_by_all(base.features, category, scores, judged.features, case.seed)
    seconds = time.process_time() - started
    predicted["default"] = predict_by_default(base.features, category, judged.features)
    predicted["truth"] = judged.probabilities
    row = {name: float(getattr(case, name)) for name in (*CELL, "seed")}
    for method in METHODS:
        row[f"log_loss_{method}"] = expected_log_loss(judged.probabilities, predicted[method])
        row[f"rps_{method}"] = expected_rps(judged.probabilities, predicted[method])
    return row | {"is_model": float(is_model), "seconds": seconds}


def predict_by_all(
    features: pd.DataFrame,
    category: npt.NDArray[np.int64],
    scores: npt.NDArray[np.int64],
    others: pd.DataFrame,
    seed: int,
) -> tuple[dict[str, Floats], bool]:
    """Predict others by each candidate alone and by what `train_nps_category` publishes, all fitted once.

    Each answer is of a customer of its own. Also whether the blend was published.
    """
    X, Z = features.to_numpy(), others.to_numpy()
    who = np.arange(len(X)).astype(str)
    # In the order that training gives the rows, so that this is what it publishes, to the bit.
    order = np.lexsort((*X.T[::-1], scores, category, who))
    X, y, who = X[order], category[order], who[order]
    blended = blend(Answers(X, y, *ranked_levels(scores[order], y), customer_folds(who, seed), seed))
    chosen = publishable(blended, who)
    predicted: dict[str, Floats] = {}
    for candidate in blended.candidates:
        fitted = candidate.on_all()
        boosters = {name: Trees(text) for name, text in fitted.boosters.items()}
        predicted[candidate.name] = blended_probabilities([replace(fitted.member, weight=1.0)], boosters, Z)
    names = [candidate.name for candidate in blended.candidates]
    predicted["blend"] = pooled([predicted[name] for name in names], blended.weights)
    shares = np.tile(smoothed_shares(y), (len(Z), 1))
    predicted["published"] = pooled([predicted[name] for name in names], chosen.weights) if chosen else shares
    return predicted, chosen is not None


def pooled(predicted: list[Floats], weights: Floats) -> Floats:
    """Blend as the scorer does: the weighted sum in the order of the candidates, those of no weight left out."""
    blended = np.zeros_like(predicted[0])
    for one, weight in zip(predicted, weights, strict=True):
        if weight > 0:
            blended += weight * one
    return blended


def predict_by_default(features: pd.DataFrame, category: npt.NDArray[np.int64], others: pd.DataFrame) -> Floats:
    """Predict others by a multiclass LightGBM as it comes: 100 rounds of 31 leaves."""
    settings = {"objective": "multiclass", "num_class": 3, "num_threads": 1, "deterministic": True, "verbosity": -1}
    booster = lightgbm.train(settings, lightgbm.Dataset(features.to_numpy(), category))
    return np.asarray(booster.predict(others.to_numpy(), num_threads=1), dtype=float)


def expected_log_loss(truth: Floats, predicted: Floats) -> float:
    """Mean over rows of the log loss expected where categories come with the true probabilities, both (n, 3)."""
    return float(-np.mean(np.sum(truth * np.log(np.clip(predicted, 1e-15, 1.0)), axis=1)))


def expected_rps(truth: Floats, predicted: Floats) -> float:
    """Mean of the RPS expected likewise: (F - P)^2 + P (1 - P) at each cut, P truly and F predicted below it."""
    P, F = np.cumsum(truth, axis=1)[:, :2], np.cumsum(predicted, axis=1)[:, :2]
    return float(np.mean((F - P) ** 2 + P * (1.0 - P)))


def tables(rows: pd.DataFrame) -> Iterator[str]:
    """Give a table for each cell: means over seeds, standard errors in brackets."""
    for (interactions, r_squared, answers), cell in cells(rows):
        mixed = f", {100 * interactions:.0f} % of it products and thresholds" if interactions else ""
        text = f"R^2 {r_squared:.2f}{mixed}, {answers:,.0f} answers: "
        text += f"the blend is published in {100 * cell['is_model'].mean():.0f} % of {len(cell)} seeds; "
        text += f"{cell['seconds'].mean():.1f} s a training\n  {'':36s}{'log loss':>16s}{'RPS':>18s}"
        for method, words in METHODS.items():
            figures = [mean_and_error(cell[f"{measure}_{method}"]) for measure in ("log_loss", "rps")]
            text += f"\n  {words:36s}" + "  ".join(f"{mean:.4f} ({error:.4f})" for mean, error in figures)
        yield text + "\n"


def verdicts(rows: pd.DataFrame) -> Iterator[str]:
    """Say how the published model stands to what is asked of it, in the worst cell, and whether that is reached.

    Log losses, paired by seed: never worse than the prior by more than .002, within .005 of the candidate that is best
    in the cell on average, and at 500 answers and an R^2 of .20 better than a default LightGBM by .25; each within two
    standard errors.
    """
    to_prior, to_best, gains = [], [], []
    for (interactions, r_squared, answers), cell in cells(rows):
        published = cell["log_loss_published"]
        where = f"R^2 {r_squared:.2f}{' with interactions' if interactions else ''}, {answers:,.0f} answers"
        best = min(SINGLE, key=lambda name: cell[f"log_loss_{name}"].mean())
        to_prior.append((*mean_and_error(published - cell["log_loss_prior"]), where))
        to_best.append((*mean_and_error(published - cell[f"log_loss_{best}"]), f"{where}: {METHODS[best]}"))
        if (interactions, r_squared, answers) == (0.0, 0.20, 500.0):
            gains.append((*mean_and_error(cell["log_loss_default"] - published), where))
    for what, figures, bound in (
        ("worse than the prior", to_prior, 0.002),
        ("behind the best candidate", to_best, 0.005),
    ):
        mean, error, where = max(figures)
        verdict = "reached" if mean <= bound + 2.0 * error else "MISSED"
        yield f"At most {mean:+.4f} ({error:.4f}) {what} ({where}); asked: {bound}. {verdict}"
    for mean, error, where in gains:
        verdict = "reached" if mean >= 0.25 - 2.0 * error else "MISSED"
        yield f"Better than a default LightGBM by {mean:.3f} ({error:.3f}) ({where}); asked: 0.25. {verdict}"


def cells(rows: pd.DataFrame) -> Iterator[tuple[tuple[float, float, float], pd.DataFrame]]:
    """Give the rows of each cell with its share of interactions, R^2 and answers."""
    for key, cell in rows.groupby(CELL):
        interactions, r_squared, answers = np.array(key, dtype=float).tolist()
        yield (interactions, r_squared, answers), cell


def mean_and_error(values: "pd.Series[float]") -> tuple[float, float]:
    """Mean over seeds and its standard error, 0 where there is one seed."""
    return float(values.mean()), float(values.std() / np.sqrt(len(values))) if len(values) > 1 else 0.0


def cases(sizes: Iterable[int], r_squared: Iterable[float], seeds: int) -> list[Case]:
    """List the trainings, the longest first, so that the last ones to end are short."""
    bases = [(0.0, share) for share in r_squared] + [(INTERACTIONS, R_SQUARED_OF_INTERACTIONS)]
    return [
        Case(interactions, share, answers, seed)
        for answers, (interactions, share), seed in product(sorted(sizes, reverse=True), bases, range(1, seeds + 1))
    ]


def run(todo: list[Case], processes: int) -> pd.DataFrame:
    """Measure all cases in processes of one thread each, and say how far it is."""
    # Read by each process when it starts, before it loads the libraries of linear algebra.
    os.environ |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    rows, started = [], time.monotonic()
    with multiprocessing.get_context("spawn").Pool(processes) as pool:
        for row in pool.imap_unordered(measure, todo):
            rows.append(row)
            if len(rows) % 10 == 0 or len(rows) == len(todo):
                print(f"{len(rows)} of {len(todo)} trainings, {time.monotonic() - started:.0f} s", flush=True)
    return pd.DataFrame(rows).sort_values([*CELL, "seed"], ignore_index=True)


def main() -> None:
    """Print the tables and the verdicts."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20, help="trainings a cell (20)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of answers (500 2000 20000)")
    parser.add_argument("--r-squared", type=float, nargs="+", default=R_SQUARED, help="shares explained")
    parser.add_argument("--processes", type=int, default=2, help="each of one thread (2)")
    options = parser.parse_args()
    rows = run(cases(options.sizes, options.r_squared, options.seeds), options.processes)
    print("\nMeans over seeds (standard errors), judged on 20,000 other customers.\n", *tables(rows), sep="\n")
    print("Log loss of what is published, paired by seed:", *verdicts(rows), sep="\n")


if __name__ == "__main__":
    main()
