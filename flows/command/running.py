"""Running a flow from the command: its report on the console, its error as an exception."""

import logging
from typing import Any

from prefect import Flow
from rich.console import Console

from data.errors import RefusedError
from flows.settings import Settings
from flows.steps.progress import shown_on


def run_flow(flow: Flow[Any, Any], settings: Settings, console: Console) -> Any:
    """Run a flow here and now.

    Parameters
    ----------
    flow : prefect.Flow
        ``retrain``, ``score`` or ``backtest``.
    settings : Settings
        Its parameters.
    console : rich.console.Console
        Where progress and report are shown.

    Raises
    ------
    RevealedError
        What the flow raised; a state named Refused is a `RefusedError`.
    """
    logging.getLogger("mlflow").setLevel(logging.WARNING)
    with shown_on(console):
        state: Any = flow(settings, return_state=True)
    if state.name == "Refused":
        raise RefusedError(state.message or "refused")
    return state.result()
