"""The NPS of customers who gave everything back, and of the base with them, in simulated shops of known truth.

Such customers are not in the base. Each shop is taken in as files are; the base's own NPS is taken from the truth, so
that only what is told of the others is judged: the NPS of those of them who answered, and that of the base with them.

Run: python -m benchmarks.nps.gave_everything_back [--customers 20000] [--replicates 20]
"""

import argparse
import tempfile
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pandas as pd
from rich.console import Console

from benchmarks.nps.who_answers import mean, show
from data.intake.pipeline import Source, take_in
from data.simulation.shop import ShopSettings, write_shop
from features.describe import materialise
from features.purchases import purchase_summary, without_purchase
from features.tables import open_tables
from models.release.release import Release
from models.survey.aipw import BaseNps
from models.survey.without_purchase import survey_without_purchase

START, DAYS = date(2023, 1, 1), 400
SHOP = ShopSettings(invited_share=0.7, response_rate=0.4, response_behaviour=1.2, reliability=0.8)


@dataclass(frozen=True)
class _KnownBase:
    """What `survey_without_purchase` reads of a base, free of errors."""

    nps: float
    n_base: int
    unlike_share: None = None
    unmeasured: float = 0.0
    unmeasured_gamma: float = 0.0
    standard_error: float = 0.0
    degrees_of_freedom: float = 1e6


def replicate(seed: int, customers: int) -> pd.DataFrame:
    """Simulate a shop: a row with its truths and what is told of them."""
    as_of = START + timedelta(days=DAYS)
    with tempfile.TemporaryDirectory() as folder:
        files = write_shop(Path(folder) / "raw", customers, seed, DAYS, START, SHOP)
        names = ("transactions", "answers")
        take_in({name: Source((str(files[name]),)) for name in names}, Path(folder) / "clean")
        tables, truth = open_tables(Path(folder) / "clean"), pd.read_parquet(files["truth"]).set_index("customer_id")
        true = 100.0 * (truth["p_promoter"] - truth["p_detractor"])
        base = true[materialise(purchase_summary(tables, as_of))["customer_id"]]
        others = true[materialise(without_purchase(tables, as_of))["customer_id"]]
        release = SimpleNamespace(as_of=as_of, parameters=SimpleNamespace(nps_question="nps"))
        known = cast(BaseNps, _KnownBase(float(base.mean()), len(base)))
        told = survey_without_purchase(tables, cast(Release, release), known)
    assert told is not None and told.own is not None and told.with_base is not None
    row = {
        "share": 100.0 * len(others) / len(true),
        "answers": told.answers,
        "base": base.mean(),
        "all": true.mean(),
        "others": others.mean(),
        "error": told.own.nps - others.mean(),
        "half": (told.own.high - told.own.low) / 2,
        "covered": told.own.low <= others.mean() <= told.own.high,
        "base_error": base.mean() - true.mean(),
        "with_error": told.with_base.nps - true.mean(),
    }
    return pd.DataFrame([row])


def summarise(rows: pd.DataFrame) -> dict[str, str]:
    """Give each figure as mean and Monte Carlo error."""
    return {
        "customers who gave everything back, %": mean(rows["share"], ".2f"),
        "true NPS of the base": mean(rows["base"], "+.1f"),
        "of those who gave everything back": mean(rows["others"], "+.1f"),
        "error of their own NPS, points": mean(rows["error"], "+.1f"),
        "half its interval": f"{rows['half'].mean():.1f}",
        "it covers, %": mean(100.0 * rows["covered"], ".0f"),
        "the base alone beside everyone, points": mean(rows["base_error"], "+.2f"),
        "the base with them beside everyone, points": mean(rows["with_error"], "+.2f"),
    }


def main() -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--replicates", type=int, default=20)
    options = parser.parse_args()
    rows = pd.concat([replicate(seed, options.customers) for seed in range(options.replicates)])
    title = f"{options.customers:,} customers, {rows['answers'].mean():.0f} answers of such, {len(rows)} shops"
    show(Console(width=110), title, summarise(rows))


if __name__ == "__main__":
    main()
