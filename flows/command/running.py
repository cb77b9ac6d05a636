"""Running a flow from the command: as plain functions, or in Prefect where one is set up."""

import gc
import importlib
import logging
import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from rich.console import Console

from data.errors import InputError, RefusedError
from flows.environment import set_prefect_home
from flows.faults import is_refused_by_server
from flows.lean_imports import import_lean, import_trees_only, join_what_is_left_out, without_spark
from flows.settings import Settings
from flows.steps.progress import shown_on
from flows.steps.store_place import locate_store

# The one flow that fits nothing.
SCORE = "score"
# Writing SQL makes many objects that live for a moment: looking for garbage after each 700 takes a fiftieth of a run.
_YOUNG_OBJECTS = 20_000


def run_flow(name: str, settings: Settings, console: Console, *, verbose: bool = True) -> Any:
    """Run a flow here and now: in Prefect where an API of Prefect's is set, else without it and without any server.

    Parameters
    ----------
    name : str
        ``retrain``, ``score`` or ``backtest``.
    settings : Settings
        Its parameters.
    console : rich.console.Console
        Where progress and report are shown.
    verbose : bool
        Whether everything is told, not only what fits a screen.

    Raises
    ------
    RevealedError
        What the flow raised.
    """
    run = _run_in_prefect if has_prefect() else run_plainly
    return run(name, settings, console, verbose=verbose)


def has_prefect() -> bool:
    """Whether an API of Prefect's is set: in the environment, in a profile, or in a settings file of Prefect's.

    Prefect itself is imported only where it may be.
    """
    if os.environ.get("PREFECT_API_URL"):
        return True
    home = Path(os.environ.get("PREFECT_HOME") or Path.home() / ".prefect").expanduser()
    profiles = Path(os.environ.get("PREFECT_PROFILES_PATH") or home / "profiles.toml").expanduser()
    if not profiles.exists() and not Path("prefect.toml").exists():
        return False
    from prefect.settings import get_current_settings

    return bool(get_current_settings().api.url)


def run_plainly(
    name: str, settings: Settings, console: Console | None, *, verbose: bool = True, is_told: bool = True
) -> Any:
    """Run a flow as the plain function it is; its steps are functions too, with the same retries.

    Without a console its steps are log lines.
    """
    import_lean()
    with nullcontext() if settings.engine == "spark" else without_spark():
        with _without_garbage():
            if name == SCORE:
                import_trees_only()
            module = importlib.import_module(f"flows.{name}")
            join_what_is_left_out()
        flow = getattr(module, name)
        with _shown_on(console, name, verbose, is_told):
            return flow(settings)


def _run_in_prefect(name: str, settings: Settings, console: Console, *, verbose: bool = True) -> Any:
    os.umask(int(settings.umask, 8))
    # Prefect reads both when it is imported: its home lies in the store's folder, and its log repeats nothing.
    set_prefect_home(locate_store(settings.mlruns).folder)
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    import_lean()
    with _without_garbage():
        from flows import deployed
        from flows.run_settings import RunSettings

        join_what_is_left_out()
    with _shown_on(console, name, verbose):
        try:
            state: Any = getattr(deployed, name)(RunSettings.of(settings), return_state=True)
        except Exception as error:
            if is_refused_by_server(error):
                raise InputError(
                    "Prefect's server does not take this user and password: set PREFECT_API_AUTH_STRING=USER:PASSWORD, "
                    "or PREFECT_API_KEY; or run without a server, with PREFECT_API_URL empty."
                ) from None
            raise
    if state.name == deployed.REFUSED:
        raise RefusedError(state.message or "refused")
    return state.result()


@contextmanager
def _without_garbage() -> Iterator[None]:
    """Look for no garbage while modules are imported, nor in them later: it takes a fifth of the time, for nothing."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
        gc.set_threshold(_YOUNG_OBJECTS)


def _shown_on(console: Console | None, flow: str, verbose: bool, is_told: bool = True) -> AbstractContextManager[None]:
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    return shown_on(console, flow, verbose=verbose, is_told=is_told)
