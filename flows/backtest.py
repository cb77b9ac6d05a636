"""The flow ``backtest``: fit before past cuts, judge on what came after, beside simple rules. It publishes nothing."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from data.errors import RefusedError
from flows.environment import hide_tracebacks
from flows.reports.backtest import backtest_sections, log_backtest
from flows.reports.sections import tell
from flows.settings import Settings
from flows.steps.cuts import Backtested, look_back
from flows.steps.inputs import Inputs
from flows.steps.progress import step
from flows.steps.stores import open_settings_store
from flows.steps.tasks import plain_task, take_inputs, workspace
from models.registry.store import Store
from models.registry.tracking import Run, forget_old_quarantine, tracked


@flow(name="backtest", description="Fit before past days, judge on what came after, beside rules that need no model.")
def backtest(settings: Settings) -> str | State[Any]:
    """Say what the models were worth at past cuts, and where a simple rule was worth more.

    Parameters
    ----------
    settings : Settings
        What to read, over which ``horizon``, back to how many ``backtest_cuts``; what is not said comes from the
        environment and ``revealed.toml``.

    Returns
    -------
    str
        The run that holds report, tables and plots. A refusal is a state ``Completed`` named ``Refused``.
    """
    hide_tracebacks()
    store = open_settings_store(settings)
    try:
        return backtest_in(store, settings)
    except RefusedError as error:
        return Completed(name="Refused", message=str(error))


def backtest_in(store: Store, settings: Settings) -> str:
    """Do the backtest; the store is not held, since nothing in it is moved."""
    with workspace() as folder, tracked(store, "backtest", settings.tags) as run:
        inputs = take_inputs(run, settings, folder)
        report(run, settings, inputs, judge_models(settings, inputs))
        forget_old_quarantine(store, settings.quarantine_retention_days)
    return run.run_id


judge_models = plain_task(look_back)


def report(run: Run, settings: Settings, inputs: Inputs, found: Backtested) -> None:
    """Leave everything in the run, and tell it."""
    with step("draw and keep what was found"):
        sections = backtest_sections(settings, inputs, found, run)
        log_backtest(run, inputs, found, sections)
    tell(sections)
