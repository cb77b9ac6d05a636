"""How many customers leave an RFM segment within a month in which nobody changes: by chance and the passing of time.

Customers buy and drop out as BG/NBD says, with the parameters of the CDNOW sample, over two years; nothing changes
between the two dates. Printed are, for each segment, how many of its customers are in another one 30 days later, how
many of them bought nothing since, and how many were expected to by the true parameters.

Run: python -m benchmarks.time_alone [--customers 100000] [--replicates 10] [--days 30]
"""

import argparse

import numpy as np
import pandas as pd
from rich.console import Console
from rich.table import Table

from models.monitoring.transitions import moved_by_time
from models.scoring.bg_nbd import p_purchase
from models.scoring.parameters import PurchaseParameters
from models.segments.rfm import RfmCuts, rfm_scores
from models.segments.segment_names import SEGMENTS

PARAMETERS = PurchaseParameters(0.2426, 7 * 4.4136, 0.7929, 2.4259)
YEARS = 2 * 365
MOST_PURCHASES = 400


def simulate(customers: int, days: int, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Give frequency, recency, T and total_value of everyone at two dates, so many days apart."""
    of = PARAMETERS
    rate = rng.gamma(of.r, 1.0 / of.alpha, customers)
    dropout = rng.beta(of.a, of.b, customers)
    age = rng.integers(1, YEARS, customers).astype(float)
    value = np.exp(rng.normal(3.5, 0.6, customers))
    purchases = np.minimum(rng.geometric(dropout), MOST_PURCHASES)
    histories = [age * 0.0, age * 0.0]
    last = [age * 0.0, age * 0.0]
    time = np.zeros(customers)
    for number in range(MOST_PURCHASES):
        time = time + rng.exponential(1.0 / np.maximum(rate, 1e-12))
        # A customer drops out after a purchase.
        happens = number < purchases
        ends = (age, age + days)
        if not (happens & (time < ends[1])).any():
            break
        for which, end in enumerate(ends):
            here = happens & (time < end)
            # Days, as the tables hold them.
            new = here & (np.floor(time) > last[which])
            histories[which] += new
            last[which] = np.where(new, np.floor(time), last[which])
    frames = [
        pd.DataFrame({"frequency": x, "recency": t, "T": end, "total_value": value * (x + 1)})
        for x, t, end in zip(histories, last, (age, age + days), strict=True)
    ]
    return frames[0], frames[1]


def replicate(seed: int, customers: int, days: int) -> pd.DataFrame:
    """Count the transitions of one shop, under the cut points of the first date."""
    then, now = simulate(customers, days, np.random.default_rng(seed))
    fifths = [0.2, 0.4, 0.6, 0.8]
    measures = (then["T"] - then["recency"], then["frequency"] + 1.0, then["total_value"])
    cuts = RfmCuts(*(tuple(np.quantile(each, fifths, method="inverted_cdf")) for each in measures))

    def segment(base: pd.DataFrame) -> pd.Series:
        since, number = base["T"] - base["recency"], base["frequency"] + 1.0
        return rfm_scores(since, number, base["total_value"], cuts)["segment"]

    history = (then[name].to_numpy() for name in ("frequency", "recency", "T"))
    before = pd.DataFrame(
        {
            "segment_before": segment(then),
            "segment_if_silent": segment(then.assign(T=then["T"] + days)),
            "days_since_before": then["T"] - then["recency"],
            "p_silent": 1.0 - p_purchase(days, *history, PARAMETERS),
        }
    )
    return moved_by_time(before, now.assign(segment=segment(now)), tuple(SEGMENTS), days)


def main() -> None:
    """Simulate and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=100_000)
    parser.add_argument("--replicates", type=int, default=10)
    parser.add_argument("--days", type=int, default=30)
    options = parser.parse_args()
    tables = [replicate(seed, options.customers, options.days) for seed in range(options.replicates)]
    shares = [100.0 * each[["left", "left_by_time", "expected_by_time"]].div(each["then"], axis=0) for each in tables]
    mean = pd.concat(shares).groupby(level=0, sort=False).mean()
    error = pd.concat(shares).groupby(level=0, sort=False).std() / np.sqrt(options.replicates)
    shown = Table("segment", "left, %", "bought nothing since, %", "expected, %")
    for name in mean.index[mean["left"].notna()]:
        cells = [f"{mean.loc[name, column]:.1f} ± {error.loc[name, column]:.1f}" for column in mean]
        shown.add_row(str(name), *cells)
    Console(width=110).print(shown)


if __name__ == "__main__":
    main()
