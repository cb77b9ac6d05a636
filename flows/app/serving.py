"""How the app is served: to this machine unless told otherwise, until it is stopped."""

import os
import signal
import socket
import sys
import tempfile
import threading
import webbrowser
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from ipaddress import ip_address
from pathlib import Path

import uvicorn
from rich.console import Console

from data.errors import InputError, RevealedError
from data.secrecy.reasons import reason_of
from data.secrecy.showing import shown_location
from flows.app.reading.edition import Shelf
from flows.app.reading.tables import ShopTables
from flows.app.rendering import compile_templates
from flows.app.site import build
from flows.app.told import ToldError
from flows.settings import Settings
from flows.steps.store_place import locate_existing_store
from models.registry.location import StoreLocation
from models.registry.upkeep.workspaces import workspace
from models.registry.version_list import VersionList

# Seconds that open requests have when the app is stopped.
_PATIENCE = 3


def serve(settings: Settings, host: str, port: int, console: Console, *, is_opened: bool = False) -> None:
    """Serve the app until it is stopped.

    Parameters
    ----------
    settings : Settings
        They name the store, the shop's tables and the language.
    host : str
        Name or address to listen on.
    port : int
        0 takes one that is free.
    console : rich.console.Console
        Where the address is told.
    is_opened : bool
        Whether the browser shows it.

    Raises
    ------
    InputError
        Where there is no store, or the address cannot be listened on.
    """
    location = locate_existing_store(settings.mlruns)
    listening = _listen(host, port)
    os.umask(int(settings.umask, 8))
    with _private_folder(location) as folder, listening:
        shelf, tables = Shelf(VersionList(location, folder)), ShopTables(settings, folder)
        threading.Thread(target=_warm_up, args=(shelf, tables), name="warm up", daemon=True).start()
        site = build(shelf, tables, settings.language, {"localhost", host, socket.gethostname()})
        address = _address(host, listening.getsockname()[1])
        console.print(f"The app is at {address} until Ctrl+C stops it.", markup=False, soft_wrap=True)
        if not _is_this_machine(host):
            console.print("It asks for no password: whoever reaches this address reads all customers.", markup=False)
        if is_opened:
            webbrowser.open(address)
        # The workspace is removed on the way out, whichever signal ends the server.
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        config = uvicorn.Config(
            site,
            log_level="warning",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            ws="none",
            lifespan="off",
            timeout_graceful_shutdown=_PATIENCE,
        )
        try:
            with suppress(KeyboardInterrupt):
                uvicorn.Server(config).run(sockets=[listening])
        finally:
            tables.close()


def _warm_up(shelf: Shelf, tables: ShopTables) -> None:
    """Open the current version, and bring what pages need, before somebody waits for it."""
    with suppress(ToldError, RevealedError):
        edition = shelf.current()
        compile_templates()
        edition.is_prepared.wait()
        edition.scorer_model  # noqa: B018 - it is kept
    tables.read_in_background()


def _listen(host: str, port: int) -> socket.socket:
    try:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        return socket.create_server((host, port), family=family)
    except (OSError, OverflowError, UnicodeError) as error:
        place = shown_location(f"http://{host}:{port}")
        raise InputError(
            f"the app cannot listen on {place}: {reason_of(error, [host], [place])}. Name another port with --port, or "
            "0 for any that is free."
        ) from None


def _address(host: str, port: int) -> str:
    shown = "127.0.0.1" if host in ("0.0.0.0", "::", "") else host  # noqa: S104 - it is compared with
    return f"http://{f'[{shown}]' if ':' in shown else shown}:{port}/"


def _is_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


@contextmanager
def _private_folder(location: StoreLocation) -> Iterator[Path]:
    """Make a folder that goes with the app: in the store, or where that cannot be written, among temporary files."""
    try:
        own = workspace(location)
        folder = own.__enter__()
    except InputError:
        with tempfile.TemporaryDirectory(prefix="revealed-") as name:
            yield Path(name)
        return
    try:
        yield folder
    finally:
        own.__exit__(None, None, None)
