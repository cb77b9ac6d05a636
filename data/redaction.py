"""What of a URL is shown to people: built from the parts that are no secret, not by cutting secrets out.

A password may hold the signs that end other parts of a URL, or the URL may be malformed: what cannot be told apart is
not shown.
"""

import re
from dataclasses import dataclass

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.\-]*")
_HOSTS = re.compile(
    r"(\[[0-9A-Fa-f:.%]+\]|[^\[\]:/?#@,\s]+)(:\d{1,5})?(,(\[[0-9A-Fa-f:.%]+\]|[^\[\]:/?#@,\s]+)(:\d{1,5})?)*"
)
HIDDEN = "***"


@dataclass(frozen=True)
class ShownUrl:
    """The parts of a URL that may be shown.

    Parameters
    ----------
    scheme
        Such as https; empty where there is none.
    place
        Host, port and path.
    has_login, has_query
        Whether there were a user or password before the host, and a query or fragment after the path.
    """

    scheme: str
    place: str
    has_login: bool = False
    has_query: bool = False


def shown_url(url: str) -> ShownUrl:
    """Tell what of a URL may be shown.

    Parameters
    ----------
    url
        A URL, well formed or not; a path of a file after ``sqlite:``, ``duckdb:`` or ``file:`` has no login.
    """
    scheme, found, rest = url.partition("://")
    if not found:
        scheme, rest = "", url
    elif not _SCHEME.fullmatch(scheme):
        return ShownUrl(HIDDEN, HIDDEN)
    if scheme.lower().partition("+")[0] in ("sqlite", "duckdb", "file") and rest.startswith("/"):
        path, query = _before_query(rest)
        return ShownUrl(scheme, path, has_query=query)
    login, at, place = rest.rpartition("@")
    # A ? or # before the @ may begin a query that holds it, or stand in a password.
    if at and re.search(r"[?#]", login):
        return ShownUrl(scheme, HIDDEN, has_login=True, has_query=True)
    place, query = _before_query(place)
    host, slash, path = place.partition("/")
    if host and not _HOSTS.fullmatch(host):
        # What stands for the port is none: it may be a password whose host was forgotten.
        return ShownUrl(scheme, HIDDEN, bool(at), query)
    return ShownUrl(scheme, f"{host}{slash}{path}", bool(at), query)


def _before_query(text: str) -> tuple[str, bool]:
    path = re.split(r"[?#]", text, maxsplit=1)[0]
    return path, path != text
