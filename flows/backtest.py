"""The flow ``backtest``: fit before past cutoffs, compare with outcomes and baselines. It publishes nothing.

It is a plain function; `flows.deployed` makes it a flow of Prefect's.
"""

from flows.reports.backtest import backtest_sections, log_backtest
from flows.reports.sections import tell
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.look_back import Backtested, look_back
from flows.steps.progress import step
from flows.steps.stores import open_settings_store
from flows.steps.tasks import plain_task, take_inputs
from models.registry.tracking import Run, forget_old_quarantine, tracked


def backtest(settings: Settings) -> str:
    """Report how well the models predicted at past cutoffs, and where a simple rule predicted better.

    Parameters
    ----------
    settings : Settings
        What to read, the ``horizon``, and how many cutoffs (``backtest_cuts``).

    Returns
    -------
    str
        Id of the run that holds report, tables and plots. The store need not be held: no version and no alias changes.

    Raises
    ------
    RefusedError
        If a limit stopped the run.
    """
    store = open_settings_store(settings)
    with tracked(store, "backtest", settings.tags) as run:
        inputs = take_inputs(run, settings)
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
