"""The season's clock: whether it enters where there is a season, and what it foretells, on shops of known truth.

For each shop the clock is estimated as of the last day and at the cutoffs one and two horizons of 90 days before it,
and enters as in a retrain: where the history shows a season and log loss of "buys in 90 days" was lower over the
cutoffs. Then the total purchases of the next 90 days are set beside their 90 % interval. With a folder of Online Retail
(UCI, two Parquet files), the same at four dates of that shop.

Run: python -m benchmarks.purchases.season [--seeds 20] [--months 18 24 30] [--online-retail FOLDER]
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.purchases.seasonal_shops import WORLDS, Seen, Shop, simulate
from models.purchases.bg_nbd import ModifiedBetaGeoModel
from models.purchases.bg_nbd_likelihood import SufficientStatistics, count_sufficient_statistics
from models.purchases.season.estimate import estimate_clock
from models.purchases.season.total import total_purchases
from models.scoring.arrays import as_tuples
from models.scoring.bg_nbd import expected_purchases, p_purchase
from models.scoring.clock.clock import Clock, day_number
from models.scoring.parameters import PurchaseParameters
from models.stats.metrics import log_losses
from models.stats.typing import Floats

HORIZON, FEWEST_DAYS = 90, 365
CUTS = ("2011-01-01", "2011-03-15", "2011-06-13", "2011-09-11")


@dataclass(frozen=True)
class Prediction:
    """Of the horizon from a day on, with the clock or without: each customer's figures and the total's interval."""

    p: Floats
    expected: Floats
    low: float
    high: float
    is_season: bool


def fit(statistics: SufficientStatistics) -> PurchaseParameters:
    return ModifiedBetaGeoModel().fit_sufficient_statistics(statistics).parameters


def predict(seen: Seen, *, in_season: bool) -> Prediction:
    """Predict the horizon, by the clock where it is asked for and there is a year of history."""
    estimate = estimate_clock(seen.statistics, seen.repeats, seen.as_of, fit) if in_season else None
    t_x, T, length, error = seen.t_x, seen.T, float(HORIZON), 0.0
    if estimate is not None:
        clock, day = Clock(estimate.clock), day_number(seen.as_of)
        t_x, T = clock.times(day, t_x, T)
        length, error = float(clock.ahead(day, HORIZON)), clock.ahead_error(day, HORIZON)
    histories = count_sufficient_statistics(seen.x, t_x, T)
    model = ModifiedBetaGeoModel().fit_sufficient_statistics(histories)
    total = total_purchases(histories, length, model.parameters, as_tuples(model.log_covariance.tolist()), error)
    customers = (seen.x, t_x, T, model.parameters)
    return Prediction(
        p_purchase(length, *customers),
        expected_purchases(length, *customers),
        total.low,
        total.high,
        estimate is not None and estimate.is_season,
    )


def judge(shop: Shop, day: int) -> dict[str, float]:
    """Return whether the clock enters at a day, and how the next 90 days went."""
    gains = []
    for cutoff in (day - HORIZON, day - 2 * HORIZON):
        if cutoff < FEWEST_DAYS:
            continue
        seen = shop.before(cutoff)
        within = predict(seen, in_season=True)
        if within.is_season:
            bought = shop.purchases(seen.ids, cutoff, HORIZON) > 0
            without = predict(seen, in_season=False)
            gains.append(float(np.mean(log_losses(bought, without.p) - log_losses(bought, within.p))))
    seen = shop.before(day)
    within, without = (predict(seen, in_season=answer) for answer in (True, False))
    happened = shop.purchases(seen.ids, day, HORIZON)
    losses = {name: float(np.mean(log_losses(happened > 0, each.p))) for name, each in named(within, without)}
    bias = {name: float(each.expected.sum() / happened.sum() - 1) for name, each in named(within, without)}
    return {
        "enters": float(within.is_season and (not gains or np.mean(gains) > 0)),
        "log loss, clock": losses["clock"],
        "log loss, even pace": losses["even"],
        "bias, clock": bias["clock"],
        "bias, even pace": bias["even"],
        "total inside": float(within.low <= happened.sum() <= within.high),
        "half width": float(np.log(within.high / within.low) / 2),
    }


def named(within: Prediction, without: Prediction) -> tuple[tuple[str, Prediction], ...]:
    return ("clock", within), ("even", without)


def simulated(seeds: int, months: list[int], show: Callable[[str], object]) -> None:
    """Print, by world and history, in how many shops the clock enters, and what it foretells where it does."""
    for length in months:
        for world, (season, trend) in WORLDS.items():
            day = round(length * 365.25 / 12)
            rows = pd.DataFrame([judge(simulate(seed, day, season, trend), day) for seed in range(seeds)])
            show(f"{world}, {length} months: {summarised(rows)}")


def summarised(rows: pd.DataFrame) -> str:
    """Put the shops of one world in words."""
    entered = rows[rows["enters"] > 0]
    told = f"enters in {len(entered)} of {len(rows)}"
    if entered.empty:
        return told
    mean = entered.mean()
    bias, even = (100 * entered[f"bias, {name}"].abs().mean() for name in ("clock", "even pace"))
    return (
        f"{told}; log loss {mean['log loss, clock']:.4f} against {mean['log loss, even pace']:.4f}, absolute bias "
        f"{bias:.0f} against {even:.0f} %, total inside its 90 % interval {100 * mean['total inside']:.0f} % "
        f"(+- {100 * (0.9 * 0.1 / len(entered)) ** 0.5:.0f}), half width {100 * mean['half width']:.0f} %"
    )


def online_retail(folder: Path) -> tuple[Shop, date]:
    """Read both files of UCI's Online Retail II: customer-days with a sale; and the first day."""
    parts = []
    for file in sorted(folder.glob("*.parquet")):
        table = pd.read_parquet(file)
        table.columns = [name.replace(" ", "").lower() for name in table.columns]
        table = table.rename(columns={"price": "unitprice"})
        parts.append(table[["customerid", "invoicedate", "quantity", "unitprice"]].dropna())
    lines = pd.concat(parts)
    day = pd.to_datetime(lines["invoicedate"]).dt.normalize()
    is_sale = lines["quantity"] * lines["unitprice"] >= 0
    pairs = pd.DataFrame({"customer": lines["customerid"].astype("int64"), "day": day})[is_sale].drop_duplicates()
    pairs = pairs.sort_values(["customer", "day"])
    first = pairs["day"].min()
    codes = pd.factorize(pairs["customer"])[0]
    return Shop(codes.astype(np.int64), (pairs["day"] - first).dt.days.to_numpy(np.int64)), first.date()


def real(folder: Path, show: Callable[[str], object]) -> None:
    """Print log loss and bias at the cuts of Online Retail, by the clock and without."""
    shop, first = online_retail(folder)
    for cut in CUTS:
        day = (date.fromisoformat(cut) - first).days
        seen = shop.before(day)
        seen = Seen(seen.ids, seen.x, seen.t_x, seen.T, seen.repeats, first + timedelta(days=day))
        happened = shop.purchases(seen.ids, day, HORIZON)
        told = []
        for name, each in named(*(predict(seen, in_season=answer) for answer in (True, False))):
            loss = float(np.mean(log_losses(happened > 0, each.p)))
            told.append(f"{name} {loss:.4f}, bias {100 * (each.expected.sum() / happened.sum() - 1):+.0f} %")
        show(f"Online Retail, {cut}: log loss of buying in 90 days: {'; '.join(told)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=20)
    parser.add_argument("--months", type=int, nargs="+", default=[18, 24])
    parser.add_argument("--online-retail", type=Path, help="folder with the two Parquet files")
    options = parser.parse_args()
    if options.online_retail is not None:
        real(options.online_retail, print)
    simulated(options.seeds, options.months, print)


if __name__ == "__main__":
    main()
