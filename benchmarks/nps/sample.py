"""The interval of an NPS from a designed sample beside one from a simple random sample of equal size.

Each replicate simulates customers whose answering depends on behaviour. Others like them were asked before, all alike:
their answers train the category model and tell who answers. With these the sample for a margin is designed and drawn,
and as many customers are drawn simply at random. Both answer, the category model learns from them too, and both are
estimated alike, by known inclusion probabilities: the NPS as it is published, and the classical weighted mean of the
answers. A customer drawn by both answers both or neither, and the same. The truth is the mean of the customers' true
probabilities; figures are means over replicates, with their Monte Carlo errors.

Run: python benchmarks/nps/sample.py [--customers 20000] [--margin 8] [--replicates 200] [--strength 1 2]
"""

import argparse
import multiprocessing
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial

import numpy as np
import pandas as pd
from rich.console import Console
from rich.progress import track
from rich.table import Table

from data.simulation.answers import NPS_CUTS
from data.simulation.behaviour import response_probability, simulate_behaviour
from models.nps.model import predict_nps_category, train_nps_category
from models.nps.out_of_fold import POINTS
from models.stats.normal import NORMAL_95
from models.stats.typing import Floats
from models.survey.aipw import estimate_nps
from models.survey.design import EVERYONE, design_sample, draw
from models.survey.frame import NO_ANSWER
from models.survey.prepare import predict_survey
from models.survey.probability_samples import join_samples
from models.survey.response.propensity import fit_response
from models.survey.response.weight_noise import ResponseNoise
from models.survey.response_rates import least_response

RANDOM, DESIGNED = "simply at random", "designed"
PUBLISHED, WEIGHTED, PLAIN = "as published", "weighted mean", "mean of the survey"


def replicate(
    seed: int, customers: int, asked_before: int, margin: float, answer_rate: float, r_squared: float, strength: float
) -> pd.DataFrame:
    """One world: a row per way to draw and estimator."""
    world = simulate_behaviour(customers + asked_before, seed, r_squared)
    rng = np.random.default_rng([seed, 1])
    answers = rng.random(customers + asked_before) < response_probability(world, answer_rate, strength)
    score = world.draw_scores(rng)
    people = world.features.assign(
        customer_id=np.char.zfill(np.arange(customers + asked_before).astype(str), 9),
        answered=answers,
        category=np.where(answers, np.searchsorted(NPS_CUTS, score, side="right"), NO_ANSWER),
        score=score,
    )
    names = [str(name) for name in world.features]
    base, before = people.iloc[:customers].copy(), people.iloc[customers:]
    truth = float((world.probabilities[:customers] @ POINTS).mean())

    earlier = before[before["answered"]]
    training = train_nps_category(
        earlier[names], earlier["category"], earlier["customer_id"], level=earlier["score"], seed=seed
    )
    p = predict_nps_category(training.model, base)
    points = p @ POINTS
    response = fit_response(before[names], before["answered"], before["customer_id"], seed).predict(base)
    described = pd.DataFrame(
        {
            "customer_id": base["customer_id"],
            "segment": EVERYONE,
            "points": points,
            "variance": p @ POINTS**2 - points**2 + (training.model.noise or 0.0) ** 2,
            "response": np.maximum(response, least_response(response)),
            "eligible": True,
        }
    )
    design = design_sample(described, margin, ResponseNoise.of(base[names]))
    drawn = draw(design, seed)
    at_random = np.sort(rng.choice(customers, len(drawn), replace=False))
    samples = {
        RANDOM: base.iloc[at_random].assign(inclusion_probability=len(drawn) / customers),
        DESIGNED: base.merge(drawn[["customer_id", "inclusion_probability"]], on="customer_id"),
    }
    of_samples = [estimates(sample, base, earlier, names, seed).assign(draw=name) for name, sample in samples.items()]
    rows = pd.concat(of_samples, ignore_index=True)
    rows["error"] = rows["nps"] - truth
    return rows.assign(seed=seed, invitations=len(drawn), planned=design.margin)


def estimates(
    asked: pd.DataFrame, base: pd.DataFrame, earlier: pd.DataFrame, names: list[str], seed: int
) -> pd.DataFrame:
    """Estimate and half width of the 95 % interval of each estimator, from one sample and earlier answers."""
    asked = asked.reset_index(drop=True).assign(drawn_on=pd.Timestamp("2024-01-01"))
    new = asked[asked["answered"]]
    learned = pd.concat([new, earlier], ignore_index=True)
    who = learned["customer_id"].to_numpy(str)
    training = train_nps_category(learned[names], learned["category"], who, level=learned["score"], seed=seed)
    survey = predict_survey(asked, base, names, training, who, np.arange(len(new)), seed)
    # One list that drew from everyone, and nobody asked otherwise.
    ones = np.ones(len(asked))
    survey = join_samples(survey, ones.astype(bool), ones, 1.0 / asked[["inclusion_probability"]].to_numpy().T)
    published = estimate_nps(survey).figures
    t, h = survey.answers, survey.weights / survey.weights.sum()
    mean = float(h @ t)
    figures = {
        PUBLISHED: (published.nps, (published.high - published.low) / 2),
        WEIGHTED: (mean, NORMAL_95 * float(np.sqrt(np.sum((h * (t - mean)) ** 2)))),
        PLAIN: (t.mean(), NORMAL_95 * t.std(ddof=1) / np.sqrt(len(t))),
    }
    table = pd.DataFrame(figures, index=["nps", "half"]).T.rename_axis("estimator").reset_index()
    return table.assign(answers=len(t), n_eff=published.n_eff)


