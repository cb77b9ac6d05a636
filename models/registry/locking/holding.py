"""Holding a store, whatever kind of store it is."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient
from sqlalchemy.exc import SQLAlchemyError

from data.errors import InputError, StoreBusyError
from models.registry.location import EXPERIMENT, StoreLocation, why_not
from models.registry.locking.database import DatabaseLock
from models.registry.locking.folder import FolderLock
from models.registry.locking.holder import HeldError, Holder, Lock, LostError
from models.registry.locking.tickets import TICKETS, TicketLock

logger = logging.getLogger("revealed")
_held: dict[str, Lock] = {}


@contextmanager
def holding(store: StoreLocation, what: str, wait_minutes: float = 0, run: str = "") -> Iterator[Holder | None]:
    """Hold the store's lock: one run at a time changes what is published; gives a holder that ended in the midst.

    The lock is free again once its holder has ended, however it ended: at once on this machine and in PostgreSQL, after
    two minutes behind a server of MLflow's.

    Parameters
    ----------
    store : StoreLocation
        The store to hold.
    what : str
        What is being done, for the message another run shows.
    wait_minutes : float
        How long to wait for another holder.
    run : str
        The run, for those that go on should this process be killed.

    Raises
    ------
    StoreBusyError
        Where another run still holds the store after that time; the message says who.
    InputError
        Where the lock cannot be written.
    """
    try:
        lock = _lock_of(store, Holder.here(what, run))
        before = lock.acquire(wait_minutes * 60)
    except HeldError as error:
        raise StoreBusyError(f"another run holds the store {store.shown_uri}: {error}") from None
    except LostError as error:
        raise _busy(store, error) from None
    except MlflowException as error:
        if error.error_code != "PERMISSION_DENIED":
            # The server does not answer, which is a fault as it is at any other call.
            raise
        raise InputError(
            f"the store {store.shown_uri} cannot be held: the user may not write the registered model {TICKETS}. Give "
            "them EDIT there, as on the scores."
        ) from None
    except (OSError, SQLAlchemyError, ImportError) as error:
        raise InputError(f"the store {store.shown_uri} cannot be held: {_why(error, store)}") from None
    if before is not None:
        logger.warning("The store was held by %s, which ended without giving it back: this run goes on.", before)
    _held[store.uri] = lock
    try:
        yield before
    finally:
        del _held[store.uri]
        lock.release()


def ensure_held(store: StoreLocation) -> None:
    """Make sure, before an alias moves, that this process still holds the store, where it took its lock.

    Raises
    ------
    StoreBusyError
        Where the lock was lost meanwhile, so that another run may have changed what is published.
    """
    lock = _held.get(store.uri)
    if lock is None:
        return
    try:
        lock.confirm()
    except LostError as error:
        raise _busy(store, error) from None


def _lock_of(store: StoreLocation, holder: Holder) -> Lock:
    if store.embedded:
        return FolderLock(store.folder, holder)
    if store.uri.partition(":")[0].partition("+")[0] == "postgresql":
        return DatabaseLock(store.uri, EXPERIMENT, holder)
    return TicketLock(MlflowClient(tracking_uri=store.uri, registry_uri=store.uri), holder)


def _busy(store: StoreLocation, error: LostError) -> StoreBusyError:
    return StoreBusyError(
        f"this run lost the store {store.shown_uri}: {error}. Another run may have gone on meanwhile, so nothing of "
        "this one became current; run it again."
    )


def _why(error: Exception, store: StoreLocation) -> str:
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__}. Name a folder that can be written with --mlruns."
    return f"{why_not(error, store)}. See that the server runs and that the user may write."
