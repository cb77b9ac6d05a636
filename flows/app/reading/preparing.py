"""The shop's tables, taken in by a process of their own and put in order of customers, while the app answers."""

import os
import signal
from contextlib import suppress
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path

import duckdb

from data.errors import RevealedError
from data.intake.sql import quote
from data.pseudonyms import Protection
from flows.faults import describe_fault
from flows.settings import TABLES, Settings
from flows.steps.store_place import locate_store
from models.registry.privacy.key_file import read_key

MEMORY = "1GB"
_GROUP_ROWS = 20_000
# Pages come first.
_NICENESS = 10
_PATIENCE = 5.0


class Preparation:
    """Prepares the tables in a process of its own, which takes gigabytes for a while and yields to pages.

    Parameters
    ----------
    settings, folder
        As for `prepare`.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        context = get_context("spawn")
        self._told, telling = context.Pipe(duplex=False)
        self._process: SpawnProcess = context.Process(
            target=_prepare_apart, args=(settings, folder, telling), name="tables", daemon=True
        )
        self._process.start()
        telling.close()

    def wait(self) -> str:
        """Wait for the end; gives what went wrong, or nothing."""
        try:
            return str(self._told.recv())
        except (EOFError, OSError):
            self._process.join(_PATIENCE)
            return f"the process that reads them ended early, with {self._process.exitcode}; is there memory for it?"

    def stop(self) -> None:
        """End it, whatever it does."""
        self._process.kill()
        self._process.join(_PATIENCE)


def prepare(settings: Settings, folder: Path) -> None:
    """Take the tables in that the settings name, and write them in order of customers.

    Parameters
    ----------
    settings : Settings
        They name the tables.
    folder : Path
        A private folder; a Parquet file for each table with rows of customers is put there.
    """
    # It brings Ibis and pandas, which no page needs.
    from flows.steps.inputs import read_inputs

    clean = folder / "tables"
    # A customer who is forgotten has no scores, so no timeline is asked for.
    key = read_key(locate_store(settings.mlruns)) if settings.pseudonymise else None
    read_inputs(settings, clean, protection=Protection(key, is_pseudonymous=key is not None))
    with duckdb.connect() as connection:
        for statement in (
            f"SET memory_limit = '{MEMORY}'",
            f"SET temp_directory = {quote(str(folder / 'spilled'))}",
            "SET autoinstall_known_extensions = false",
        ):
            connection.execute(statement)
        for name in TABLES:
            if name == "customers" or not (clean / f"{name}.parquet").exists():
                continue
            connection.execute(
                f"COPY (SELECT * FROM read_parquet({quote(str(clean / f'{name}.parquet'))}) ORDER BY customer_id) "
                f"TO {quote(str(folder / f'{name}.parquet'))} (FORMAT parquet, ROW_GROUP_SIZE {_GROUP_ROWS})"
            )
    for file in clean.glob("*.parquet"):
        file.unlink()


def prepare_or_tell(settings: Settings, folder: Path) -> str:
    """Prepare the tables; gives what went wrong, or nothing."""
    try:
        prepare(settings, folder)
    except (RevealedError, duckdb.Error, OSError) as error:
        is_ours = isinstance(error, RevealedError)
        return str(error) if is_ours else describe_fault(error) or type(error).__name__
    return ""


def _prepare_apart(settings: Settings, folder: Path, telling: Connection) -> None:
    # Ctrl+C is the app's, which ends this process.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with suppress(OSError):
        os.nice(_NICENESS)
    telling.send(prepare_or_tell(settings, folder))
