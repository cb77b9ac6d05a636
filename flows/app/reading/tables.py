"""The shop's own tables, taken in once while the app starts and put in order of customers, for timelines."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from data.intake.sql import identifier, quote
from flows.app.reading.preparing import MEMORY, Preparation, prepare_or_tell
from flows.app.told import _
from flows.settings import TABLES, Settings
from models.registry.privacy.open_apps import settle

# Rows of a timeline, the newest.
MOST_ROWS = 300
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
        self._preparation: Preparation | None = None

    def read_in_background(self) -> threading.Thread | None:
        """Begin to take the tables in, in a process of its own; pages do not wait for it."""
        if not self._is_named:
            settle(self._folder)
            return None
        self._preparation = preparation = Preparation(self._settings, self._folder)
        thread = threading.Thread(target=lambda: self._open(preparation.wait()), name="tables", daemon=True)
        thread.start()
        return thread

    def read(self) -> None:
        """Take the tables in; what goes wrong is told where a timeline would be."""
        self._open(prepare_or_tell(self._settings, self._folder))

    def close(self) -> None:
        """End what is read still."""
        if self._preparation is not None:
            self._preparation.stop()

    def _open(self, fault: str) -> None:
        """Open the tables that were prepared."""
        settle(self._folder)
        if fault:
            self.why_not, self.fault = _("The shop's tables cannot be read, so there is no timeline:"), fault
            return
        connection = duckdb.connect()
        connection.execute(f"SET memory_limit = '{MEMORY}'")
        connection.execute("SET autoinstall_known_extensions = false")
        files = {name: self._folder / f"{name}.parquet" for name in TABLES}
        there = {name: file for name, file in files.items() if file.exists()}
        for name, file in there.items():
            source = f"read_parquet({quote(str(file))})"
            connection.execute(f"CREATE VIEW {identifier(name)} AS SELECT * FROM {source}")
        self._connection, self._named, self.why_not = connection, tuple(there), None

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
