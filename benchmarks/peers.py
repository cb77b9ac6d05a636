"""The same job done by the peers, each with its own functions, from a DataFrame that is already in memory."""

import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
from job import (
    ALIVE,
    EXPECTED,
    HORIZON,
    LAST_DAY,
    MONTHLY_RATE,
    PURCHASES,
    SPEND,
    SUMMARY,
    VALUE,
    WEEKLY_RATE,
    Clock,
)


def lifetimes(lines: pd.DataFrame) -> None:
    from lifetimes import BetaGeoFitter, GammaGammaFitter
    from lifetimes.utils import summary_data_from_transaction_data

    clock = Clock()
    with clock.time(SUMMARY):
        base = summary_data_from_transaction_data(
            lines, "customer_id", "ts", monetary_value_col="amount", observation_period_end=LAST_DAY
        )
    history = (base["frequency"], base["recency"], base["T"])
    with clock.time(PURCHASES):
        purchases = BetaGeoFitter().fit(*history)
    with clock.time(SPEND):
        priced = base[(base["frequency"] > 0) & (base["monetary_value"] > 0)]
        spend = GammaGammaFitter().fit(priced["frequency"], priced["monetary_value"])
    with clock.time(ALIVE):
        purchases.conditional_probability_alive(*history)
    with clock.time(EXPECTED):
        soon = purchases.predict(HORIZON, *history)
    with clock.time(VALUE):
        worth = spend.customer_lifetime_value(
            purchases, *history, base["monetary_value"], time=12, discount_rate=MONTHLY_RATE
        )
    clock.report(purchases.params_, soon.sum(), worth.sum())


def clvkit(lines: pd.DataFrame) -> None:
    from clvkit import BGNBD, CLV, CustomerBase, GammaGamma

    class Fitted:
        """Lets `CLV` take a model that has been fitted already, so that each step is timed by itself."""

        def __init__(self, model: BGNBD | GammaGamma) -> None:
            self.predict = model.predict

        def fit(self, _: CustomerBase) -> "Fitted":
            return self

    clock = Clock()
    with clock.time(SUMMARY):
        # Weeks at the resolution of days, as its manual advises: 52 steps to a year instead of 365.
        end = pd.Timestamp(LAST_DAY) + pd.Timedelta(hours=23, minutes=59, seconds=59)
        base = CustomerBase.from_transactions(
            lines, datetime_col="ts", time_unit="W", collapse="D", observation_period_end=end
        )
    with clock.time(PURCHASES):
        purchases = BGNBD().fit(base)
    with clock.time(SPEND):
        spend = GammaGamma().fit(base)
    with clock.time(ALIVE):
        purchases.probability_alive()
    with clock.time(EXPECTED):
        soon = purchases.predict(HORIZON / 7).to_pandas()
    with clock.time(VALUE):
        both = CLV(Fitted(purchases), Fitted(spend), check_independence=False).fit(base)
        worth = both.predict(horizon=52, discount_rate=WEEKLY_RATE).to_pandas()["clv"]
    in_days = dict(purchases.params_)
    in_days["alpha"] *= 7
    clock.report(in_days, np.asarray(soon, dtype=float).sum(), worth.sum())


def pymc_marketing(lines: pd.DataFrame) -> None:
    from pymc_marketing.clv import BetaGeoModel, GammaGammaModel, rfm_summary

    clock = Clock()
    with clock.time(SUMMARY):
        base = rfm_summary(
            lines, "customer_id", "ts", monetary_value_col="amount", observation_period_end=str(LAST_DAY)
        )
    with clock.time(PURCHASES):
        purchases = BetaGeoModel()
        purchases.fit(base, method="map", progressbar=False)
    with clock.time(SPEND):
        priced = base[(base["frequency"] > 0) & (base["monetary_value"] > 0)]
        spend = GammaGammaModel()
        spend.fit(priced, method="map", progressbar=False)
    with clock.time(ALIVE):
        purchases.expected_probability_alive(base)
    with clock.time(EXPECTED):
        soon = purchases.expected_purchases(base, future_t=HORIZON)
    with clock.time(VALUE):
        worth = spend.expected_customer_lifetime_value(
            purchases, base, future_t=12, discount_rate=MONTHLY_RATE, time_unit="D"
        )
    estimates = {name: purchases.fit_result[name].item() for name in ("r", "alpha", "a", "b")}
    clock.report(estimates, float(soon.sum()), float(worth.sum()))


PEERS = {"lifetimes": lifetimes, "clvkit": clvkit, "pymc-marketing": pymc_marketing}

if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    np.seterr(all="ignore")
    PEERS[sys.argv[1]](pd.read_parquet(Path(sys.argv[2]) / "plain.parquet"))
