"""The lock of a store whose tracking database is PostgreSQL: an advisory lock of a connection of its own.

The server frees it as soon as the connection ends: at once where the holder was killed, within a minute where its
machine or the network is gone, for the server asks after it. A pooler between must keep one connection for a session.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from functools import cached_property
from time import monotonic

from mlflow.entities import Experiment
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy import Connection, create_engine
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from models.registry.locking.holder import HeldError, Holder, LostError, read_holder

# Of this schema, for the tables of two stores may lie in two schemas of one database.
_KEY = "hashtextextended('revealed store ' || current_schema(), 0)"
_ASK = (
    "SELECT set_config(name, value, false) FROM (VALUES ('tcp_keepalives_idle', '30'), ('tcp_keepalives_interval', "
    "'10'), ('tcp_keepalives_count', '3'), ('idle_session_timeout', '0')) AS wanted (name, value) "
    "JOIN pg_settings USING (name)"
)
_TAG = "store.holder"
PAUSE = 1.0
"""Seconds between two attempts to get the lock."""


class DatabaseLock:
    """The lock of a tracking database.

    Parameters
    ----------
    uri : str
        The database, as SQLAlchemy names it.
    experiment : str
        Name of the experiment whose tag says who holds the store.
    holder : Holder
        Who asks for it.
    """

    def __init__(self, uri: str, experiment: str, holder: Holder) -> None:
        self._engine = create_engine(uri, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._uri, self._experiment, self._holder = uri, experiment, holder
        self._connection: Connection | None = None

    def acquire(
        self, seconds: float, pause: Callable[[float], object] = lambda some: threading.Event().wait(some)
    ) -> Holder | None:
        """Take the lock, as `Lock` says; an SQLAlchemyError where the database cannot be reached."""
        until = monotonic() + seconds
        self._connection = self._engine.connect()
        try:
            self._ask(_ASK)
            while not self._ask(f"SELECT pg_try_advisory_lock({_KEY})"):
                if monotonic() >= until:
                    raise HeldError(self._read())
                pause(min(PAUSE, max(until - monotonic(), 0)))
            before = self._read()
            self._client.set_experiment_tag(str(self._all_runs.experiment_id), _TAG, self._holder.to_json())
        except BaseException:
            self._connection.close()
            raise
        return before

    def confirm(self) -> None:
        """Make sure that the connection is the one that has the lock: after a break it is another, or none."""
        query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND pid = pg_backend_pid() AND granted"
        try:
            is_held = bool(self._ask(query))
        except SQLAlchemyError:
            is_held = False
        if not is_held:
            raise LostError("the connection to the database, which held it, was cut")

    def release(self) -> None:
        """Give the lock back: say first that nobody holds it."""
        assert self._connection is not None
        try:
            with suppress(LostError, MlflowException, SQLAlchemyError):
                self.confirm()
                self._client.delete_experiment_tag(str(self._all_runs.experiment_id), _TAG)
        finally:
            with suppress(SQLAlchemyError):
                self._connection.close()

    @cached_property
    def _client(self) -> MlflowClient:
        # Made once the lock's connection is there: MLflow tries a database that does not answer for two minutes.
        return MlflowClient(tracking_uri=self._uri, registry_uri=self._uri)

    def _ask(self, query: str) -> object:
        assert self._connection is not None
        return self._connection.exec_driver_sql(query).scalar()

    @property
    def _all_runs(self) -> Experiment:
        experiment = self._client.get_experiment_by_name(self._experiment)
        assert experiment is not None
        return experiment

    def _read(self) -> Holder | None:
        return read_holder(self._all_runs.tags.get(_TAG))
