"""The version of the scores that a request shows, with all that its run and its scorer's kept, and how it is found."""

import json
import os
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from flows.app.reading.due import scorer_of
from flows.app.reading.filters import CHOICES
from flows.app.reading.scores import Scores, schema_file
from flows.app.told import nothing_published, unreadable
from models.population.scores_table import read_metadata
from models.registry.privacy.open_apps import last_forgotten
from models.registry.published_file import CURRENT, FILE, SCORES, is_published
from models.registry.version_list import SCORER, StoredVersion, VersionList

if TYPE_CHECKING:
    from models.scoring.scorer import Scorer

Figures = Mapping[str, Any]

# Files of runs, and of the scorer, that pages are made of.
FIGURES, LISTS, PARAMETERS = "report/figures.json", "action_lists.json", "artifacts/parameters.json"
# The only format of the figures that the templates know.
_FORMAT = 2
# Versions that the course of a customer's index is drawn from.
_MOST_EARLIER = 12
_NICENESS = 10


@dataclass(frozen=True, eq=False)
class Edition:
    """One version of the scores. It never changes, so whoever holds one sees one state.

    Attributes
    ----------
    version : StoredVersion
        Of the scores.
    scorer : StoredVersion or None
        The scorer that made them; None where it is gone.
    metadata : Mapping of str to str
        Of the table.
    scores : Scores
        The table.
    score, retrain : Mapping or None
        The figures that the run and that of its scorer kept for the report; None where they kept none.
    earlier : tuple of StoredVersion
        Published versions of earlier dates, the newest version of each, the newest date first.
    is_prepared : threading.Event
        Set when all is held that pages filter and sort by.
    """

    version: StoredVersion
    scorer: StoredVersion | None
    metadata: Mapping[str, str]
    scores: Scores
    score: Figures | None
    retrain: Figures | None
    earlier: tuple[StoredVersion, ...]
    _versions: VersionList = field(repr=False)
    is_prepared: threading.Event = field(default_factory=threading.Event, repr=False)

    @property
    def number(self) -> int:
        """The number of the version."""
        return self.version.version

    @property
    def as_of(self) -> date:
        """The date, exclusive, that customers are described at."""
        return date.fromisoformat(self.version.tags["as_of"])

    @cached_property
    def lists(self) -> tuple[dict[str, Any], ...] | None:
        """The rows of the action lists; None where the run kept none."""
        kept = _json_of(self._versions, self.version.artifacts, LISTS)
        if kept is None:
            return None
        return tuple(dict(zip(kept["columns"], row, strict=True)) for row in kept["data"])

    @cached_property
    def choices(self) -> Mapping[str, list[str]]:
        """The values of the columns that have few, in alphabetical order."""
        return self.scores.values(tuple(CHOICES.values()))

    @cached_property
    def scorer_model(self) -> "Scorer | None":
        """The scorer without its trees, to be asked for other horizons."""
        return scorer_of(self.parameters)

    @cached_property
    def parameters(self) -> Mapping[str, Any] | None:
        """What the scorer was fitted to; None where it is gone."""
        if self.scorer is None:
            return None
        found = _json_of(self._versions, self.scorer.place, PARAMETERS)
        return found if isinstance(found, dict) else None

    def prepare(self) -> None:
        """Read what each page of customers shows, and then hold what pages filter and sort by."""
        with suppress(duckdb.Error):
            self.choices  # noqa: B018 - it is kept
        with suppress(OSError, AttributeError):
            # Of Linux: this thread alone yields to those that answer. It runs hardly any Python, so holds up nobody.
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICENESS)
        try:
            self.scores.hold()
        finally:
            self.is_prepared.set()

    def at(self, version: StoredVersion) -> Scores | None:
        """Open the table of an earlier version; None where it cannot be read."""
        place = self._versions.file(version.place, FILE)
        with suppress(duckdb.Error):
            return None if place is None else Scores(place)
        return None


class Shelf:
    """Holds the edition that is current, and takes the next one as soon as `current` points to it.

    Parameters
    ----------
    versions : VersionList
        Of the store.
    """

    def __init__(self, versions: VersionList) -> None:
        self.versions = versions
        self._edition: Edition | None = None
        self._before: Edition | None = None
        self._forgotten = last_forgotten(versions.location)
        self._lock = threading.Lock()

    def current(self) -> Edition:
        """Return the current edition. It is asked for once a request, which then shows nothing of another.

        Raises
        ------
        ToldError
            With status 503, where nothing is published or the version cannot be read.
        """
        number = self.versions.alias(SCORES, CURRENT)
        if number is None:
            raise nothing_published(self.versions.location.shown_uri)
        held, forgotten = self._edition, last_forgotten(self.versions.location)
        if held is not None and held.number == number and forgotten == self._forgotten:
            return held
        with self._lock:
            if forgotten != self._forgotten:
                # What is held was read before a customer was taken out of the files.
                self._edition = self._before = None
                self._forgotten = forgotten
            if self._edition is None or self._edition.number != number:
                self._before, self._edition = self._edition, open_edition(self.versions, number)
                # Pages are answered meanwhile.
                threading.Thread(target=self._edition.prepare, name="hold", daemon=True).start()
            return self._edition

    def held(self, number: int) -> Edition | None:
        """Return the current edition or the one before, where it has this number: pictures of its pages follow it."""
        return next(
            (each for each in (self._edition, self._before) if each is not None and each.number == number), None
        )


def open_edition(versions: VersionList, number: int) -> Edition:
    """Open a version of the scores.

    Raises
    ------
    ToldError
        With status 503, where it cannot be read.
    """
    listed = versions.versions(SCORES)
    version = next((each for each in listed if each.version == number), None)
    place = None if version is None else versions.file(version.place, FILE)
    if version is None or place is None:
        raise unreadable(number, f"{FILE} is missing")
    try:
        metadata = read_metadata(pq.read_schema(schema_file(place)))
        scores = Scores(place)
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        raise unreadable(number, str(error).splitlines()[0]) from None
    made_by = metadata.get("scorer_version") or version.tags.get("scorer_version", "")
    scorer = next((each for each in versions.versions(SCORER) if str(each.version) == made_by), None)
    return Edition(
        version,
        scorer,
        metadata,
        scores,
        _figures(versions, version),
        None if scorer is None else _figures(versions, scorer),
        tuple(_earlier(version, listed)),
        versions,
    )


def _earlier(version: StoredVersion, listed: list[StoredVersion]) -> list[StoredVersion]:
    """Choose the newest published version of each earlier date."""
    by_date: dict[str, StoredVersion] = {}
    for each in listed:
        if is_published(each.tags) and each.tags.get("as_of", "") < version.tags["as_of"] and "as_of" in each.tags:
            by_date.setdefault(each.tags["as_of"], each)
    return [by_date[day] for day in sorted(by_date, reverse=True)][:_MOST_EARLIER]


def _figures(versions: VersionList, version: StoredVersion) -> Figures | None:
    found = _json_of(versions, version.artifacts, FIGURES)
    return found if isinstance(found, dict) and found.get("format") == _FORMAT else None


def _json_of(versions: VersionList, address: str, name: str) -> Any:
    """Read a JSON file; None where it is missing or is none."""
    file = versions.file(address, name) if address else None
    if file is None:
        return None
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
