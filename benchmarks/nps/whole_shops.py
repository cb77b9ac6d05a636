"""The NPS of the base through the whole pipeline, in simulated shops whose customers are invited in waves.

The other benches hand features to the estimators. Here files are taken in, customers are described as of each
invitation, a release is trained, and the base of today is estimated from those who answered then. Answering depends on
orders, the time since the last one, and problems (late parcels, returns, contacts); so the survey is too high.

Run: python -m benchmarks.nps.whole_shops [--customers 1500] [--replicates 20] [--first-seed 9]
"""

import argparse
import os
import tempfile
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from rich.console import Console

from benchmarks.nps.who_answers import mean, show
from data.intake.pipeline import Source, take_in
from data.simulation.shop import ShopSettings, write_shop
from features.tables import open_tables
from models.recipe import Recipe
from models.release.release import fit_release
from models.survey.aipw import estimate_nps
from models.survey.prepare import prepare_survey

START, DAYS = date(2023, 1, 1), 400
# The shop of the tests of `models`; its seed is 9.
SHOP = ShopSettings(invited_share=0.7, response_rate=0.4, response_behaviour=1.2, reliability=0.8, csat_share=0.6)


def replicate(seed: int, customers: int) -> pd.DataFrame:
    """Simulate a shop: a row with the error of the estimate and of the survey, and what the intervals cover."""
    as_of = START + timedelta(days=DAYS)
    with tempfile.TemporaryDirectory() as folder:
        files = write_shop(Path(folder) / "raw", customers, seed, DAYS, START, SHOP)
        names = ("transactions", "answers", "events", "customers")
        take_in({name: Source((str(files[name]),)) for name in names}, Path(folder) / "clean")
        tables, truth = open_tables(Path(folder) / "clean"), pd.read_parquet(files["truth"]).set_index("customer_id")
        recipe = Recipe(horizon=90, static_attributes=("region",))
        survey = prepare_survey(tables, fit_release(tables, as_of, recipe))
    assert survey is not None
    base, told = truth.loc[survey.base_customer], estimate_nps(survey).figures
    true = float(100.0 * (base["p_promoter"] - base["p_detractor"]).mean())
    row = {
        "seed": seed,
        "answers": told.n_answers,
        "error": told.nps - true,
        "survey_error": told.survey_mean - true,
        "standard_error": told.standard_error,
        "covered": told.low <= true <= told.high,
        "wide_covered": told.wide_low <= true <= told.wide_high,
        "ratio": (told.wide_high - told.wide_low) / (told.high - told.low),
    }
    return pd.DataFrame([row])


def summarise(rows: pd.DataFrame) -> dict[str, str]:
    """Give each figure as mean and Monte Carlo error."""
    in_errors = rows["error"] / rows["standard_error"]
    return {
        "bias, points": mean(rows["error"], "+.2f"),
        "bias of the survey": mean(rows["survey_error"], "+.2f"),
        "standard error": f"{rows['standard_error'].mean():.1f}",
        "error in standard errors: standard deviation": f"{np.sqrt((in_errors**2).mean()):.2f}",
        "largest": f"{in_errors.abs().max():.1f}, at seed {rows['seed'].iloc[int(np.argmax(in_errors.abs()))]}",
        "interval of the sample covers, %": mean(100.0 * rows["covered"], ".0f"),
        "wide interval covers, %": mean(100.0 * rows["wide_covered"], ".0f"),
        "wide / plain, mean": f"{rows['ratio'].mean():.2f}",
    }


def main() -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=1500)
    parser.add_argument("--replicates", type=int, default=20)
    parser.add_argument("--first-seed", type=int, default=9)
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = "1"
    seeds = range(options.first_seed, options.first_seed + options.replicates)
    rows = pd.concat([replicate(seed, options.customers) for seed in seeds])
    title = f"{options.customers:,} customers, {rows['answers'].mean():.0f} answers, {len(rows)} shops"
    show(Console(width=110), title, summarise(rows))


if __name__ == "__main__":
    main()
