"""What lies in the store's folder beside the artifacts: kept rows, Prefect's database, runs that are going on."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from filelock import FileLock, Timeout

from models.registry.location import StoreLocation
from models.registry.privacy.customer import Customer
from models.registry.privacy.open_apps import is_settled
from models.registry.upkeep.workspaces import WORK

KEPT_ROWS = "kept_rows"
KEPT_TABLES = "kept_tables"
_PREFECT = "prefect/prefect.db"
# Tables and columns of Prefect's in which it keeps what runs said.
_SAID = (
    ("artifact", "data"),
    ("artifact", "description"),
    ("artifact_collection", "data"),
    ("artifact_collection", "description"),
    ("log", "message"),
    ("flow_run_state", "message"),
    ("task_run_state", "message"),
)


def running_here(location: StoreLocation) -> list[str]:
    """Name the private folders of runs that are going on, held by their processes; an app counts while it reads."""
    work = location.folder / WORK
    held = []
    for folder in sorted(each for each in work.iterdir() if each.is_dir()) if work.is_dir() else ():
        lock = FileLock(folder / ".lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            held += [] if is_settled(folder) else [folder.name]
        else:
            lock.release()
    return held


def drop_kept_rows(location: StoreLocation, customer: Customer) -> int:
    """Delete the kept rows of those files in which the customer is, and count them; the next run reads these files.

    The clean tables of the last reading go in any case: no later run uses them, as it leaves the customer out.
    """
    dropped = 0
    folder = location.folder / KEPT_ROWS
    for file in sorted(folder.glob("*.parquet")) if folder.is_dir() else ():
        if _holds(file, customer):
            file.unlink()
            file.with_suffix(".json").unlink(missing_ok=True)
            dropped += 1
    folder = location.folder / KEPT_TABLES
    for file in sorted(folder.iterdir()) if folder.is_dir() else ():
        dropped += file.suffix == ".parquet" and _holds(file, customer)
        file.unlink()
    return dropped


def _holds(file: Path, customer: Customer) -> bool:
    """Whether a customer is in a table, read a part at a time; in one without customer_id nobody is looked for."""
    ids = pa.array(sorted(customer.ids), pa.string())
    with pq.ParquetFile(file) as stored:
        if "customer_id" not in stored.schema_arrow.names:
            return False
        batches = stored.iter_batches(columns=["customer_id"])
        return any(pc.any(pc.is_in(batch.column(0), ids)).as_py() for batch in batches)


def clear_prefect(location: StoreLocation, customer: Customer) -> int:
    """Take the customer out of what Prefect keeps in the store's folder, and count the places."""
    database = location.folder / _PREFECT
    if not database.exists():
        return 0
    cleared = 0
    with closing(sqlite3.connect(database, timeout=60)) as connection:
        there = {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
        with connection:
            for table, column in _SAID:
                if table not in there:
                    continue
                for row, text in connection.execute(f"SELECT rowid, {column} FROM {table}").fetchall():
                    told, places = customer.out_of_text(text) if isinstance(text, str) else (text, 0)
                    if places:
                        connection.execute(f"UPDATE {table} SET {column} = ? WHERE rowid = ?", (told, row))
                        cleared += places
        if cleared:
            connection.execute("VACUUM")
    return cleared


def overwrite_freed_pages(database: Path | None) -> None:
    """Write an embedded store's database anew, for what was deleted in it stands there until then."""
    if database is not None:
        with closing(sqlite3.connect(database, timeout=60)) as connection:
            connection.execute("VACUUM")
