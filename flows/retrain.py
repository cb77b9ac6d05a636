"""The flow ``retrain``: fit, judge, register, promote. It publishes no scores.

It is a plain function; `flows.deployed` makes it a flow of Prefect's.
"""

from dataclasses import dataclass, replace

from data.errors import RefusedError
from flows.reports.page.keeping import keep_page_of_retrain
from flows.reports.page.retraining import retrain_figures
from flows.reports.page.screen import screen_of
from flows.reports.retrain import log_retrain, retrain_sections
from flows.reports.sections import tell
from flows.settings import Settings
from flows.steps.base import learn_base
from flows.steps.fitting import Fitted, Judged, check_inputs, fit, judge_fit
from flows.steps.progress import step
from flows.steps.stores import open_settings_store
from flows.steps.tasks import io_task, plain_task, take_inputs
from models.registry.locking.holding import holding
from models.registry.scorers import promote, read_champion, refuse, register_scorer
from models.registry.store import Store
from models.registry.tracking import forget_old_quarantine, tracked
from models.registry.upkeep.killed_runs import RETRAIN, close_runs_elsewhere, mend_aliases


@dataclass(frozen=True)
class Retrained:
    """The result of a retraining: the version it registered, whether it became the champion, and why."""

    version: int
    promoted: bool
    reason: str
    run_id: str


def retrain(settings: Settings) -> Retrained:
    """Fit a new version of the scorer on everything before as_of and, if it passes the gate, make it the champion.

    Parameters
    ----------
    settings : Settings
        What to read, as_of, and how to fit.

    Returns
    -------
    Retrained
        What was registered and promoted.

    Raises
    ------
    RefusedError
        If a limit stopped the run, or the gate did not let the version become the champion.
    """
    store = open_settings_store(settings)
    with holding(store, RETRAIN) as left_by:
        close_runs_elsewhere(store, left_by)
        mend_aliases(store)
        done = retrain_in(store, settings)
    if not done.promoted:
        raise RefusedError(done.reason)
    return done


def retrain_in(store: Store, settings: Settings) -> Retrained:
    """Retrain while the store is held."""
    with tracked(store, RETRAIN, settings.tags) as run:
        inputs = take_inputs(run, settings)
        champion = read_champion(store)
        check_inputs(settings, inputs, champion)
        fitted = fit_scorer(settings, inputs, champion)
        judged = judge_scorer(inputs, fitted, champion)
        base = learn_of_base(store, settings, inputs, fitted.release, champion)
        fitted = replace(fitted, release=base.profiled.release)
        with step("register"):
            version = register(store, run.run_id, fitted)
            sections = retrain_sections(settings, inputs, fitted, judged, base, version)
            log_retrain(run, inputs, fitted, judged, base, version, sections)
        with step("write the report"):
            figures = retrain_figures(settings, inputs, fitted, judged, base, version)
            before = None if champion is None else champion.version
            kept = keep_page_of_retrain(run, figures, before, settings.language)
        forget_old_quarantine(store, settings.quarantine_retention_days)
        # The alias moves after all that may fail.
        settle(store, version, judged)
    alias = "the champion" if judged.verdict.promote else "refused; the champion stays"
    title = f"Trained scorer {version} as of {inputs.as_of}: it is {alias}."
    tell(sections, screen_of(title, None, kept.figures, {"Report": kept.place}))
    return Retrained(version, judged.verdict.promote, judged.verdict.reason, run.run_id)


fit_scorer = plain_task(fit)
judge_scorer = plain_task(judge_fit)
learn_of_base = plain_task(learn_base)


@io_task
def register(store: Store, run_id: str, fitted: Fitted) -> int:
    """Register the release and its twin as a new version."""
    tags = {"as_of": fitted.release.as_of.isoformat(), "horizon": str(fitted.recipe.horizon)}
    tags["nps_model"] = "carried over" if fitted.is_carried else str(fitted.release.parameters.nps.source)
    return register_scorer(store, run_id, fitted.release, fitted.twin, tags)


@io_task
def settle(store: Store, version: int, judged: Judged) -> None:
    """Promote the version, or record why it was refused."""
    if judged.verdict.promote:
        promote(store, version, judged.verdict.reason)
    else:
        refuse(store, version, judged.verdict.reason)
