"""CDNOW as Fader and Hardie summarise it, and a simulated shop with the releases fitted on it."""

import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import lifetimes
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from data.intake.pipeline import Source, take_in
from data.simulation.shop import ShopSettings, write_shop
from features.describe import describe, materialise
from features.spine import everyone
from features.tables import Tables, open_tables
from models.population.scores_table import METADATA_KEYS, SCHEMA, to_table
from models.recipe import Recipe
from models.release.parameters import ReleaseParameters
from models.release.release import Release, fit_release


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


@dataclass(frozen=True)
class SimulatedShop:
    """A shop whose answers depend on behaviour: its raw files, its clean tables and what is true of it."""

    files: Mapping[str, Path]
    clean: Path
    as_of: date
    cutoff: date
    recipe: Recipe

    @property
    def tables(self) -> Tables:
        return open_tables(self.clean)

    @property
    def truth(self) -> pd.DataFrame:
        return pd.read_parquet(self.files["truth"])


def take(files: Mapping[str, Path], folder: Path) -> Path:
    tables = ("transactions", "answers", "events", "customers")
    take_in({name: Source((str(files[name]),)) for name in tables if name in files}, folder)
    return folder


@pytest.fixture(scope="session")
def simulated_shop(made_once: Callable[[str, Callable[[Path], object]], Path]) -> SimulatedShop:
    """1,500 customers over 400 days; half of the answers are asked for within the last 90 days."""
    settings = ShopSettings(
        invited_share=0.7, response_rate=0.4, response_behaviour=1.2, reliability=0.8, csat_share=0.6
    )

    def fill(folder: Path) -> None:
        take(write_shop(folder / "raw", 1500, seed=9, days=400, settings=settings), folder / "clean")

    folder = made_once("models-shop", fill)
    files = {file.stem: file for file in (folder / "raw").glob("*.parquet")}
    as_of, recipe = date(2023, 1, 1) + timedelta(days=400), Recipe(horizon=90, static_attributes=("region",))
    return SimulatedShop(files, folder / "clean", as_of, as_of - timedelta(days=90), recipe)


@pytest.fixture(scope="session")
def release(simulated_shop: SimulatedShop, made_once: Callable[[str, Callable[[Path], object]], Path]) -> Release:
    """Everything fitted on the whole of the simulated shop: fitted once for all workers."""

    def fit(folder: Path) -> None:
        fitted = fit_release(simulated_shop.tables, simulated_shop.as_of, simulated_shop.recipe)
        (folder / "release.pickle").write_bytes(pickle.dumps(fitted))

    fitted: Release = pickle.loads((made_once("models-release", fit) / "release.pickle").read_bytes())
    return fitted


@pytest.fixture(scope="session")
def take_frames(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Tables]:
    """Take raw tables in from frames and open them."""

    def build(**frames: pd.DataFrame) -> Tables:
        folder = tmp_path_factory.mktemp("frames")
        files = {name: folder / f"raw_{name}.parquet" for name in frames}
        for name, frame in frames.items():
            frame.to_parquet(files[name], index=False)
        return open_tables(take(files, folder / "clean"))

    return build


@pytest.fixture(scope="session")
def a_scorer() -> Callable[..., ReleaseParameters]:
    """Parameters of a release, of which a test says what matters to it, as it is stored or typed."""

    def build(**sections: Any) -> ReleaseParameters:
        stored = {name: asdict(each) if is_dataclass(each) else each for name, each in sections.items()}
        values = {
            "format": 3,
            "as_of": "2024-01-01",
            "horizon": 90,
            "churn_horizon": 365,
            "clv_horizon": 365,
            "annual_rate": 0.1,
            "margin": 1.0,
            "currency": "EUR",
            "nps_question": "nps",
            "label_gap_days": 0,
            "static_attributes": [],
            "seed": 0,
            "returns_policy": "net of the day",
            "customers": 100,
            "purchases": {"r": 0.5, "alpha": 60.0, "a": 0.8, "b": 2.5, "m": 0},
            "spend": {"p": 6.0, "q": 4.0, "v": 15.0, "individual": True},
            "nps": {"source": None, "why": "No answers were given.", "features": []},
            "nps_as_of": "2024-01-01",
            "vocabulary": {
                "purchase_columns": [],
                "channels": [],
                "event_kinds": [],
                "numeric_attributes": [],
                "text_attributes": [],
            },
            "rfm": {"recency": [10, 20, 30, 40], "frequency": [1, 2, 3, 4], "monetary": [10, 20, 30, 40]},
        }
        return ReleaseParameters.from_dict(values | stored)

    return build


