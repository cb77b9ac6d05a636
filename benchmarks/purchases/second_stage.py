"""The second stage beside the first, a second stage alone, a logistic regression, LightGBM and lifetimes' BG/NBD.

At each cut every model sees what was available before it and is judged on what came after. The peers are trained one
horizon earlier, on everyone then: LightGBM and "second stage alone" (LightGBM that starts from the first stage) with as
many trees as cross-validation takes, the logistic regression on the first stage's log odds and log features. Shops:
CDNOW, simulated ones of known truth, and with their folders Online Retail (UCI, both files) and the grocery log. Cuts
named "held out" had no part in choosing any setting. Behind the best and lifetimes stand with the standard error of
the difference over customers.

Run: python -m benchmarks.purchases.second_stage [--online-retail FOLDER] [--grocery FOLDER] [--customers 20000]
"""

import argparse
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.purchases.second_stage_peers import PEERS, bg_nbd_of_lifetimes, predict_by_peers
from benchmarks.purchases.second_stage_shops import CutShop, shops
from features.describe import describe_everyone
from features.outcomes import describe_with_outcomes, realised_outcomes
from features.tables import Tables
from features.vocabulary import learn_vocabulary
from models.purchases.fit import PurchaseFit
from models.purchases.returns_to_come import kept_by_age
from models.purchases.season.fit import fit_first_stage_at
from models.purchases.second_stage.training import train_second_stage
from models.recipe import Recipe
from models.release.rolling import backtest_at, choose_purchase_model, rolling_cutoffs
from models.release.season_gate import add_season, judge_season
from models.scoring.forecast import Forecast
from models.scoring.members import CategoryParameters
from models.scoring.parameters import ScorerParameters, SecondStageParameters
from models.scoring.scorer import parse_trees
from models.stats.deciles import nearly_sure
from models.stats.metrics import log_losses

FIRST, SECOND, LIFETIMES = "first stage", "second stage", "lifetimes BG/NBD"
YEAR = 365


def recipe_at(tables: Tables, cut: date, first_day: date, recipe: Recipe) -> Recipe:
    """Choose purchase model and season as a retraining at the cut does."""
    cutoffs = rolling_cutoffs(first_day, cut, recipe.horizon, 2)
    results = [backtest_at(tables, cutoff, recipe, with_second_stage=False) for cutoff in cutoffs]
    recipe = replace(recipe, purchase_model=choose_purchase_model(results)[0])
    results = [add_season(tables, result, recipe) for result in results]
    return replace(recipe, season=judge_season(tables, cut, recipe, results).used)


def judge(shop: CutShop, cut: date) -> dict[str, float | str]:
    """Return every model's log loss of buying in the horizon, and the year's figures of both stages."""
    tables, horizon = shop.tables, shop.horizon
    recipe = recipe_at(
        tables, cut, shop.first_day, Recipe(horizon=horizon, churn_horizon=shop.year, clv_horizon=shop.year)
    )
    vocabulary, kept = learn_vocabulary(tables, cut), kept_by_age(tables, shop.end)
    now = describe_with_outcomes(tables, cut, horizon, vocabulary, shop.end, kept)
    bought = now["purchases"].to_numpy(float) > 0
    fit = fit_first_stage_at(tables, cut, recipe)
    stage = train_second_stage(tables, cut, recipe, vocabulary)
    first = fit.predict(now, horizon)
    earlier = cut - timedelta(days=horizon)
    then = describe_with_outcomes(tables, earlier, horizon, vocabulary, cut, kept_by_age(tables, cut))
    first_then = fit_first_stage_at(tables, earlier, recipe).predict(then, horizon)
    p = {
        FIRST: first["p_purchase"].to_numpy(float),
        SECOND: stage.predict(now, first)["p_purchase"].to_numpy(float),
        LIFETIMES: bg_nbd_of_lifetimes(now, horizon),
        **predict_by_peers(then, first_then, now, first, stage.features),
    }
    row: dict[str, float | str] = {"shop": shop.name, "cut": str(cut), "horizon": horizon, "customers": len(now)}
    losses = {name: log_losses(bought, each) for name, each in p.items()}
    row |= {name: float(each.mean()) for name, each in losses.items()}
    best = min((FIRST, *PEERS), key=lambda name: losses[name].mean())
    for name, other in (("behind the best", best), ("behind lifetimes", LIFETIMES)):
        behind = losses[SECOND] - losses[other]
        row |= {name: float(behind.mean()), f"error, {name}": float(behind.std() / np.sqrt(len(behind)))}
    row |= {f"bias, {name}": float(p[name].sum() / bought.sum() - 1.0) for name in (FIRST, SECOND)}
    sure = nearly_sure(p[SECOND], bought)
    row |= {"p >= .99": sure.customers, "expected not to": sure.expected_not_to, "did not": sure.did_not}
    row |= {f"weight of {name}": weight for name, weight in stage.weights.items()}
    return row | (year_ahead(shop, cut, recipe, fit, stage.parameters, stage.boosters))


