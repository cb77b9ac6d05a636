"""The job done by Revealed: from clean Parquet on disk to three figures for every customer."""

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import ibis
import ibis.backends.duckdb  # imports are no part of any side's time; ibis leaves these two to the first query
import ibis.expr.types as ir
import ibis.expr.types.groupby
import numpy as np
import pyarrow as pa
from job import ALIVE, ANNUAL_RATE, AS_OF, EXPECTED, HORIZON, PURCHASES, SPEND, SUMMARY, VALUE, YEAR, Clock

from features.purchases import purchase_statistics, spend_statistics, summarise_purchases
from features.spine import everyone
from features.tables import open_tables
from models.purchases.bg_nbd import BetaGeoModel
from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.purchases.gamma_gamma import GammaGammaModel
from models.scoring.bg_nbd import discounted_purchases, expected_purchases, p_alive
from models.scoring.gamma_gamma import expected_spend

CHUNK = 1_000_000
MEMORY = "6GB"


def chunks(table: ir.Table) -> Iterator[pa.Table]:
    """Read a table a chunk at a time; ibis 12 asks DuckDB 2 for batches by a name that is gone."""
    reader = table.get_backend().con.sql(str(ibis.to_sql(table))).to_arrow_reader(CHUNK)
    held: list[pa.RecordBatch] = []
    for batch in reader:
        held.append(batch)
        if sum(len(part) for part in held) > CHUNK - len(batch):
            yield pa.Table.from_batches(held)
            held = []
    if held:
        yield pa.Table.from_batches(held)


def numbers(table: pa.Table) -> list[np.ndarray]:
    return [column.to_numpy() for column in table.columns]


def main(folder: Path, spilled: str) -> None:
    clock = Clock()
    with clock.time(SUMMARY):
        transactions = open_tables(folder / "clean").transactions
        connection = transactions.get_backend()
        connection.raw_sql(f"SET memory_limit = '{MEMORY}'")
        connection.raw_sql(f"SET temp_directory = '{spilled}'")
        summary = summarise_purchases(transactions, everyone(transactions, AS_OF)).cache()
    with clock.time(PURCHASES, "count distinct histories"):
        counted = purchase_statistics(summary).to_pyarrow()
    with clock.time(PURCHASES, "search"):
        statistics = SufficientStatistics(*numbers(counted))
        purchases = BetaGeoModel().fit_sufficient_statistics(statistics).parameters
        del counted, statistics
    with clock.time(SPEND, "count distinct histories"):
        counted = spend_statistics(summary).to_pyarrow()
    with clock.time(SPEND, "search"):
        x, m, customers = numbers(counted)
        spend = GammaGammaModel().fit(x, m, weights=customers).parameters
        del counted, x, m, customers
    expected = value = 0.0
    scores = []
    columns = ("frequency", "recency", "T", "spend_frequency", "spend_value")
    read = chunks(summary.select("customer_id", *columns))
    while True:
        with clock.time(ALIVE, "read customers"):
            chunk = next(read, None)
            if chunk is None:
                break
            x, t_x, T, spend_x, spend_m = numbers(chunk.select(columns))
        with clock.time(ALIVE, "formula"):
            alive = p_alive(x, t_x, T, purchases)
        with clock.time(EXPECTED):
            soon = expected_purchases(HORIZON, x, t_x, T, purchases)
        with clock.time(VALUE):
            worth = discounted_purchases(YEAR, ANNUAL_RATE, x, t_x, T, purchases)
            worth *= expected_spend(spend_x, spend_m, spend)
        scores.append((chunk["customer_id"], alive, soon, worth))
        expected, value = expected + soon.sum(), value + worth.sum()
    clock.report(vars(purchases), expected, value)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as spilled:
        main(Path(sys.argv[1]), spilled)