@pytest.fixture(scope="session")
def described(simulated_shop: SimulatedShop, release: Release) -> pd.DataFrame:
    """The features of everyone at the release's as_of."""
    tables = simulated_shop.tables
    return materialise(describe(tables, everyone(tables.transactions, simulated_shop.as_of), release.vocabulary))


@pytest.fixture(scope="session")
def predicted(described: pd.DataFrame, release: Release) -> pd.DataFrame:
    """What the release says of everyone."""
    return release.scorer.score(described)


@pytest.fixture
def four_customers() -> pd.DataFrame:
    """Scores of four customers, in no order, with everything the contract asks for."""
    numbers = {field.name: 0.25 for field in SCHEMA if pa.types.is_floating(field.type)}
    frame = pd.DataFrame({**numbers, "customer_id": ["007", "b", "a", "ü"]})
    for name in ("as_of", "first_purchase", "last_purchase"):
        frame[name] = pd.Timestamp("2024-01-31").as_unit("us")
    frame[["frequency", "recency", "T"]] = [2, 30, 90]
    frame[["revenue_low", "clv_low"]], frame[["clv", "clv_high", "revenue_high"]] = 0.1, 90.0
    frame["p_promoter"] = 0.5
    frame["next_purchase_index_change"] = [1.5, np.nan, np.nan, -2.0]
    frame["rfm"], frame["segment"], frame["nps_category"], frame["nps_source"] = "545", "champions", "passive", "model"
    frame["nps_category_before"] = ["promoter", None, None, "passive"]
    frame["segment_before"], frame["persona"] = [None, None, "loyal", None], ["frequent", None, "frequent", None]
    frame["reasons"] = ["[]", None, None, None]
    return frame


@pytest.fixture
def published(four_customers: pd.DataFrame) -> Callable[..., pa.Table]:
    """Their table at a date, by a version of the scorer."""

    def build(as_of: str = "2024-01-31", scorer: int = 1, **changed: Any) -> pa.Table:
        said = {key: f"the {key}" for key in METADATA_KEYS} | {"scorer_version": str(scorer)}
        return to_table(four_customers.assign(as_of=pd.Timestamp(as_of).as_unit("us"), **changed), said)

    return build


@pytest.fixture
def crash_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int, str], AbstractContextManager[list[str]]]:
    """Kill the work before or after the nth call by which it writes to the store; tells the calls so far."""
    from mlflow.tracking import MlflowClient

    starts = ("create_", "delete_", "log_", "set_registered", "set_model", "set_tag")
    writing = [name for name in vars(MlflowClient) if name.startswith(starts)]

    @contextmanager
    def crashing(n: int, when: str) -> Iterator[list[str]]:
        calls: list[str] = []

        def counted(name: str, method: Callable[..., Any]) -> Callable[..., Any]:
            def call(*arguments: Any, **options: Any) -> Any:
                calls.append(name)
                number = len(calls)
                if number == n and when == "before":
                    raise KeyboardInterrupt
                done = method(*arguments, **options)
                if number == n:
                    raise KeyboardInterrupt
                return done

            return call

        with monkeypatch.context() as patch:
            for name in writing:
                patch.setattr(MlflowClient, name, counted(name, getattr(MlflowClient, name)))
            yield calls

    return crashing
