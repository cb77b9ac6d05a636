"""Levels of shops unlike those that the models were made for: what is expected of the next 90 days, and what comes.

Subscribers who pay by the month; customers who come once a year; a gift shop of two years with a season; a shop that
was closed for a quarter, one that was closed twice, and one that closes every winter. Purchase model and season are
chosen and the second stage is trained as a retraining does.

Run: python -m benchmarks.purchases.made_shops [--seeds 1] [--shops closed ...]
"""

import argparse
import tempfile
from collections.abc import Callable
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.purchases.second_stage import recipe_at
from benchmarks.purchases.second_stage_shops import taken_in_frame
from features.outcomes import describe_with_outcomes
from features.vocabulary import learn_vocabulary
from models.purchases.season.fit import fit_first_stage_at
from models.purchases.second_stage.training import train_second_stage
from models.recipe import Recipe

AS_OF, HORIZON = date(2025, 10, 1), 90
FASTEST = 4.0
# A customer's purchase days, counted from AS_OF, of one who is first seen on a day.
Story = Callable[[np.random.Generator, float], list[float]]
Pace = Callable[[date], float]


def monthly(rng: np.random.Generator, first: float) -> list[float]:
    """Pay each month on the day of joining until leaving, 4.6 % a month on average."""
    leaves = rng.beta(1.2, 25.0)
    return _until_left(rng, first, leaves, lambda: 30.44)


def yearly(rng: np.random.Generator, first: float) -> list[float]:
    """Come a year later, give or take a fortnight; 15 % leave each time."""
    return _until_left(rng, first, 0.15, lambda: rng.normal(365.0, 15.0))


def _until_left(rng: np.random.Generator, first: float, leaves: float, gap: Callable[[], float]) -> list[float]:
    days = [first]
    while rng.random() >= leaves and (day := days[-1] + gap()) < HORIZON:
        days.append(day)
    return days


def at_pace(pace: Pace, mean_gap: float) -> Story:
    """Buy at random times that a pace makes rarer or more frequent, and leave by chance at a purchase."""

    def story(rng: np.random.Generator, first: float) -> list[float]:
        rate, leaves = rng.gamma(0.9) / mean_gap, rng.beta(1.0, 5.0)
        days, day = [first], first
        while (day := day + rng.exponential(1.0 / max(FASTEST * rate, 1e-9))) < HORIZON:
            if FASTEST * rng.random() >= pace(AS_OF + timedelta(days=int(np.floor(day)))):
                continue
            if rng.random() < leaves:
                break
            days.append(day)
        return days

    return story


def gifts(day: date) -> float:
    """Sell four times as fast before Christmas, and a little faster before two other feasts."""
    of_year = day.timetuple().tm_yday
    if 314 <= of_year <= 357:
        return 4.0
    return 1.6 if 31 <= of_year <= 45 or 117 <= of_year <= 131 else 0.7


def closed(*spells: tuple[str, str]) -> Pace:
    """Sell evenly but from a day on until another one."""
    days = [(date.fromisoformat(start), date.fromisoformat(end)) for start, end in spells]
    return lambda day: 0.0 if any(start <= day < end for start, end in days) else 1.0


def winters(day: date) -> float:
    """Close from November to March, every year."""
    return 1.0 if 4 <= day.month <= 10 else 0.0


QUARTER = closed(("2024-12-01", "2025-03-01"))
TWICE = closed(("2023-09-01", "2023-10-15"), ("2025-05-01", "2025-07-15"))
# The story of a customer, the pace at which customers come first, how many, and days of history.
SHOPS: dict[str, tuple[Story, Pace | None, int, int]] = {
    "subscribers": (monthly, None, 1500, 900),
    "once a year": (yearly, None, 2500, 1825),
    "gift shop": (at_pace(gifts, 250.0), gifts, 4000, 730),
    "closed for a quarter": (at_pace(QUARTER, 70.0), QUARTER, 4000, 900),
    "closed twice": (at_pace(TWICE, 70.0), TWICE, 3000, 1000),
    "closed every winter": (at_pace(winters, 70.0), winters, 3000, 1000),
}


def purchases(name: str, seed: int) -> pd.DataFrame:
    """Simulate a shop: customer_id, ts and amount of purchases before and after `AS_OF`."""
    story, pace, customers, history = SHOPS[name]
    rng = np.random.default_rng([list(SHOPS).index(name), seed])
    rows: list[tuple[str, float, float]] = []
    for number in range(customers):
        first, value = _first_day(rng, pace, history), rng.gamma(4.0, 8.0)
        rows += [(f"c{number}", day, round(value * rng.gamma(5.0, 0.2), 2)) for day in story(rng, first)]
    table = pd.DataFrame(rows, columns=["customer_id", "day", "amount"])
    table["ts"] = pd.Timestamp(AS_OF) + pd.to_timedelta(table.pop("day"), unit="D").dt.floor("s")
    return table.sort_values("ts", ignore_index=True)


def _first_day(rng: np.random.Generator, pace: Pace | None, history: int) -> float:
    while True:
        first = -rng.uniform(0.0, history)
        if pace is None or FASTEST * rng.random() < pace(AS_OF + timedelta(days=int(np.floor(first)))):
            return first


def judge(name: str, seed: int, folder: Path) -> dict[str, float | str]:
    """Return what is expected of everyone known at `AS_OF`, beside what they did."""
    tables, end = taken_in_frame(purchases(name, seed), folder), AS_OF + timedelta(days=HORIZON)
    recipe = recipe_at(tables, AS_OF, AS_OF - timedelta(days=SHOPS[name][3]), Recipe(horizon=HORIZON))
    fit, vocabulary = fit_first_stage_at(tables, AS_OF, recipe), learn_vocabulary(tables, AS_OF)
    now = describe_with_outcomes(tables, AS_OF, HORIZON, vocabulary, end)
    stage = train_second_stage(tables, AS_OF, recipe, vocabulary)
    expected, came = stage.predict(now, fit.predict(now, HORIZON)), now[["purchases", "revenue"]].sum()
    return {
        "shop": f"{name}, seed {seed}",
        "model": f"{fit.name}{' by a clock' if fit.clock is not None else ''}",
        "closures": 0 if fit.clock is None else len(fit.clock.closures),
        "purchases": came["purchases"],
        "bias": expected["expected_purchases"].sum() / came["purchases"] - 1.0,
        "bias of buyers": expected["p_purchase"].sum() / (now["purchases"] > 0).sum() - 1.0,
        "bias of revenue": expected["expected_revenue"].sum() / came["revenue"] - 1.0,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--shops", nargs="+", default=list(SHOPS), choices=list(SHOPS))
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        for name in options.shops:
            for seed in range(1, options.seeds + 1):
                row = judge(name, seed, Path(folder) / f"{name}_{seed}".replace(" ", "_"))
                print(", ".join(f"{key} {value:+.1%}" if "bias" in key else f"{value}" for key, value in row.items()))


if __name__ == "__main__":
    main()