def summarise(rows: pd.DataFrame) -> pd.DataFrame:
    """Bias, error, coverage and half width of each draw and estimator, each with its Monte Carlo error.

    `ratio` is the half width over the one of a simple random sample by the same estimator.
    """
    figures = []
    halves = rows.pivot_table(index="seed", columns=["estimator", "draw"], values="half")
    for (estimator, name), of in rows.groupby(["estimator", "draw"], sort=False):
        error, n = of["error"].to_numpy(), len(of)
        covered = np.abs(error) <= of["half"].to_numpy()
        ratio, ratio_mc = ratio_of_means(halves[estimator, name].to_numpy(), halves[estimator, RANDOM].to_numpy())
        figures.append(
            {
                "estimator": estimator,
                "draw": name,
                "bias": error.mean(),
                "bias_mc": error.std(ddof=1) / np.sqrt(n),
                "rmse": np.sqrt(np.mean(error**2)),
                "coverage": 100.0 * covered.mean(),
                "coverage_mc": 100.0 * np.sqrt(covered.mean() * (1.0 - covered.mean()) / n),
                "half": of["half"].mean(),
                "half_mc": of["half"].std(ddof=1) / np.sqrt(n),
                "ratio": ratio,
                "ratio_mc": ratio_mc,
                "planned": of["planned"].mean(),
                "answers": of["answers"].mean(),
                "n_eff": of["n_eff"].mean(),
            }
        )
    return pd.DataFrame(figures)


def ratio_of_means(above: Floats, below: Floats) -> tuple[float, float]:
    """Ratio of two means over the same replicates, and its standard error by the delta method."""
    ratio = above.mean() / below.mean()
    return float(ratio), float((above - ratio * below).std(ddof=1) / below.mean() / np.sqrt(len(above)))


def show(console: Console, title: str, figures: pd.DataFrame) -> None:
    """Print the table."""
    table = Table(title=title, title_justify="left")
    columns = ("estimator", "drawn", "bias", "RMSE", "coverage, %", "half width", "of simply at random", "answers")
    for name in columns:
        table.add_column(name, justify="left" if name in columns[:2] else "right", no_wrap=True)
    for row in figures.to_dict("records"):
        table.add_row(
            row["estimator"],
            row["draw"],
            f"{row['bias']:+.2f} ± {row['bias_mc']:.2f}",
            f"{row['rmse']:.2f}",
            f"{row['coverage']:.1f} ± {row['coverage_mc']:.1f}",
            f"{row['half']:.2f} ± {row['half_mc']:.2f}",
            f"{row['ratio']:.3f} ± {row['ratio_mc']:.3f}",
            f"{row['answers']:.0f}, {row['n_eff']:.0f} effective",
        )
    console.print(table)


def main() -> None:
    """Simulate and print one table per strength."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--asked-before", type=int, default=4_000)
    parser.add_argument("--margin", type=float, default=8.0, help="wanted half width, points")
    parser.add_argument("--answer-rate", type=float, default=0.15, help="mean chance of answering")
    parser.add_argument("--strength", type=float, nargs="+", default=[1.0, 2.0], help="how much behaviour decides it")
    parser.add_argument("--r-squared", type=float, default=0.25, help="share of an answer that behaviour explains")
    parser.add_argument("--replicates", type=int, default=200)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"  # for the processes started below
    console = Console(width=150)
    seeds = range(options.first_seed, options.first_seed + options.replicates)
    with ProcessPoolExecutor(options.processes, multiprocessing.get_context("spawn")) as pool:
        for strength in options.strength:
            work = partial(
                replicate,
                customers=options.customers,
                asked_before=options.asked_before,
                margin=options.margin,
                answer_rate=options.answer_rate,
                r_squared=options.r_squared,
                strength=strength,
            )
            label = f"strength {strength:g}"
            rows = pd.concat(track(pool.map(work, seeds), label, options.replicates, console=console))
            asked = f"{rows['invitations'].mean():,.0f} invitations of {options.customers:,}"
            planned = f"planned half width {rows['planned'].mean():.2f}"
            show(console, f"\n{label}: {asked}, {planned}, {options.replicates} replicates", summarise(rows))


if __name__ == "__main__":
    main()
