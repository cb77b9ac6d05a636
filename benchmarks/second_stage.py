"""The second stage beside BG/NBD, judged as the backtest judges it: simulated shops of known truth, and CDNOW.

Run: python benchmarks/second_stage.py [--customers 60000] [--seeds 5] [--cutoffs 3]
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from data.intake.pipeline import Source, take_in
from data.samples.cdnow import write_cdnow
from data.simulation.shop import ShopSettings, textbook, write_shop
from features.tables import Tables, open_tables
from models.purchases.fit import MODEL_NAMES
from models.purchases.second_stage_gate import StageVerdict, judge_second_stage
from models.recipe import Recipe
from models.release.rolling import add_second_stage, backtest_at

HORIZON = 90
START, DAYS = date(2023, 1, 1), 730
CDNOW_END = date(1998, 7, 1)
MEASURES = {
    "auc": "AUC",
    "gini": "Gini of revenue",
    "log_loss": "log loss",
    "calibration": "calibration error, shared deciles",
    "own_deciles": "calibration error, own deciles",
    "bias": "absolute bias of total purchases",
}


def simulated(customers: int, seed: int, settings: ShopSettings, tables: tuple[str, ...], folder: Path) -> Tables:
    """Write a simulated shop and take in the tables named."""
    files = write_shop(folder / "raw", customers, seed, days=DAYS, start=START, settings=settings)
    take_in({name: Source((str(files[name]),)) for name in tables}, folder / "clean")
    return open_tables(folder / "clean")


def cdnow(folder: Path) -> Tables:
    """Take in the purchases of all 23,570 customers."""
    take_in({name: Source((str(file),)) for name, file in write_cdnow(folder / "raw").items()}, folder / "clean")
    return open_tables(folder / "clean")


def judge(tables: Tables, as_of: date, cutoffs: int) -> tuple[StageVerdict, float]:
    """Fit and judge both stages at rolling cutoffs; the processor seconds a training of the second stage took."""
    recipe = Recipe(horizon=HORIZON)
    results, seconds = [], 0.0
    for k in range(1, cutoffs + 1):
        first = backtest_at(tables, as_of - timedelta(days=HORIZON * k), recipe, with_second_stage=False)
        started = time.process_time()
        results.append(add_second_stage(tables, first, recipe))
        seconds += time.process_time() - started
    return judge_second_stage(results, MODEL_NAMES[recipe.purchase_model]), seconds / cutoffs


def shops(customers: int, seeds: int) -> Iterator[tuple[str, Tables, date]]:
    """Yield each shop by name, with the day before which all purchases are given."""
    kinds = {
        "covariate-driven dropout": (ShopSettings(), ("transactions", "events")),
        # Without events nothing in the data knows more than the purchases, of which BG/NBD is exactly true.
        "textbook, purchases only": (textbook(), ("transactions",)),
    }
    for name, (settings, tables) in kinds.items():
        for seed in range(1, seeds + 1):
            with tempfile.TemporaryDirectory() as folder:
                yield name, simulated(customers, seed, settings, tables, Path(folder)), START + timedelta(days=DAYS)
    with tempfile.TemporaryDirectory() as folder:
        yield "CDNOW, 23,570 customers", cdnow(Path(folder)), CDNOW_END


def main() -> None:
    """Print, for each kind of shop, the means over its seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=60_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--cutoffs", type=int, default=3)
    options = parser.parse_args()
    rows = []
    for name, tables, as_of in shops(options.customers, options.seeds):
        verdict, seconds = judge(tables, as_of, options.cutoffs)
        print(f"{name}: {verdict.why}", flush=True)
        rows.append({"shop": name, "used": float(verdict.used), "seconds": seconds, **verdict.metrics})
    table = pd.DataFrame(rows).groupby("shop", sort=False).mean()
    print(f"\nHorizon {HORIZON} days, {options.cutoffs} cutoffs; means over the seeds: BG/NBD -> second stage")
    for shop, row in table.iterrows():
        print(f"\n{shop}: enters the scores in {100 * row['used']:.0f} %; {row['seconds']:.0f} s to train and predict")
        for measure, words in MEASURES.items():
            print(f"  {words:36s}{row[f'{measure}_first']:9.4f} -> {row[f'{measure}_second']:.4f}")


if __name__ == "__main__":
    main()