def year_ahead(
    shop: CutShop, cut: date, recipe: Recipe, fit: PurchaseFit, stage: SecondStageParameters, boosters: dict[str, str]
) -> dict[str, float]:
    """Return log loss and bias of p_churn and clv over the long horizon by both stages, where the data hold it."""
    if cut + timedelta(days=shop.year) > shop.end:
        return {}
    tables, vocabulary = shop.tables, learn_vocabulary(shop.tables, cut)
    described = describe_everyone(tables, cut, vocabulary)
    realised = realised_outcomes(tables, cut, shop.year, shop.end, kept_by_age(tables, shop.end))
    frame = described[["customer_id"]].merge(realised, on="customer_id")
    bought, revenue = frame["purchases"].to_numpy(float) > 0, frame["revenue"].sum()
    figures = {}
    for name, used in ((FIRST, SecondStageParameters(False)), (SECOND, stage)):
        parameters = ScorerParameters(
            horizon=recipe.horizon,
            churn_horizon=shop.year,
            clv_horizon=shop.year,
            annual_rate=0.0,
            margin=1.0,
            seed=0,
            purchases=fit.purchases,
            spend=fit.spend,
            nps=CategoryParameters(None, ""),
            second_stage=used,
            returns=fit.returns,
            clock=fit.clock,
        )
        beyond = Forecast(parameters, parse_trees(boosters)).beyond_horizon(described, fit.future)
        buys = 1.0 - beyond["p_churn"].to_numpy(float)
        figures |= {
            f"churn, {name}": float(log_losses(bought, buys).mean()),
            f"churn bias, {name}": float((1.0 - buys).sum() / (~bought).sum() - 1.0),
            f"clv bias, {name}": float(beyond["clv"].sum() / revenue - 1.0),
        }
    return figures


def told(row: dict[str, float | str]) -> str:
    """Say one cut in a line."""
    losses = {name: float(row[name]) for name in (FIRST, SECOND, LIFETIMES, *PEERS)}
    behind = [
        f"{name} {row[f'behind {name}']:+.4f} ({row[f'error, behind {name}']:.4f})"
        for name in ("the best", "lifetimes")
    ]
    buyers = [f"{100 * float(row[f'bias, {name}']):+.0f}" for name in (FIRST, SECOND)]
    line = (
        f"{row['shop']}, {row['cut']}, {row['horizon']} days, {row['customers']:,}: "
        + ", ".join(f"{name} {loss:.4f}" for name, loss in losses.items())
        + f"; behind {', '.join(behind)}; buyers {' -> '.join(buyers)} %; trees "
        f"{row['weight of buys']}, regression {row['weight of logistic']}; p >= .99: {row['p >= .99']}, "
        f"{row['expected not to']:.1f} expected not to, {row['did not']} did not"
    )
    if f"churn, {FIRST}" not in row:
        return line
    pairs = [
        f"{words} {row[f'{name}, {FIRST}']:{form}} -> {row[f'{name}, {SECOND}']:{form}}"
        for name, words, form in (
            ("churn", "churn log loss", ".4f"),
            ("churn bias", "bias", "+.1%"),
            ("clv bias", "clv bias", "+.1%"),
        )
    ]
    return f"{line}; the year: {', '.join(pairs)}"


def rows(options: argparse.Namespace, folder: Path) -> Iterator[dict[str, float | str]]:
    for shop in shops(options.online_retail, options.grocery, options.customers, options.seeds, folder):
        for cut in shop.cuts:
            row = judge(shop, cut)
            print(told(row), flush=True)
            yield row


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--online-retail", type=Path, help="folder with the two Parquet files")
    parser.add_argument("--grocery", type=Path, help="folder with events.csv.gz of BTYDplus")
    parser.add_argument("--customers", type=int, default=20_000, help="of the simulated shops")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--table", type=Path, help="where to write all figures as CSV")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        table = pd.DataFrame(rows(options, Path(folder)))
    if options.table is not None:
        table.to_csv(options.table, index=False)


if __name__ == "__main__":
    main()
