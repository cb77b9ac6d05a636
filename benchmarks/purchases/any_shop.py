"""Every shop is taken: how many each purchase model refuses, on which edge it ends, and whether figures are finite.

Four kinds of shops: 400 random small ones, 40 of yearly buyers, 40 of subscribers, Online Retail at a cut every month.
Then p_alive, of BG/NBD and MBG/NBD, beside the truth of shops that follow either.

Run: python -m benchmarks.purchases.any_shop [--online-retail FOLDER] [--small 400] [--others 40]
"""

import argparse
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from data.errors import InputError
from models.monitoring.drift_simulation import draw_traits
from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.fit import MODELS
from models.purchases.gamma_gamma import GammaGammaModel
from models.scoring.bg_nbd import (
    discounted_purchases,
    expected_purchases,
    p_alive,
    p_alive_if_judged,
    p_purchase,
)
from models.scoring.gamma_gamma import expected_spend
from models.scoring.intervals.revenue_and_value import clv_interval, revenue_interval
from models.scoring.parameters import PurchaseParameters, SpendParameters, Uncertainty

Floats = npt.NDArray[np.float64]
# Purchase days of customers, one row each: customer, day, value.
Purchases = pd.DataFrame
HORIZON, YEAR = 90, 365
# Few draws: the intervals must be finite and in order here, not sharp.
DRAWS = 128
ROWS = 60


def small_shops(count: int) -> Iterator[Purchases]:
    """Shops of 3 to 300 customers over a month to four years, of any rates and chances of leaving."""
    rng = np.random.default_rng(7)
    for number in range(count):
        customers, days = int(10 ** rng.uniform(0.5, 2.5)), int(10 ** rng.uniform(1.5, 3.2))
        r, alpha, a, b = 10 ** rng.uniform([-1, 0.5, -2, -1], [1, 3, 1, 2])
        parameters = PurchaseParameters(r, alpha, a, b, number % 2)
        yield lived(rng.integers(1, days + 1, customers), parameters, rng)[0]


def yearly_buyers(count: int) -> Iterator[Purchases]:
    """Shops of 100 to 600 customers who come once a year, some weeks early or late, and of whom 0 to 10 % leave."""
    return regular_shops(count, gap=365.0, spread=15.0, leave=(0.0, 0.1), days=1460)


def subscribers(count: int) -> Iterator[Purchases]:
    """Shops of 100 to 600 customers who are charged every 30 days, and of whom 2 to 20 % cancel after each charge."""
    return regular_shops(count, gap=30.0, spread=0.5, leave=(0.02, 0.2), days=730)


def regular_shops(count: int, gap: float, spread: float, leave: tuple[float, float], days: int) -> Iterator[Purchases]:
    """Shops whose customers buy at nearly equal gaps until they leave."""
    rng = np.random.default_rng(11)
    for _ in range(count):
        n, chance = int(rng.integers(100, 600)), rng.uniform(*leave)
        most = int(days / gap) + 2
        stays = rng.geometric(max(chance, 1e-9), n).clip(max=most)
        times = rng.uniform(0, days, n)[:, None] + np.arange(most) * gap + rng.normal(0, spread, (n, most))
        kept = (np.arange(most) < stays[:, None]) & (times < days) & (times >= 0)
        customer, _ = np.nonzero(kept)
        yield daily(customer, np.floor(times[kept]), rng.gamma(3.0, 10.0, customer.size))


def online_retail(folder: Path) -> dict[str, list[Purchases]]:
    """Online Retail at the first of every month, of the second file alone and of both, from 60 days of history on."""
    frames = []
    for file in sorted(folder.glob("*.parquet")):
        lines = pd.read_parquet(file).rename(
            columns={"Invoice": "InvoiceNo", "Price": "UnitPrice", "Customer ID": "CustomerID"}
        )
        day = pd.to_datetime(lines["InvoiceDate"]).dt.floor("D")
        value = lines["Quantity"] * lines["UnitPrice"]
        frames.append(
            pd.DataFrame({"customer": lines["CustomerID"], "date": day, "value": value})[
                lines["CustomerID"].notna() & (lines["Quantity"] > 0)
            ].astype({"customer": "int64"})
        )
    both = pd.concat([frames[0][frames[0]["date"] < frames[1]["date"].min()], frames[1]])
    cuts = {}
    for name, sold in (("the second file", frames[1]), ("both files", both)):
        first, last = sold["date"].min(), sold["date"].max()
        dates = pd.date_range(first + pd.Timedelta(days=60), last, freq="MS")
        cuts[name] = [_until(sold, first, date) for date in dates]
    return cuts


