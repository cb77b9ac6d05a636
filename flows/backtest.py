"""The flow ``backtest``: fit before past cutoffs, compare with outcomes and baselines. It publishes nothing."""

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed

from data.errors import RefusedError
from flows.environment import hide_tracebacks
from flows.reports.backtest import backtest_sections, log_backtest
from flows.reports.sections import tell
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.look_back import Backtested, look_back
from flows.steps.progress import step
from flows.steps.stores import open_settings_store
from flows.steps.tasks import plain_task, take_inputs, workspace
from models.registry.store import Store
from models.registry.tracking import Run, forget_old_quarantine, tracked


@flow(
    name="backtest",
    description="Fit before past cutoffs, and compare the models with outcomes and baselines.",
)
def backtest(settings: Settings) -> str | State[Any]:
    """Report how well the models predicted at past cutoffs, and where a simple rule predicted better.

    Parameters
    ----------
    settings : Settings
        What to read, the ``horizon``, and how many cutoffs (``backtest_cuts``); settings not given come from the
        environment and ``revealed.toml``.

    Returns
    -------
    str
        Id of the run that holds report, tables and plots. A refusal is a state ``Completed`` named ``Refused``.
    """
    hide_tracebacks()
    store = open_settings_store(settings)
    try:
        return backtest_in(store, settings)
    except RefusedError as error:
        return Completed(name="Refused", message=str(error))


def backtest_in(store: Store, settings: Settings) -> str:
    """Do the backtest; the store need not be held, since no version and no alias changes."""
    with workspace() as folder, tracked(store, "backtest", settings.tags) as run:
        inputs = take_inputs(run, settings, folder)
        report(run, settings, inputs, judge_models(settings, inputs))
        forget_old_quarantine(store, settings.quarantine_retention_days)
    return run.run_id


judge_models = plain_task(look_back)


def report(run: Run, settings: Settings, inputs: Inputs, backtested: Backtested) -> None:
    """Log the results with the run, and show the report."""
    with step("draw and log the results"):
        sections = backtest_sections(settings, inputs, backtested, run)
        log_backtest(run, inputs, backtested, sections)
    tell(sections)
