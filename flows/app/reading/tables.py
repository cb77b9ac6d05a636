"""The shop's own tables, taken in once while the app starts and put in order of customers, for timelines."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from data.errors import RevealedError
from data.intake.sql import quote
from data.pseudonyms import Protection
from flows.app.told import _
from flows.faults import describe_fault
from flows.settings import TABLES, Settings
from flows.steps.store_place import locate_store
from models.registry.privacy.key_file import read_key

# Rows of a timeline, the newest.
MOST_ROWS = 300
_GROUP_ROWS = 20_000
_MEMORY = "1GB"
_PURCHASES = (
    "SELECT ts::DATE AS day, sum(amount) FILTER (amount >= 0) AS bought, sum(amount) FILTER (amount < 0) AS returned, "
    "count(*) AS lines, list_sort(list_distinct(list(category)))[:5] AS categories FROM transactions "
    "WHERE customer_id = ? AND ts < ? AND coalesce(available_at, ts) < ? GROUP BY 1 ORDER BY 1 DESC LIMIT ?"
)
_ANSWERS = (
    "SELECT coalesce(answered_at, invited_at)::DATE AS day, question, score, scale_low, scale_high, comment, "
    "touchpoint FROM answers WHERE customer_id = ? AND coalesce(answered_at, invited_at) < ? ORDER BY 1 DESC LIMIT ?"
)
_EVENTS = (
    "SELECT ts::DATE AS day, kind, value FROM events "
    "WHERE customer_id = ? AND ts < ? AND coalesce(available_at, ts) < ? ORDER BY ts DESC LIMIT ?"
)


@dataclass(frozen=True)
class Timeline:
    """What the tables hold of one customer before a date, the newest first; None for a table that is not named."""

    purchases: list[dict[str, Any]]
    answers: list[dict[str, Any]] | None
    events: list[dict[str, Any]] | None

    @property
    def is_cut(self) -> bool:
        """Whether there may be older rows than those that are shown."""
        return any(len(rows or ()) == MOST_ROWS for rows in (self.purchases, self.answers, self.events))


class ShopTables:
    """Takes the tables in that the settings name, in the background, and looks customers up in them.

    Parameters
    ----------
    settings : Settings
        They name the tables.
    folder : Path
        A private folder. The checked rows lie in it, in order of customers, until the app ends.
    """

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._settings, self._folder = settings, folder
        self._connection: duckdb.DuckDBPyConnection | None = None
        self._named: tuple[str, ...] = ()
        self._is_named = bool(settings.transactions or settings.olist)
        self.why_not: str | None = _(
            "No transactions are named, so there is no timeline. Run `revealed app` in the folder of revealed.toml, "
            "or name them with --transactions."
        )
        if self._is_named:
            self.why_not = _("The shop's tables are being read. Load this page again in a moment.")
        self.fault = ""

    def read_in_background(self) -> threading.Thread | None:
        """Begin to take the tables in; pages do not wait for it."""
        if not self._is_named:
            return None
        thread = threading.Thread(target=self.read, name="tables", daemon=True)
        thread.start()
        return thread

    def read(self) -> None:
        """Take the tables in; what goes wrong is told where a timeline would be."""
        try:
            self._read()
        except (RevealedError, duckdb.Error, OSError) as error:
            self.why_not = _("The shop's tables cannot be read, so there is no timeline:")
            is_ours = isinstance(error, RevealedError)
            self.fault = str(error) if is_ours else describe_fault(error) or type(error).__name__
            return
        self.why_not = None

    def _read(self) -> None:
        # It brings Ibis and pandas, which no other page needs.
        from flows.steps.inputs import read_inputs

        clean = self._folder / "tables"
        # A customer who is forgotten has no scores, so no timeline is asked for.
        key = read_key(locate_store(self._settings.mlruns)) if self._settings.pseudonymise else None
        read_inputs(self._settings, clean, protection=Protection(key, is_pseudonymous=key is not None))
        connection = duckdb.connect()
        for statement in (
            f"SET memory_limit = '{_MEMORY}'",
            f"SET temp_directory = {quote(str(self._folder / 'spilled'))}",
            "SET autoinstall_known_extensions = false",
        ):
            connection.execute(statement)
        named = [name for name in TABLES if (clean / f"{name}.parquet").exists() and name != "customers"]
        for name in named:
            file = self._folder / f"{name}.parquet"
            connection.execute(
                f"COPY (SELECT * FROM read_parquet({quote(str(clean / f'{name}.parquet'))}) ORDER BY customer_id) "
                f"TO {quote(str(file))} (FORMAT parquet, ROW_GROUP_SIZE {_GROUP_ROWS})"
            )
            connection.execute(f"CREATE VIEW {name} AS SELECT * FROM read_parquet({quote(str(file))})")
        for file in clean.glob("*.parquet"):
            file.unlink()
        self._connection, self._named = connection, tuple(named)

    def of_customer(self, customer: str, before: date) -> Timeline | None:
        """Look a customer up; only what was known before a date. None while there are no tables."""
        if self.why_not is not None:
            return None
        return Timeline(
            self._rows(_PURCHASES, [customer, before, before, MOST_ROWS]),
            self._rows(_ANSWERS, [customer, before, MOST_ROWS]) if "answers" in self._named else None,
            self._rows(_EVENTS, [customer, before, before, MOST_ROWS]) if "events" in self._named else None,
        )

    def _rows(self, query: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        assert self._connection is not None, "there are tables"
        done = self._connection.cursor().execute(query, list(values))
        names = [column[0] for column in done.description]
        return [dict(zip(names, row, strict=True)) for row in done.fetchall()]
