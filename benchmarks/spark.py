"""Scores and learns from a simulated shop on one machine and on Spark, and compares both: by hand, with Java.

Pseudonyms stand for ids, and a customer is forgotten.

    python -m benchmarks.spark --customers 20000 --remote sc://127.0.0.1:15002

The server is started with all of pyspark 4.0 and a Java runtime, and the Python of this project for its workers:

    export PYSPARK_PYTHON=$PWD/.venv/bin/python PYTHONPATH=$PWD
    $SPARK_HOME/bin/spark-submit --master "local[2]" --class org.apache.spark.sql.connect.service.SparkConnectServer

The tests run there, too: SPARK_SERVER_OF_TESTS=sc://127.0.0.1:15002 pytest tests/consumers/spark.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from data.simulation.shop import ShopSettings, write_shop
from flows.retrain import retrain
from flows.score import score
from flows.settings import TABLES, Settings
from models.registry.privacy.forgotten import customer_key, put_on_list
from models.registry.reading import read_scores
from models.registry.scorers import read_champion
from models.registry.store import Store, open_store
from models.registry.tracking import read_json
from models.release.parameters import ReleaseParameters

COUNTED = ("rows_valid", "set_aside", "identical_lines", "forgotten")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--customers", type=int, default=20_000)
    parser.add_argument("--remote", required=True, help="sc://HOST:PORT of a Spark Connect server that sees this disk")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        bench(Path(name), arguments.customers, arguments.remote)


def bench(folder: Path, customers: int, remote: str) -> None:
    shop = ShopSettings(invited_share=0.5, response_rate=0.3)
    files = write_shop(folder / "shop", customers, seed=7, settings=shop)
    tables: dict[str, Any] = {table: [str(files[table])] for table in TABLES}
    lines = pq.read_table(files["transactions"], columns=["ts"])["ts"].to_pandas()
    as_of = lines.max().date() + timedelta(days=1)
    settings = {**tables, "mlruns": str(folder / "mlruns"), "pseudonymise": True}
    # What is decided by looking back at a sample may be decided otherwise.
    earlier = as_of - timedelta(days=66)
    decided: dict[str, Any] = {"purchase_model": "bg_nbd", "season": "off", "as_of": earlier}
    store = forgetful(folder / "mlruns")
    retrain(Settings(**settings, **decided))
    # What it predicts is put beside the answers that have come since.
    score(Settings(**settings, as_of=earlier))
    (folder / "shared").mkdir()
    spark = {"engine": "spark", "spark_remote": remote, "scores_location": str(folder / "shared")}
    # The first run of a server also loads and compiles its own code.
    for_first, _ = timed(lambda: score(Settings(**settings, **spark, as_of=as_of)))
    there, published = timed(lambda: score(Settings(**settings, **spark, as_of=as_of)))
    here, own = timed(lambda: score(Settings(**settings, as_of=as_of)))
    runs = (own.run_id, published.run_id)
    off = largest_difference(*(read_scores(store, each.version).to_pandas() for each in (own, published)))
    print(f"{customers:,} customers, {len(lines):,} lines: one machine {here:.1f} s, Spark {there:.1f} s", end="")
    print(f" (first run of the server {for_first:.1f} s); largest relative difference of any score {off:.1e}")
    judged = [read_json(store, run, "change/prospective_calibration.json") for run in runs]
    figures = pd.DataFrame([numbers_in(each) for each in judged])
    print(
        f"published predictions beside {judged[0]['answers']} answers: largest difference of {figures.shape[1]}", end=""
    )
    print(f" figures {float((figures.iloc[1] - figures.iloc[0]).abs().max()):.1e}")
    counts = [read_json(store, run, "intake.json")["tables"] for run in runs]
    told = [{name: [table[part] for part in COUNTED] for name, table in each.items()} for each in counts]
    assert told[0] == told[1], told
    print(f"{', '.join(COUNTED)}: {told[1]}")
    few = {**settings, **spark, "mlruns": str(folder / "few"), "learn_from": customers // 4}
    shutil.copytree(folder / "mlruns" / "privacy", folder / "few" / "privacy")
    forgetful(folder / "few")
    learned, _ = timed(lambda: retrain(Settings(**few, **decided)))
    fits = [read_champion(open_store(each["mlruns"])).release.parameters for each in (settings, few)]
    moved = max(abs(now / then - 1.0) for then, now in zip(*map(numbers_of, fits), strict=True))
    print(f"retrain from a quarter of the customers {learned:.1f} s; largest difference of a parameter {moved:.1e}")


def forgetful(place: Path) -> Store:
    """Open a store that has forgotten a customer."""
    store = open_store(str(place))
    put_on_list(store, customer_key(store).pseudonym("00000007"))
    return store


def numbers_in(figures: dict[str, Any]) -> dict[str, float]:
    """Give the numbers of a comparison by the path to them."""
    flat = pd.json_normalize(figures).iloc[0]
    return {name: float(value) for name, value in flat.items() if isinstance(value, int | float)}


def numbers_of(parameters: ReleaseParameters) -> list[float]:
    """Give the parameters of the purchase and spend models, which are fitted on everyone."""
    numbers = [*asdict(parameters.purchases).values(), *asdict(parameters.spend).values()]
    return [each for each in numbers if isinstance(each, float)]


def timed(run: Callable[[], Any]) -> tuple[float, Any]:
    start = time.perf_counter()
    result = run()
    return time.perf_counter() - start, result


def largest_difference(here: pd.DataFrame, there: pd.DataFrame) -> float:
    """Compare all columns; other columns than doubles must be equal."""
    largest = 0.0
    for name in here.columns:
        if pd.api.types.is_float_dtype(here[name]):
            off = (here[name] - there[name]).abs() / np.maximum(1.0, here[name].abs())
            assert (here[name].isna() == there[name].isna()).all(), name
            largest = max(largest, float(off.max(skipna=True)) if off.notna().any() else 0.0)
        else:
            assert here[name].astype(str).tolist() == there[name].astype(str).tolist(), name
    return largest


if __name__ == "__main__":
    main()