def _until(sold: pd.DataFrame, first: pd.Timestamp, cut: pd.Timestamp) -> Purchases:
    before = sold[sold["date"] < cut]
    # Ages count to the day before the cut.
    days = (before["date"] - cut).dt.days + (cut - first).days
    return daily(before["customer"].to_numpy(), days.to_numpy(float), before["value"].to_numpy(float))


def daily(customer: npt.NDArray[np.int64], day: Floats, value: Floats) -> Purchases:
    """Add up the purchases of a customer and day."""
    frame = pd.DataFrame({"customer": customer, "day": day, "value": value})
    return frame.groupby(["customer", "day"], as_index=False)["value"].sum()


def lived(
    ages: npt.ArrayLike, parameters: PurchaseParameters, rng: np.random.Generator
) -> tuple[Purchases, npt.NDArray[np.bool_]]:
    """Simulate customers of these ages by the story; give their purchases, and whether each is alive at the end."""
    ages = np.asarray(ages, dtype=np.float64)
    rate, dropout = draw_traits(ages.size, parameters, rng)
    end, time = ages.max(), np.zeros(ages.size)
    alive = rng.random(ages.size) >= dropout if parameters.m else np.ones(ages.size, dtype=bool)
    customers, days = [np.arange(ages.size)], [end - ages]
    buying = np.flatnonzero(alive)
    while buying.size:
        with np.errstate(divide="ignore", over="ignore"):
            time[buying] += rng.standard_exponential(buying.size) / rate[buying]
        buying = buying[time[buying] < ages[buying]]
        customers.append(buying)
        days.append(np.floor(end - ages[buying] + time[buying]))
        alive[buying] = rng.random(buying.size) >= dropout[buying]
        buying = buying[alive[buying]]
    who = np.concatenate(customers)
    return daily(who, np.concatenate(days), rng.gamma(4.0, 8.0, who.size)), alive


def histories(purchases: Purchases, end: float | None = None) -> dict[str, Floats]:
    """Describe customers: frequency, recency, T, and the mean value of their repeat days."""
    last_day = float(purchases["day"].max()) if end is None else end
    by = purchases.groupby("customer")["day"].agg(["min", "max", "size"])
    repeats = purchases[purchases["day"] > purchases["customer"].map(by["min"])]
    mean = repeats.groupby("customer")["value"].mean().reindex(by.index).fillna(0.0)
    first = by["min"].to_numpy(float)
    return {
        "x": by["size"].to_numpy(float) - 1,
        "t_x": by["max"].to_numpy(float) - first,
        "T": last_day - first,
        "m": mean.to_numpy(float),
    }


def outcome(shop: dict[str, Floats], model: type[BetaGeoModel]) -> str:
    """Fit a shop and compute every figure; say how it ended."""
    x, t_x, T, m = (shop[name] for name in ("x", "t_x", "T", "m"))
    if not x.any():
        return "nobody came back"
    try:
        fit = model().fit(x, t_x, T)
    except InputError:
        return "refused"
    try:
        of_spend = GammaGammaModel().fit(x, m)
        spend, covariance = of_spend.parameters, of_spend.log_covariance.tolist()
    except InputError:
        spend = SpendParameters(1.0, 1.0, 30.0, individual=False, limits=("equal_purchases", "equal_means"))
        covariance = np.zeros((3, 3)).tolist()
    some = slice(0, ROWS)
    history = (x[some], t_x[some], T[some])
    spent = (np.where(m > 0, x, 0.0)[some], m[some])
    known = {"draws": DRAWS, "uncertainty": Uncertainty(fit.log_covariance.tolist(), covariance)}
    low, high = revenue_interval(HORIZON, *history, *spent, fit.parameters, spend, **known)
    clv_low, clv, clv_high = clv_interval(YEAR, 0.1, *history, *spent, fit.parameters, spend, **known)
    chance, expected = (of(HORIZON, *history, fit.parameters) for of in (p_purchase, expected_purchases))
    figures = [
        *(low, high, clv_low, clv, clv_high, chance, expected, p_alive(*history, fit.parameters)),
        discounted_purchases(YEAR, 0.1, *history, fit.parameters),
        expected_spend(*spent, spend),
        fit.summary.to_numpy(float),
        fit.log_covariance,
    ]
    in_order = (low <= high).all() and (clv_low <= clv).all() and (clv <= clv_high).all()
    is_sound = all(np.isfinite(figure).all() for figure in figures) and in_order
    if not is_sound or (chance > expected * (1 + 1e-9)).any():
        return "not finite"
    return ", ".join(fit.parameters.limits) or "no edge"


