"""The versions of a registered model with their tags, aliases and files, of an embedded store without MLflow.

MLflow takes seconds to be imported, and the app asks at every request which scores are current.
"""

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

from data.errors import InputError
from data.secrecy.reasons import reason_of
from models.registry.location import EXPERIMENT, StoreLocation
from models.registry.upkeep.moved_store import has_moved

if TYPE_CHECKING:
    from mlflow.tracking import MlflowClient

# The registered model of the scorer.
SCORER = "customer_scorer"

_VERSIONS = (
    "SELECT version.version, version.run_id, version.creation_time, "
    "coalesce(nullif(version.storage_location, ''), version.source), runs.artifact_uri "
    "FROM model_versions AS version LEFT JOIN runs ON runs.run_uuid = version.run_id "
    "WHERE version.name = ? ORDER BY version.version DESC"
)
_TAGS = "SELECT version, key, value FROM model_version_tags WHERE name = ?"
_ALIASES = "SELECT alias, version FROM registered_model_aliases WHERE name = ?"


@dataclass(frozen=True)
class StoredVersion:
    """One version of a registered model.

    Attributes
    ----------
    version : int
        Its number.
    run_id : str
        The run that made it.
    created : datetime.datetime
        When, in UTC.
    tags : Mapping of str to str
        As they were set.
    aliases : tuple of str
        Those that point to it.
    place, artifacts : str
        Addresses of its files, and of the files of its run.
    """

    version: int
    run_id: str
    created: datetime
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    place: str
    artifacts: str


class VersionList:
    """Lists versions and finds their files; changes nothing.

    Parameters
    ----------
    location : StoreLocation
        A store that exists.
    downloads : Path
        What lies on a server is copied into this folder.
    """

    def __init__(self, location: StoreLocation, downloads: Path) -> None:
        self.location, self._downloads = location, downloads
        self._client: MlflowClient | None = None
        database = location.database
        try:
            # MLflow rewrites the addresses of a store that was moved.
            is_plain = database is not None and not has_moved(database, EXPERIMENT)
        except sqlite3.Error as error:
            raise self._unreadable(error) from None
        if not is_plain:
            from models.registry.store import open_store

            folder = str(location.folder) if location.embedded else None
            self._client = open_store(folder, location.folder.parent).client

    def alias(self, model: str, alias: str) -> int | None:
        """Return the version that an alias points to now; None if there is none."""
        if self._client is None:
            with self._database() as connection:
                return dict(connection.execute(_ALIASES, (model,))).get(alias)
        return self._aliases(self._client, model).get(alias)

    def versions(self, model: str) -> list[StoredVersion]:
        """List all versions, the newest first, as they are at one moment."""
        if self._client is not None:
            return self._of_server(self._client, model)
        with self._database() as connection:
            aliases = dict(connection.execute(_ALIASES, (model,)))
            tags: dict[int, dict[str, str]] = {}
            for version, key, value in connection.execute(_TAGS, (model,)):
                tags.setdefault(version, {})[key] = value
            return [
                StoredVersion(
                    int(version),
                    run or "",
                    datetime.fromtimestamp(created / 1000, UTC),
                    tags.get(version, {}),
                    tuple(sorted(alias for alias, of in aliases.items() if of == version)),
                    str(place or ""),
                    str(artifacts or ""),
                )
                for version, run, created, place, artifacts in connection.execute(_VERSIONS, (model,))
            ]

    def file(self, address: str, name: str) -> Path | None:
        """Return a file or folder below an address, where it lies or as a copy; None if there is none.

        Parameters
        ----------
        address : str
            `place` or `artifacts` of a version.
        name : str
            Path below it.
        """
        parts = urlsplit(address)
        if parts.scheme in ("", "file"):
            file = Path(unquote(parts.path)) / name
            return file if file.exists() else None
        from mlflow.exceptions import MlflowException
        from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

        copies = self._downloads / f"{abs(hash(address)):x}"
        copies.mkdir(mode=0o700, exist_ok=True)
        try:
            return Path(str(get_artifact_repository(address).download_artifacts(name, str(copies))))  # type: ignore[no-untyped-call]
        except (MlflowException, OSError):
            return None

    def _of_server(self, client: "MlflowClient", model: str) -> list[StoredVersion]:
        aliases = self._aliases(client, model)
        found = client.search_model_versions(f"name='{model}'", max_results=10_000)
        listed = [
            StoredVersion(
                int(each.version),
                each.run_id or "",
                datetime.fromtimestamp(each.creation_timestamp / 1000, UTC),
                dict(each.tags),
                tuple(sorted(alias for alias, of in aliases.items() if of == int(each.version))),
                client.get_model_version_download_uri(model, str(each.version)),
                client.get_run(each.run_id).info.artifact_uri if each.run_id else "",
            )
            for each in found
        ]
        return sorted(listed, key=lambda each: each.version, reverse=True)

    def _aliases(self, client: "MlflowClient", model: str) -> dict[str, int]:
        from mlflow.exceptions import MlflowException

        try:
            aliases = client.get_registered_model(model).aliases
        except MlflowException as error:
            if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                return {}
            raise InputError(f"the store {self.location.shown_uri} does not answer; is its server running?") from None
        return {alias: int(version) for alias, version in aliases.items()}

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        assert self.location.database is not None
        try:
            with closing(sqlite3.connect(f"{self.location.database.as_uri()}?mode=ro", uri=True)) as connection:
                # One transaction sees one state, whatever is published meanwhile.
                connection.execute("BEGIN")
                yield connection
        except sqlite3.Error as error:
            raise self._unreadable(error) from None

    def _unreadable(self, error: sqlite3.Error) -> InputError:
        return InputError(
            f"the store {self.location.shown_uri} cannot be read: {reason_of(error)}. Name the folder of "
            "another with --mlruns."
        )
