"""The flow ``score``: describe all customers, score them with the champion, publish one row per customer.

It is a plain function; `flows.deployed` makes it a flow of Prefect's.
"""

from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from flows.reports.score import log_score, score_sections
from flows.reports.sections import tell
from flows.settings import Settings
from flows.steps.progress import step
from flows.steps.scoring import choose_scorer, score_base
from flows.steps.stores import open_settings_store
from flows.steps.tasks import io_task, plain_task, take_inputs, workspace
from models.registry.publication import make_current, register_scores, why_not_current
from models.registry.store import Store, holding
from models.registry.tracking import forget_old_quarantine, tracked


@dataclass(frozen=True)
class Published:
    """The result of a scoring: the published version, whether it is ``current`` now, and the scorer's version."""

    version: int
    is_current: bool
    scorer: int
    customers: int
    run_id: str


def score(settings: Settings) -> Published:
    """Score every customer as of one date and publish the table.

    Parameters
    ----------
    settings : Settings
        What to read, as_of, and which scorer.

    Returns
    -------
    Published
        What was published. The store is held only during publication.

    Raises
    ------
    RefusedError
        If a limit stopped the run.
    """
    store = open_settings_store(settings)
    chosen = choose_scorer(store, settings)
    with workspace() as folder, tracked(store, "score", settings.tags) as run:
        inputs = take_inputs(run, settings, folder)
        scored = score_everyone(store, settings, inputs, chosen, run.run_id)
        with step("publish"), holding(store, "score", settings.wait_minutes):
            version = publish(store, run.run_id, scored.table, scored.described if settings.publish_features else None)
            why_not = why_not_current(store, chosen.version, inputs.as_of)
            sections = score_sections(store, settings, inputs, chosen, scored, version, why_not)
            log_score(run, chosen, scored, version, sections)
            if why_not is None:
                make_current(store, version)
        forget_old_quarantine(store, settings.quarantine_retention_days)
    tell(sections)
    return Published(version, why_not is None, chosen.version, scored.table.num_rows, run.run_id)


score_everyone = plain_task(score_base)


@io_task
def publish(store: Store, run_id: str, table: pa.Table, described: Path | None) -> int:
    """Publish the table as a new version, after it was read back and checked; the features beside it where asked."""
    return register_scores(store, run_id, table, described)
