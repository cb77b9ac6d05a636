"""The flow ``score`` where the tables lie on a cluster: everyone is described, scored and written there."""

from datetime import date

from flows.reports.cluster.figures import cluster_figures
from flows.reports.cluster.score import cluster_sections, log_cluster_score
from flows.reports.page.keeping import Kept, keep_page_of_score
from flows.reports.page.screen import screen_of
from flows.reports.sections import Section, tell
from flows.settings import Settings
from flows.steps.cluster.inputs import take_cluster_inputs
from flows.steps.cluster.place import Cluster, cluster_of_run
from flows.steps.cluster.scoring import ScoredThere, score_there
from flows.steps.inputs import Inputs
from flows.steps.scoring import Published, by_the_champion, choose_scorer
from flows.steps.stores import open_settings_store
from flows.steps.tasks import io_task, plain_task
from models.registry.publication import make_current, register_dataset, why_not_current
from models.registry.published_file import CURRENT, SCORES, pull_line
from models.registry.scorers import Registered, alias_version
from models.registry.store import Store
from models.registry.tracking import Run, forget_old_quarantine, tracked


def score_on_cluster(settings: Settings) -> Published:
    """Score every customer as of one date on a cluster, and publish the files that it wrote.

    Parameters
    ----------
    settings : Settings
        What to read, where the cluster is, as_of, and which scorer.

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
    chosen, before = choose_scorer(store, settings), alias_version(store, CURRENT, SCORES)
    with tracked(store, "score", settings.tags) as run, cluster_of_run(store, settings, run.run_id) as cluster:
        inputs = take_cluster_inputs(run, settings, cluster)
        chosen, _, (done, kept, sections) = by_the_champion(
            store,
            settings,
            inputs.as_of,
            run.run_id,
            chosen,
            lambda scorer: score_everyone(store, settings, cluster, inputs, scorer, run.run_id),
            lambda scorer, scored: publish_scored(store, run, settings, cluster, inputs, scorer, scored, before),
        )
    title = f"Scored {done.customers:,} customers as of {inputs.as_of} with scorer {chosen.version}, on the cluster."
    places = {"Report": kept.place, "Pull the scores with": pull_line(store) if done.is_current else None}
    tell(sections, screen_of(title, kept.figures, kept.of_scorer, places))
    return done


def publish_scored(
    store: Store,
    run: Run,
    settings: Settings,
    cluster: Cluster,
    inputs: Inputs,
    chosen: Registered,
    scored: ScoredThere,
    before: int | None,
) -> tuple[Published, Kept, list[Section]]:
    """Publish while the store is held: the alias moves last, and only where the scores may be the current ones."""
    version = publish(store, run.run_id, cluster, scored, inputs.as_of)
    why_not = why_not_current(store, chosen.version, inputs.as_of)
    sections = cluster_sections(store, settings, inputs, chosen, scored, version, why_not)
    log_cluster_score(run, chosen, scored, version, sections)
    figures = cluster_figures(settings, inputs, chosen, scored, version, why_not)
    kept = keep_page_of_score(run, figures, before, settings.language)
    forget_old_quarantine(store, settings.quarantine_retention_days)
    if why_not is None:
        make_current(store, version)
    return Published(version, why_not is None, chosen.version, scored.customers, run.run_id), kept, sections


score_everyone = plain_task(score_there)


@io_task
def publish(store: Store, run_id: str, cluster: Cluster, scored: ScoredThere, as_of: date) -> int:
    """Give the files that the cluster wrote their place, and publish them as a new version."""
    if not cluster.published.exists():
        scored.folder.rename(cluster.published)
    return register_dataset(store, run_id, cluster.published, scored.customers, as_of, scored.metadata)
