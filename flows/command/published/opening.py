"""``revealed app``: pages over the current scores in a browser."""

from typing import Annotated, Any

import typer

from data.errors import InputError
from flows.command.console import console
from flows.command.options import STORE, Language, Mlruns, Options, settings_from

HOST = typer.Option(
    help="Name or address to listen on. \\[default: 127.0.0.1, this machine only]", rich_help_panel=STORE
)
PORT = typer.Option(min=0, max=65535, help="Port; 0 takes any that is free. \\[default: 8460]", rich_help_panel=STORE)
OPEN = typer.Option("--open", help="Show it in the browser.", rich_help_panel=STORE)
APP: dict[str, Any] = {
    "mlruns": Mlruns,
    "language": Language,
    "host": Annotated[str | None, HOST],
    "port": Annotated[int | None, PORT],
    "is_opened": Annotated[bool | None, OPEN],
}


def open_app(options: Options) -> None:
    """Show the current scores in a browser: base, segments, cohorts, each customer, lists. It reads only.

    The tables are for timelines of customers, and may be left out.
    """
    host, port, is_opened = (options.pop(name) for name in ("host", "port", "is_opened"))
    settings = settings_from(options)
    from flows.steps.store_place import locate_existing_store

    locate_existing_store(settings.mlruns)
    try:
        import starlette  # noqa: F401
        import uvicorn  # noqa: F401
    except ImportError:
        raise InputError("the app needs more packages: pip install 'revealed[app]'") from None
    from flows.app.serving import serve

    serve(settings, host or "127.0.0.1", 8460 if port is None else port, console(), is_opened=bool(is_opened))
