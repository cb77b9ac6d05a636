"""Write the simulated shop: BG/NBD and Gamma-Gamma exactly, about six lines each, in the order of time."""

import sys
from pathlib import Path

import duckdb
from job import DAYS, START

from data.intake.pipeline import Source, take_in
from data.simulation.shop import textbook, write_shop

MEMORY = "4GB"


def main(customers: int, folder: Path) -> None:
    files = write_shop(folder / "raw", customers, seed=1, days=DAYS, start=START, settings=textbook())
    for name in files.keys() - {"transactions"}:
        files[name].unlink()
    with duckdb.connect() as connection:
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute(f"SET temp_directory = '{folder / 'spilled'}'")
        # A shop's log is written as time goes by, so its customers come mixed.
        log = folder / "log.parquet"
        raw = f"SELECT * FROM read_parquet('{files['transactions']}') ORDER BY ts, customer_id"
        connection.execute(f"COPY ({raw}) TO '{log}' (FORMAT parquet)")
        files["transactions"].unlink()
        take_in({"transactions": Source(str(log))}, folder / "clean")
        log.unlink()
        # What a user of the peers holds: plain numbers, no decimals.
        lines = f"FROM read_parquet('{folder / 'clean' / 'transactions.parquet'}')"
        plain = f"SELECT customer_id, ts, amount::DOUBLE AS amount {lines}"
        connection.execute(f"COPY ({plain}) TO '{folder / 'plain.parquet'}' (FORMAT parquet)")
        counted = connection.execute(f"SELECT count(*) {lines}").fetchone()
    assert counted is not None
    (folder / "lines").write_text(str(counted[0]))


if __name__ == "__main__":
    main(int(sys.argv[1]), Path(sys.argv[2]))