def calibration(customers: int, seeds: int) -> pd.DataFrame:
    """Judge p_alive of both models in shops that follow either.

    The error is the mean over customers, where p_alive is published, of the distance of p_alive from the share alive in
    their tenth of it.
    """
    rows = []
    truths = {
        "BG/NBD": PurchaseParameters(0.6, 45.0, 0.8, 2.8),
        "MBG/NBD": PurchaseParameters(0.6, 45.0, 0.8, 2.8, m=1),
    }
    for truth, parameters in truths.items():
        for name, model in zip(truths, MODELS.values(), strict=True):
            found = [_calibration_of(parameters, model, customers, seed) for seed in range(seeds)]
            mean, error = np.mean(found, axis=0), np.std(found, axis=0, ddof=1) / np.sqrt(seeds)
            rows.append(
                {
                    "true model": truth,
                    "fitted": name,
                    "published": f"{mean[0]:.1%}",
                    "error": f"{mean[1]:.4f} ({error[1]:.4f})",
                    "error with 1 for one-time buyers": f"{mean[2]:.4f} ({error[2]:.4f})",
                }
            )
    return pd.DataFrame(rows)


def _calibration_of(
    truth: PurchaseParameters, model: type[BetaGeoModel], customers: int, seed: int
) -> tuple[float, float, float]:
    rng = np.random.default_rng(seed)
    ages = rng.integers(30, 731, customers)
    purchases, alive = lived(ages, truth, rng)
    # All days are counted to the same end, so ages are those drawn.
    shop = histories(purchases, end=float(ages.max()))
    history = shop["x"], shop["t_x"], shop["T"]
    parameters = model().fit(*history).parameters
    published, whole = p_alive_if_judged(*history, parameters), p_alive(*history, parameters)
    judged = ~np.isnan(published)
    return float(judged.mean()), _error(published[judged], alive[judged]), _error(whole, alive)


def _error(p: Floats, happened: npt.NDArray[np.bool_]) -> float:
    order = np.argsort(p, kind="stable")
    groups = np.array_split(order, 10)
    return float(sum(abs(p[group].mean() - happened[group].mean()) * len(group) for group in groups) / len(p))


def table(kinds: dict[str, Callable[[], list[Purchases]]]) -> pd.DataFrame:
    """Count how the shops of each kind end, by model."""
    counts = {}
    for kind, shops in kinds.items():
        described = [histories(shop) for shop in shops()]
        for name, model in zip(("BG/NBD", "MBG/NBD"), MODELS.values(), strict=True):
            counts[kind, name] = Counter(outcome(shop, model) for shop in described)
    rows = pd.DataFrame(counts).T.fillna(0).astype(int)
    return rows.reindex(columns=[*sorted(rows.columns, key=lambda name: -rows[name].sum())])


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--online-retail", type=Path, help="a folder with both files of UCI's Online Retail II")
    parser.add_argument("--small", type=int, default=400)
    parser.add_argument("--others", type=int, default=40)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, default=5)
    arguments = parser.parse_args()
    kinds: dict[str, Callable[[], list[Purchases]]] = {
        "small": lambda: list(small_shops(arguments.small)),
        "yearly buyers": lambda: list(yearly_buyers(arguments.others)),
        "subscribers": lambda: list(subscribers(arguments.others)),
    }
    if arguments.online_retail:
        cuts = online_retail(arguments.online_retail)
        kinds |= {f"Online Retail, {name}": (lambda shops=shops: shops) for name, shops in cuts.items()}
    print(table(kinds).to_string())
    print(calibration(arguments.customers, arguments.seeds).to_string(index=False))


if __name__ == "__main__":
    main()
