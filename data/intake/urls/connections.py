"""Connections of HTTP that end in time and do not reach where a server has no business to lead."""

import http.client
import socket
import ssl
import time
import urllib.request
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from threading import Timer
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from data.errors import InputError
from data.secrecy.showing import shown_url

WATCHED = ("http", "https")
_PORTS = {"http": 80, "https": 443}
# An address of IPv4 in one of IPv6, as translators on the way read it.
_TRANSLATED = IPv6Network("64:ff9b::/96")


class Deadline:
    """A time after which a connection is closed, whatever waits for it; it runs while the block lasts."""

    def __init__(self, seconds: float) -> None:
        self._end = time.monotonic() + seconds
        self._timer = Timer(seconds, self._close)
        self._timer.daemon = True
        self._socket: socket.socket | None = None

    @property
    def is_over(self) -> bool:
        """Whether the time has passed."""
        return time.monotonic() >= self._end

    def watch(self, connection: socket.socket) -> None:
        """Close this connection when the time has passed."""
        self._socket = connection
        if self.is_over:
            self._close()

    def _close(self) -> None:
        if self._socket is not None:
            try:
                # Of TLS, too, the plain socket below it: a reader that waits comes back at once.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)
            except OSError:
                return

    def __enter__(self) -> Self:
        self._timer.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._timer.cancel()


@dataclass
class Way:
    """From the URL that somebody named to where servers lead from there.

    Parameters
    ----------
    name
        What of the URL may be shown.
    deadline
        When every connection ends.
    any_redirect
        Whether a server may lead on to this machine and to private networks.
    """

    name: str
    deadline: Deadline
    any_redirect: bool
    _place: tuple[str | None, int] | None = None
    _is_private: bool = False

    def check_redirect(self, url: str) -> None:
        """Raise InputError where a redirect leads to a private address, before anything connects to it."""
        host = urlsplit(url).hostname or ""
        if not self._may_be_private(url) and any(map(is_private, _addresses(host))):
            raise self._refused(url)

    def check_peer(self, url: str, address: str | None) -> None:
        """Raise InputError where a name has come to mean a private address since it was checked; None: a proxy's."""
        if self._place is None:
            # Whoever names the URL may name any place.
            self._place = _place(url)
            self._is_private = any(map(is_private, [address] if address else _addresses(self._place[0] or "")))
        elif address is not None and not self._may_be_private(url) and is_private(address):
            raise self._refused(url)

    def _may_be_private(self, url: str) -> bool:
        host, port = _place(url)
        same = self._place is not None and host == self._place[0] and port in (self._place[1], 443)
        return self.any_redirect or (same and self._is_private)

    def _refused(self, url: str) -> InputError:
        return InputError(
            f"{self.name} cannot be fetched: it leads on to {shown_place(url)}, an address of this machine or of a "
            'private network. Name that place itself if it is meant, or allow such with url_redirects = "any".'
        )


def watched_opener(way: Way) -> urllib.request.OpenerDirector:
    """Make an opener of http and https alone, each of whose connections is checked and ends in time."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        urllib.request.HTTPDefaultErrorHandler(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.UnknownHandler(),
        _Redirects(way),
        _Http(way),
        _Https(way),
    ):
        opener.add_handler(handler)
    return opener


def is_private(address: str) -> bool:
    """Whether an address is of this machine, of a private network or of none: anything but a public one."""
    try:
        found: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    except ValueError:
        return True
    if isinstance(found, IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo or (None, None))[1]
        if found in _TRANSLATED:
            inner = IPv4Address(int(found) & 0xFFFFFFFF)
        found = inner or found
    return not found.is_global or found.is_multicast


def shown_place(url: str) -> str:
    """Return scheme and host of a URL that a server named: its path may hold a signature."""
    shown = shown_url(url)
    return f"{shown.scheme}://{shown.place.partition('/')[0]}"


def _addresses(host: str) -> list[str]:
    """Look up a host; a proxy may know names that this machine does not."""
    try:
        return [str(found[4][0]) for found in socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError):
        return []


def _place(url: str) -> tuple[str | None, int]:
    parts = urlsplit(url)
    return parts.hostname, parts.port or _PORTS[parts.scheme]


class _Redirects(urllib.request.HTTPRedirectHandler):
    def __init__(self, way: Way) -> None:
        self._way = way

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        scheme = urlsplit(newurl).scheme
        if scheme not in WATCHED or (req.type == "https" and scheme == "http"):
            raise InputError(
                f"{self._way.name} cannot be fetched: it leads on to {shown_place(newurl)}, which is not as safe. Name "
                "that place itself if it is meant."
            )
        self._way.check_redirect(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Http(urllib.request.HTTPHandler):
    def __init__(self, way: Way) -> None:
        super().__init__()
        self._way = way

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_watched(http.client.HTTPConnection, self._way, req), req)


class _Https(urllib.request.HTTPSHandler):
    def __init__(self, way: Way) -> None:
        super().__init__()
        self._way = way
        self._settings = ssl.create_default_context()

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(_watched(http.client.HTTPSConnection, self._way, req), req, context=self._settings)


def _watched(kind: type[http.client.HTTPConnection], way: Way, request: urllib.request.Request) -> Any:
    # A proxy is named by the owner of this machine, and may be on it.
    through_proxy = request.has_proxy() or getattr(request, "_tunnel_host", None) is not None

    class Watched(kind):  # type: ignore[valid-type, misc]
        def connect(self) -> None:
            super().connect()
            way.check_peer(request.full_url, None if through_proxy else str(self.sock.getpeername()[0]))
            way.deadline.watch(self.sock)

    return Watched
