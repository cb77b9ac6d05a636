"""The flow ``score``: describe all customers, score them with the champion, publish one row per customer.

It is a plain function; `flows.deployed` makes it a flow of Prefect's.
"""

from pathlib import Path

from flows.reports.page.keeping import Kept, keep_page_of_score
from flows.reports.page.scoring import score_figures
from flows.reports.page.screen import screen_of
from flows.reports.score import log_score, score_sections
from flows.reports.sections import Section, tell
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.scoring import Published, Scored, by_the_champion, choose_scorer, score_base
from flows.steps.stores import open_settings_store
from flows.steps.tasks import io_task, plain_task, take_inputs
from models.registry.publication import make_current, register_scores, why_not_current
from models.registry.published_file import CURRENT, SCORES, pull_line
from models.registry.scorers import Registered, alias_version
from models.registry.store import Store
from models.registry.tracking import Run, forget_old_quarantine, tracked


def score(settings: Settings) -> Published:
    """Score every customer as of one date and publish the table.

    Parameters
    ----------
    settings : Settings
        What to read, as_of, and which scorer.

    Returns
    -------
    Published
        What was published. The store is held only during publication. Where another scorer has become the champion
        until then, everyone is scored again, unless the settings name the scorer or the date is past.

    Raises
    ------
    RefusedError
        If a limit stopped the run, or the champion changed at each attempt.
    """
    if settings.engine == "spark":
        # It imports pyspark.
        from flows.score_on_cluster import score_on_cluster

        return score_on_cluster(settings)
    store = open_settings_store(settings)
    chosen, before = choose_scorer(store, settings), alias_version(store, CURRENT, SCORES)
    with tracked(store, "score", settings.tags) as run:
        inputs = take_inputs(run, settings)
        chosen, _, (done, kept, sections) = by_the_champion(
            store,
            settings,
            inputs.as_of,
            run.run_id,
            chosen,
            lambda scorer: score_everyone(store, settings, inputs, scorer, run.run_id),
            lambda scorer, outcome: publish_scored(store, run, settings, inputs, scorer, outcome, before),
        )
    title = f"Scored {done.customers:,} customers as of {inputs.as_of} with scorer {chosen.version}."
    places = {"Report": kept.place, "Pull the scores with": pull_line(store) if done.is_current else None}
    tell(sections, screen_of(title, kept.figures, kept.of_scorer, places))
    return done


def publish_scored(
    store: Store,
    run: Run,
    settings: Settings,
    inputs: Inputs,
    chosen: Registered,
    scored: Scored,
    before: int | None,
) -> tuple[Published, Kept, list[Section]]:
    """Publish while the store is held: the alias moves only where the scores may be the current ones.

    It moves last, after all that may fail: the page and what is told of the run are written before. Also gives what was
    kept of the page, and what there is to tell.
    """
    version = publish(store, run.run_id, scored.scores.file, scored.described if settings.publish_features else None)
    why_not = why_not_current(store, chosen.version, inputs.as_of)
    sections = score_sections(store, settings, inputs, chosen, scored, version, why_not)
    log_score(run, inputs.as_of, chosen, scored, version, sections)
    figures = score_figures(settings, inputs, chosen, scored, version, why_not)
    kept = keep_page_of_score(run, figures, before, settings.language)
    forget_old_quarantine(store, settings.quarantine_retention_days)
    if why_not is None:
        make_current(store, version)
    done = Published(version, why_not is None, chosen.version, len(scored.scores), run.run_id)
    return done, kept, sections


score_everyone = plain_task(score_base)


@io_task
def publish(store: Store, run_id: str, scores: Path, described: Path | None) -> int:
    """Publish the scores as a new version, after it was read back and checked; the features beside it where asked."""
    return register_scores(store, run_id, scores, described)
