"""What each part of our job cannot be faster than: the least work that any way of doing it holds.

Timed once in a fresh process, as our job is, so that neither finds memory and files warmer than the other.
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import numpy as np
from job import AS_OF
from ours import MEMORY, numbers

from features.purchases import purchase_statistics, spend_statistics, summarise_purchases
from features.spine import everyone
from features.tables import open_tables
from models.purchases.bg_nbd_likelihood import SufficientStatistics
from models.purchases.bg_nbd_likelihood import log_likelihood_and_derivatives as purchase_pass
from models.purchases.gamma_gamma_likelihood import SpendHistories
from models.purchases.gamma_gamma_likelihood import log_likelihood_and_derivatives as spend_pass
from models.scoring.parameters import PurchaseParameters, SpendParameters

BARE = "SELECT customer_id, count(*), sum(amount), min(ts), max(ts) FROM read_parquet('{}') GROUP BY customer_id"


def timed(function: Callable[[], object]) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


def main(folder: Path, spilled: str) -> None:
    file = folder / "clean" / "transactions.parquet"
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(f"SET temp_directory = '{spilled}'")
        query = f"CREATE OR REPLACE TEMP TABLE bare AS {BARE.format(file)}"
        bare = timed(lambda: connection.execute(query))
    transactions = open_tables(folder / "clean").transactions
    engine = transactions.get_backend()
    engine.raw_sql(f"SET memory_limit = '{MEMORY}'")
    engine.raw_sql(f"SET temp_directory = '{spilled}'")
    summary = summarise_purchases(transactions, everyone(transactions, AS_OF)).cache()
    statistics = SufficientStatistics(*numbers(purchase_statistics(summary).to_pyarrow()))
    histories = SpendHistories(*numbers(spend_statistics(summary).to_pyarrow()))
    ages = numbers(summary.select("T").to_pyarrow())[0]
    purchases = PurchaseParameters(r=0.6, alpha=50.0, a=0.8, b=2.8)
    spend = SpendParameters(p=6.0, q=4.0, v=15.0)
    customers = len(ages)
    grouped = {
        name: f"SELECT {', '.join(names)}, count(*) FROM {summary.get_name()} {where} GROUP BY ALL"
        for name, names, where in (
            ("purchases", ("frequency", "recency", '"T"'), ""),
            ("spend", ("spend_frequency", "spend_value"), "WHERE spend_frequency > 0"),
        )
    }
    floors = {
        "bare": bare,
        "group purchases": timed(lambda: engine.con.sql(grouped["purchases"]).to_arrow_table()),
        "purchase pass": timed(lambda: purchase_pass(purchases, statistics)),
        "group spend": timed(lambda: engine.con.sql(grouped["spend"]).to_arrow_table()),
        "spend pass": timed(lambda: spend_pass(spend, histories)),
        "formula": timed(lambda: np.exp(-np.log1p(ages))),
    }
    facts = {"customers": customers, "purchase histories": len(statistics.x), "spend histories": len(histories.x)}
    print(json.dumps({"floors": floors, "facts": facts}))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as spilled:
        main(Path(sys.argv[1]), spilled)
