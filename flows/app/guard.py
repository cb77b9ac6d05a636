"""What every request passes: only hosts that the app is opened as, and headers that let a browser load nothing else."""

from collections.abc import Collection
from ipaddress import ip_address

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    # Addresses of pages hold ids of customers.
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


class Guard:
    """Refuses requests for other hosts, and sets the headers of each answer.

    A page elsewhere whose name is made to point to this machine (DNS rebinding) comes with its own name as the host.
    An address in numbers cannot be pointed anywhere, so it is always taken.

    Parameters
    ----------
    app : ASGIApp
        What answers.
    hosts : collection of str
        Names that the app is opened as.
    """

    def __init__(self, app: ASGIApp, hosts: Collection[str]) -> None:
        self._app, self._hosts = app, frozenset(host.lower() for host in hosts)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        host = _name_of(Headers(scope=scope).get("host", ""))
        if host in self._hosts or _is_number(host):
            await self._app(scope, receive, with_headers)
            return
        refused = PlainTextResponse(
            "This app is not opened under that name. Open it as 127.0.0.1 or localhost, by its address in numbers, or "
            "start it with --host NAME.\n",
            421,
        )
        await refused(scope, receive, with_headers)


def _name_of(host: str) -> str:
    """Take the port off."""
    name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
    return name.strip("[]").rstrip(".").lower()


def _is_number(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
