"""The shops at which the second stage is judged, real ones and simulated ones, with their cuts."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import Path

import pandas as pd

from data.intake.pipeline import Source, take_in
from data.samples.cdnow import write_cdnow
from data.simulation.shop import ShopSettings, textbook, write_shop
from features.tables import Tables, open_tables

START, DAYS = date(2023, 1, 1), 730


@dataclass(frozen=True)
class CutShop:
    """A shop, the cuts to judge at, its first day and the day before which all is known; horizons in days."""

    name: str
    tables: Tables
    cuts: tuple[date, ...]
    first_day: date
    end: date
    horizon: int = 90
    year: int = 365


def shops(
    online_retail: Path | None, grocery: Path | None, customers: int, seeds: int, folder: Path
) -> Iterator[CutShop]:
    """Yield each shop; folders of those that are not part of this repository may be None."""
    if online_retail is not None:
        yield from _online_retail(online_retail, folder / "retail")
    if grocery is not None:
        yield from _grocery(grocery, folder / "grocery")
    files = write_cdnow(folder / "cdnow" / "raw")
    tables = _taken_in({name: str(file) for name, file in files.items()}, folder / "cdnow" / "clean")
    first_day, end = date(1997, 1, 1), date(1998, 7, 1)
    cuts = (date(1997, 7, 1), date(1997, 10, 1), date(1998, 1, 1), date(1998, 4, 2))
    cdnow = CutShop("CDNOW", tables, cuts, first_day, end, year=270)
    yield cdnow
    later = ("1997-08-15", "1997-11-15", "1998-02-15")
    yield from _held_out(cdnow, {60: (*later, "1997-10-01"), 90: later})
    yield from _simulated(customers, seeds, folder / "simulated")


def _held_out(shop: CutShop, cuts: Mapping[int, tuple[str, ...]]) -> Iterator[CutShop]:
    """Give a shop at cuts by horizon that had no part in choosing a setting of the second stage."""
    for horizon, days in cuts.items():
        there = tuple(map(date.fromisoformat, days))
        yield replace(shop, name=f"{shop.name}, held out", cuts=there, horizon=horizon)


def _online_retail(source: Path, folder: Path) -> Iterator[CutShop]:
    """Give both files as transactions: the second one from December 2010 on, as both hold the first days of it."""
    names = {"Invoice": "order_id", "InvoiceNo": "order_id", "Price": "UnitPrice"}
    parts = []
    for file in sorted(source.glob("*.parquet")):
        lines = pd.read_parquet(file).rename(columns=names | {"Customer ID": "CustomerID"}).dropna(subset="CustomerID")
        parts.append(
            pd.DataFrame(
                {
                    "customer_id": lines["CustomerID"].astype("int64").astype(str),
                    "ts": pd.to_datetime(lines["InvoiceDate"]),
                    "amount": (lines["Quantity"] * lines["UnitPrice"]).round(4),
                    "order_id": lines["order_id"].astype(str),
                    "quantity": lines["Quantity"].astype(float),
                }
            )
        )
    earlier, later = parts
    rows = pd.concat([earlier[earlier["ts"] < "2010-12-01"], later])
    tables = taken_in_frame(rows, folder)
    cuts = tuple(map(date.fromisoformat, ("2011-01-01", "2011-03-15", "2011-06-13", "2011-09-11")))
    first_day, end = date(2009, 12, 1), date(2011, 12, 10)
    yield CutShop("Online Retail", tables, cuts, first_day, end)
    # The last dates that are followed by a year, or nearly.
    shop = CutShop("Online Retail", tables, (date(2010, 9, 10), date(2010, 12, 9)), first_day, end)
    yield shop
    early = ("2010-10-01", "2010-12-01", "2011-02-15", "2011-05-01", "2011-07-25", "2011-08-20")
    yield from _held_out(shop, {60: (*early, "2011-10-01"), 90: early})


def _grocery(source: Path, folder: Path) -> Iterator[CutShop]:
    """Give the grocery log, which knows no amounts: every purchase is worth 1."""
    log = pd.read_csv(source / "events.csv.gz")
    rows = pd.DataFrame(
        {"customer_id": "g" + log["cust"].astype(str), "ts": pd.to_datetime(log["date"]), "amount": 1.0}
    )
    tables = taken_in_frame(rows, folder)
    first_day, end = date(2006, 1, 1), date(2007, 12, 31)
    cuts = (date(2006, 12, 31), date(2007, 7, 1), date(2007, 10, 2))
    for horizon in (14, 90):
        yield CutShop("grocery", tables, cuts, first_day, end, horizon)
    middle = ("2007-03-01", "2007-05-15", "2007-08-15")
    days = {30: ("2006-10-01", *middle, "2007-11-15"), 60: ("2006-10-01", *middle, "2007-10-25"), 90: middle}
    yield from _held_out(CutShop("grocery", tables, (), first_day, end), days)


def _simulated(customers: int, seeds: int, folder: Path) -> Iterator[CutShop]:
    kinds = {
        "dropout driven by covariates": (ShopSettings(), ("transactions", "events")),
        # Without events nothing in the data knows more than the purchases, of which BG/NBD is exactly true.
        "BG/NBD is true": (textbook(), ("transactions",)),
    }
    end = START + timedelta(days=DAYS)
    for name, (settings, tables) in kinds.items():
        for size in (600, customers):
            for seed in range(1, seeds + 1):
                there = folder / f"{name} {size} {seed}".replace(" ", "_")
                files = write_shop(there / "raw", size, seed, days=DAYS, start=START, settings=settings)
                clean = _taken_in({table: str(files[table]) for table in tables}, there / "clean")
                cuts = (end - timedelta(days=365), end - timedelta(days=90))
                yield CutShop(f"{name}, seed {seed}", clean, cuts, START, end)


def taken_in_frame(rows: pd.DataFrame, folder: Path) -> Tables:
    folder.mkdir(parents=True)
    rows.to_parquet(folder / "transactions.parquet")
    return _taken_in({"transactions": str(folder / "transactions.parquet")}, folder / "clean")


def _taken_in(files: dict[str, str], folder: Path) -> Tables:
    take_in({name: Source((file,)) for name, file in files.items()}, folder)
    return open_tables(folder)
