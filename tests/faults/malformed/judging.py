"""What must hold whatever is given to it: of an intake, that it refuses clearly or keeps or sets aside every row."""

import os
import shutil
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pyarrow.parquet as pq
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from data.errors import InputError, RefusedError
from data.intake import pipeline
from data.intake.pipeline import Rules, Source
from flows.settings import Settings
from flows.settings_file import SETTINGS_FILE
from flows.steps.inputs import rules_of
from flows.steps.sources import named_sources
from flows.steps.store_place import locate_store
from tests.faults.malformed.files import broken_files
from tests.faults.malformed.settings import environments, settings_files

SECONDS = 10
"""Longest that an intake of a small file may take of a processor."""

TAKEN = "taken"
_open_database = pipeline._open_database
CUSTOMERS = ("A", "B", "C-3", "0004")
SALES = "customer_id,ts,amount\n" + "".join(f"{each},2024-01-02,1\n" for each in CUSTOMERS)
RULES = Rules(now=datetime(2024, 6, 1, 12), quarantine_limit=1.0)


@dataclass
class Judged:
    """How many broken inputs ended in which way, and the most seconds that one of them took of a processor."""

    ended: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0

    def __str__(self) -> str:
        return f"{self.ended.total()} {dict(self.ended)}, at most {self.longest:.1f} s"


def take_broken_files(name: str, written: str, folder: Path, examples: int, start: int) -> Judged:
    """Take in so many broken files of a table in a format; tell how they ended."""
    return _run(
        broken_files(name, written, folder), lambda content: take(name, written, content, folder), examples, start
    )


def load_broken_settings(folder: Path, examples: int, start: int) -> Judged:
    """Load so many broken settings files; tell how it ended."""
    return _run(settings_files(), lambda text: load(text, {}, folder), examples, start)


def load_broken_environments(folder: Path, examples: int, start: int) -> Judged:
    """Load the settings in so many broken environments; tell how it ended."""
    return _run(environments(), lambda variables: load(b"", variables, folder), examples, start)


def _run(broken: st.SearchStrategy[Any], judge: Callable[[Any], str], examples: int, start: int) -> Judged:
    judged = Judged()

    @seed(start)
    @settings(
        max_examples=examples,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(broken)
    def judge_each(example: Any) -> None:
        began = _processor_seconds()
        judged.ended[judge(example)] += 1
        judged.longest = max(judged.longest, _processor_seconds() - began)

    judge_each()
    return judged


def _processor_seconds() -> float:
    """Return the processor seconds of this process and of those that it has waited for: a sheet has one of its own."""
    return sum(os.times()[:4])


def take(name: str, written: str, content: bytes, folder: Path) -> str:
    """Take a file in, and tell how it ended: "taken", or the kind of refusal.

    Raises
    ------
    AssertionError
        A row is lost, a refusal says nothing, or it took too long.
    """
    file, clean = folder / f"input.{written}", folder / "clean"
    file.write_bytes(content)
    clean.mkdir(exist_ok=True)
    # Sales that are always the same would take half of the time: their customers are known without.
    with _judging() as ended, mock.patch.object(pipeline, "_open_database", _open_with_customers):
        intake = pipeline._take_in({name: Source(file)}, clean, RULES, None, 0)
        report = intake.tables[name]
        kept = pq.ParquetFile(clean / f"{name}.parquet").metadata.num_rows
        quarantine = pq.read_table(clean / "quarantine.parquet")["table"].to_pylist()
        assert report.rows_read == kept + quarantine.count(name)
        assert (report.rows_valid, report.set_aside) == (kept, quarantine.count(name))
        shutil.rmtree(clean)
    return ended[0]


def _open_with_customers(working: Path, rules: Rules) -> duckdb.DuckDBPyConnection:
    """Open the working database as after sales to `CUSTOMERS`."""
    connection = _open_database(working, rules)
    connection.execute("INSERT INTO known_customers SELECT unnest($1)", [CUSTOMERS])
    return connection


def load(text: bytes, variables: Mapping[str, str], folder: Path) -> str:
    """Load the settings of a file and an environment, and all that is made of them before anything is read."""
    (folder / SETTINGS_FILE).write_bytes(text)
    before = Path.cwd()
    os.chdir(folder)
    try:
        with mock.patch.dict(os.environ, variables), _judging() as ended:
            loaded = Settings.load()
            rules_of(loaded)
            named_sources(loaded)
            locate_store(loaded.mlruns)
    finally:
        os.chdir(before)
    return ended[0]


@contextmanager
def _judging() -> Any:
    """Let only clear refusals end what is done; give a list with how it ended."""
    ended = [TAKEN]
    began = _processor_seconds()
    try:
        yield ended
    except (InputError, RefusedError) as error:
        assert len(str(error)) > 20, error
        assert "Traceback" not in str(error)
        ended[0] = type(error).__name__
    assert _processor_seconds() - began < SECONDS
