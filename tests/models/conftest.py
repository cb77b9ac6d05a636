"""CDNOW as Fader and Hardie summarise it: the real purchases that ship inside lifetimes."""

from pathlib import Path

import lifetimes
import numpy as np
import pandas as pd
import pytest


def read_cdnow(name: str, columns: list[int], header: int) -> pd.DataFrame:
    file = Path(lifetimes.__file__).parent / "datasets" / name
    raw = pd.read_csv(file, sep=r"\s+", header=None, skiprows=header, usecols=columns)
    raw.columns = ["customer_id", "date", "value"]
    raw["date"] = pd.to_datetime(raw["date"].astype(str), format="%Y%m%d")
    return raw


def summarise(transactions: pd.DataFrame, end: str) -> pd.DataFrame:
    """One purchase per customer and day up to ``end``; times in weeks at day resolution."""
    seen = transactions[transactions["date"] <= end]
    days = seen.groupby(["customer_id", "date"], as_index=False)["value"].sum()
    repeats = days[days.duplicated("customer_id")]
    customers = days.groupby("customer_id")["date"].agg(["min", "max", "size"])
    return pd.DataFrame(
        {
            "frequency": customers["size"] - 1,
            "recency": (customers["max"] - customers["min"]).dt.days / 7,
            "T": (pd.Timestamp(end) - customers["min"]).dt.days / 7,
            "monetary_value": repeats.groupby("customer_id")["value"].mean().reindex(customers.index).fillna(0.0),
        }
    )


@pytest.fixture(scope="session")
def cdnow_transactions() -> pd.DataFrame:
    """The purchases of the sample of 2,357 customers."""
    return read_cdnow("CDNOW_sample.txt", [0, 2, 4], header=0)


@pytest.fixture(scope="session")
def cdnow_sample(cdnow_transactions: pd.DataFrame) -> pd.DataFrame:
    """The sample's customers on 1997-09-30, times in weeks."""
    return summarise(cdnow_transactions, "1997-09-30")


@pytest.fixture(scope="session")
def cdnow_master() -> pd.DataFrame:
    """All 23,570 customers on 1997-09-30, times in weeks."""
    return summarise(read_cdnow("CDNOW_master.txt", [0, 1, 3], header=1), "1997-09-30")


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(1997)
