"""The lock of a store behind a server of MLflow's, which has no locks: tickets with numbers, of which the lowest holds.

A ticket is a version of a registered model. The server numbers versions one after the other in transactions, so whoever
has a ticket sees all that were drawn before. The holder renews its ticket; one that was not renewed for `LEASE` seconds
is passed over and marked, and its holder finds that before it moves an alias. Only the server's clock is read: each
time is one that the server wrote on a ticket.
"""

import threading
from collections.abc import Callable
from contextlib import suppress
from time import monotonic

from mlflow.entities.model_registry import ModelVersion
from mlflow.exceptions import MlflowException
from mlflow.tracking import MlflowClient

from models.registry.locking.holder import HeldError, Holder, LostError, read_holder

TICKETS = "revealed_lock"
"""The registered model whose versions are tickets."""
LEASE = 120.0
"""Seconds after which a ticket that is not renewed counts no more."""
RENEWAL = 20.0
"""Seconds between two renewals."""
PAUSE = 2.0
"""Seconds between two looks at the tickets."""
_STATE, _OPEN, _HOLDER = "state", "open", "holder"
_GIVEN_BACK = "given back"
# No file lies there: a version must name a place, and a server takes no path of its own machine.
_SOURCE = "revealed:/lock"
_DESCRIPTION = "Who holds the store: each version is the ticket of a run that changes what is published. Keep it."


class TicketLock:
    """The lock of a store behind a server.

    Parameters
    ----------
    client : mlflow.tracking.MlflowClient
        A client of the store.
    holder : Holder
        Who asks for it.
    pause : callable
        Waits for some seconds.
    """

    def __init__(
        self,
        client: MlflowClient,
        holder: Holder,
        pause: Callable[[float], object] = lambda seconds: threading.Event().wait(seconds),
    ) -> None:
        self._client, self._holder, self._pause = client, holder, pause
        self._ended = threading.Event()
        self._renewing = threading.Thread(target=self._keep_renewing, name="store-lock", daemon=True)
        self.number = 0

    def acquire(self, seconds: float) -> Holder | None:
        """Take the lock, as `Lock` says; an MlflowException where the server cannot be reached or refuses."""
        until = monotonic() + seconds
        self.number = self._draw()
        left: Holder | None = None
        try:
            while True:
                now, ahead = self._renew(), self._ahead()
                if ahead and _age(ahead[0], now) > LEASE:
                    # The lowest held the store; those behind it only waited.
                    left = left or read_holder(ahead[0].tags.get(_HOLDER))
                for ticket in ahead:
                    if _age(ticket, now) > LEASE:
                        self._mark(int(ticket.version), f"not renewed, passed over by {self._holder}")
                living = [ticket for ticket in ahead if _age(ticket, now) <= LEASE]
                if not living:
                    break
                if monotonic() >= until:
                    raise _held(living[0], now)
                self._pause(PAUSE)
        except BaseException:
            self._give_back()
            raise
        self._renewing.start()
        return left

    def confirm(self) -> None:
        """Renew the ticket, and make sure that nobody passed it over."""
        self._renew()

    def release(self) -> None:
        """Give the lock back; a server that does not answer frees it after `LEASE` seconds."""
        self._ended.set()
        self._give_back()

    def _draw(self) -> int:
        tags = {_STATE: _OPEN, _HOLDER: self._holder.to_json()}
        try:
            ticket = self._client.create_model_version(TICKETS, _SOURCE, tags=tags, await_creation_for=0)
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            with suppress(MlflowException):
                # Another run may be faster.
                self._client.create_registered_model(TICKETS, description=_DESCRIPTION)
            ticket = self._client.create_model_version(TICKETS, _SOURCE, tags=tags, await_creation_for=0)
        return int(ticket.version)

    def _renew(self) -> int:
        """Renew the ticket; return the server's time of that, in milliseconds."""
        try:
            ticket = self._client.update_model_version(TICKETS, str(self.number), description=str(self._holder))
        except MlflowException as error:
            if error.error_code != "RESOURCE_DOES_NOT_EXIST":
                raise
            raise LostError(f"its ticket, version {self.number} of {TICKETS}, was deleted") from None
        state = ticket.tags.get(_STATE)
        if state != _OPEN:
            raise LostError(f"its ticket, version {self.number} of {TICKETS}, is no longer open: {state}")
        return _time(ticket)

    def _ahead(self) -> list[ModelVersion]:
        """Return the open tickets before this one, the lowest first."""
        found = self._client.search_model_versions(
            f"name = '{TICKETS}' AND tags.{_STATE} = '{_OPEN}'", max_results=10_000
        )
        return sorted((each for each in found if int(each.version) < self.number), key=lambda each: int(each.version))

    def _mark(self, number: int, state: str) -> None:
        self._client.set_model_version_tag(TICKETS, str(number), _STATE, state)

    def _give_back(self) -> None:
        with suppress(MlflowException, LostError):
            self._renew()
            self._mark(self.number, _GIVEN_BACK)

    def _keep_renewing(self) -> None:
        while not self._ended.wait(RENEWAL):
            try:
                self._renew()
            except LostError:
                return
            except MlflowException:
                # The server does not answer just now: it is asked again.
                continue


def _time(ticket: ModelVersion) -> int:
    return int(ticket.last_updated_timestamp or 0)


def _age(ticket: ModelVersion, now: int) -> float:
    """Return the seconds since a ticket was renewed."""
    return (now - _time(ticket)) / 1000


def _held(ticket: ModelVersion, now: int) -> HeldError:
    holder = read_holder(ticket.tags.get(_HOLDER))
    heard = f"; last heard of {_age(ticket, now):.0f} s ago, and passed over where it is not heard of for {LEASE:.0f} s"
    return HeldError(holder, heard)
