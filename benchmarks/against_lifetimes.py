"""The same job done by Revealed and by `lifetimes`, one beside the other in one run on one machine.

Summary from transactions, BG/NBD, Gamma-Gamma, P(alive), expected purchases and customer lifetime value of 12 months,
on simulated customers (two years, daily). Each step runs `--runs` times; medians are shown, and their ratio.
"""

import argparse
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import lifetimes
import numpy as np
import pandas as pd
from lifetimes.utils import summary_data_from_transaction_data
from rich.console import Console
from rich.table import Table

from data.intake import Source, take_in
from data.simulated import textbook, write_shop
from features.describe import materialise
from features.purchases import summarise_purchases
from features.spine import everyone
from features.tables import Tables, open_tables
from models.customer_scorer import discounted_purchases, expected_purchases, expected_spend, p_alive
from models.purchases import BetaGeoModel
from models.spend import GammaGammaModel

DAYS, START = 730, date(2023, 1, 1)
HORIZON = 90
AS_OF = START + timedelta(days=DAYS)


def timed(function: Callable[[], Any], runs: int) -> tuple[float, Any]:
    """Median of wall seconds, and the last result."""
    seconds, result = [], None
    for _ in range(runs):
        start = time.perf_counter()
        result = function()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), result


def ours(tables: Tables, runs: int) -> dict[str, float]:
    took = {}
    spine = everyone(tables.transactions, AS_OF)
    took["summary from transactions"], base = timed(
        lambda: materialise(summarise_purchases(tables.transactions, spine)), runs
    )
    x, t_x, T = (base[name].to_numpy() for name in ("frequency", "recency", "T"))
    took["BG/NBD fit"], purchases = timed(lambda: BetaGeoModel().fit(x, t_x, T).parameters, runs)
    spend_x, spend_m = base["spend_frequency"].to_numpy(), base["spend_value"].to_numpy()
    took["Gamma-Gamma fit"], spend = timed(lambda: GammaGammaModel().fit(spend_x, spend_m).parameters, runs)
    took["P(alive)"], _ = timed(lambda: p_alive(x, t_x, T, purchases), runs)
    took["expected purchases"], _ = timed(lambda: expected_purchases(HORIZON, x, t_x, T, purchases), runs)
    took["value of 12 months"], _ = timed(
        lambda: discounted_purchases(365, 0.1, x, t_x, T, purchases) * expected_spend(spend_x, spend_m, spend), runs
    )
    return took


def theirs(transactions: pd.DataFrame, runs: int) -> dict[str, float]:
    took = {}
    took["summary from transactions"], base = timed(
        lambda: summary_data_from_transaction_data(
            transactions,
            "customer_id",
            "ts",
            monetary_value_col="amount",
            observation_period_end=AS_OF - timedelta(days=1),
        ),
        runs,
    )
    history = (base["frequency"], base["recency"], base["T"])
    took["BG/NBD fit"], purchases = timed(lambda: lifetimes.BetaGeoFitter().fit(*history), runs)
    priced = base[(base["frequency"] > 0) & (base["monetary_value"] > 0)]
    took["Gamma-Gamma fit"], spend = timed(
        lambda: lifetimes.GammaGammaFitter().fit(priced["frequency"], priced["monetary_value"]), runs
    )
    took["P(alive)"], _ = timed(lambda: purchases.conditional_probability_alive(*history), runs)
    took["expected purchases"], _ = timed(lambda: purchases.predict(HORIZON, *history), runs)
    took["value of 12 months"], _ = timed(
        lambda: spend.customer_lifetime_value(
            purchases, *history, base["monetary_value"], time=12, discount_rate=0.008
        ),
        runs,
    )
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    warnings.filterwarnings("ignore")
    np.seterr(all="ignore")
    with tempfile.TemporaryDirectory() as folder:
        files = write_shop(Path(folder) / "raw", given.customers, seed=1, days=DAYS, start=START, settings=textbook())
        take_in({"transactions": Source(str(files["transactions"]))}, Path(folder) / "clean")
        tables = open_tables(Path(folder) / "clean")
        frame = tables.transactions.select("customer_id", "ts", "amount").to_pandas()
        frame["amount"] = frame["amount"].astype(float)
        mine, peer = ours(tables, given.runs), theirs(frame, given.runs)
    table = Table(title=f"{given.customers:,} customers, {len(frame):,} lines, median of {given.runs} runs, seconds")
    for name in ("step", "revealed", "lifetimes", "lifetimes / revealed"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for step in [*mine, "whole job"]:
        a, b = (sum(took.values()) if step == "whole job" else took[step] for took in (mine, peer))
        table.add_row(step, f"{a:.3f}", f"{b:.3f}", f"{b / a:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
