"""What the whole job cannot be faster than: reading its files once, and one GROUP BY customer over each."""

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from benchmarks.whole.steps import TABLES

_GROUPED = "CREATE OR REPLACE TEMP TABLE grouped AS SELECT customer_id, count(*) FROM read_parquet('{}') GROUP BY ALL"


def processor_seconds(work: Callable[[], object]) -> float:
    """Time some work, threads included."""
    start = time.process_time()
    work()
    return time.process_time() - start


def read(file: Path) -> None:
    """Read every column of a file, batch by batch."""
    with pq.ParquetFile(file) as stored:
        for _ in stored.iter_batches():
            pass


def main(shop: Path) -> None:
    """Print one line of JSON: seconds of both floors by table, and the rows of each."""
    files = {name: shop / f"{name}.parquet" for name in TABLES}
    with duckdb.connect() as connection:
        floors = {
            name: {
                "rows": pq.read_metadata(file).num_rows,
                "read": processor_seconds(lambda file=file: read(file)),  # type: ignore[misc]
                "grouped": processor_seconds(lambda file=file: connection.execute(_GROUPED.format(file))),  # type: ignore[misc]
            }
            for name, file in files.items()
        }
    print(json.dumps(floors))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
