"""What the app cannot show, told in one sentence with the status of HTTP that belongs to it."""

from collections.abc import Callable, Mapping
from typing import Any


def _(message: str) -> str:
    """Mark a message for the catalogue; it is translated where it is shown."""
    return message


class ToldError(Exception):
    """A request that cannot be answered.

    Parameters
    ----------
    status : int
        Of HTTP.
    message : str
        A message of the catalogue with named places: what is wrong, and how to mend it.
    values : Mapping
        What stands there.
    """

    def __init__(self, status: int, message: str, values: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.status, self.message, self.values = status, message, dict(values or {})

    def told(self, gettext: Callable[[str], str] = str) -> str:
        """Say it in a language; in English unless told otherwise."""
        return gettext(self.message) % self.values


def nothing_published(place: str) -> ToldError:
    """Say that the store holds no scores yet."""
    message = _("No scores have been published to %(place)s yet. Run `revealed score`, then load this page again.")
    return ToldError(503, message, {"place": place})


def unreadable(version: int, why: str) -> ToldError:
    """Say that the files of a version are gone or damaged."""
    message = _(
        "Version %(version)s of the scores cannot be read: %(why)s. Run `revealed score` to publish a new one, or "
        "`revealed rollback` to go back to the one before."
    )
    return ToldError(503, message, {"version": version, "why": why})


def unknown_customer(customer: str, near: str | None) -> ToldError:
    """Say that a customer has no scores, and which id is nearly the same."""
    values = {"customer": customer, "near": near}
    if near is not None:
        return ToldError(404, _("Customer %(customer)s has no scores. Nearest: %(near)s."), values)
    message = _("Customer %(customer)s has no scores: ids are texts, exactly as they came. Search by their beginning.")
    return ToldError(404, message, values)


def no_such_page() -> ToldError:
    """Say that nothing is at an address."""
    return ToldError(404, _("There is no such page. Begin with the base."))


def broken() -> ToldError:
    """Say that the app itself has failed."""
    return ToldError(500, _("This page cannot be written. What went wrong is told where the app was started."))


def not_a_value(name: str, text: str, must: str) -> ToldError:
    """Say what a field of a form must hold."""
    message = _("%(name)s must be %(must)s, got %(text)s. Go back and change it.")
    return ToldError(400, message, {"name": name, "text": text, "must": must})
