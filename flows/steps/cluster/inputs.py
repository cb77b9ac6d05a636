"""From settings to clean tables on a cluster, and as_of."""

from dataclasses import replace

from data.errors import InputError, RefusedError
from data.intake.cluster.pipeline import TakenIn, take_in_on_cluster
from features.tables import Tables, tables_of
from flows.settings import Settings
from flows.steps.cluster.place import Cluster
from flows.steps.inputs import Inputs, as_of_of, rules_of
from flows.steps.progress import step
from flows.steps.sources import named_sources
from models.registry.privacy.forgotten import protection_of
from models.registry.tracking import Run


def take_cluster_inputs(run: Run, settings: Settings, cluster: Cluster) -> Inputs:
    """Read and check the tables on the cluster, and log with the run what was read and examples of what was set aside.

    Parameters
    ----------
    run : Run
        The run.
    settings : Settings
        They name tables and paths of the cluster.
    cluster : Cluster
        The session, whose folder keeps the clean tables.

    Raises
    ------
    InputError
        If a table cannot be read, no row of it is valid, as_of is not possible, or the key of pseudonyms is lost.
    RefusedError
        If too large a share of a table was set aside.
    """
    protection = protection_of(run.store, is_pseudonymous=settings.pseudonymise)
    sources = named_sources(settings)
    try:
        with step(f"read and check {', '.join(sources)} on the cluster"):
            # What is after as_of is left out by each expression.
            taken = take_in_on_cluster(
                cluster.backend,
                {name: replace(source, before=None) for name, source in sources.items()},
                run.folder,
                rules_of(settings, protection),
            )
    except (InputError, RefusedError):
        run.log_quarantine(run.folder)
        raise
    run.log_intake(taken.intake)
    as_of = as_of_of(taken.intake, settings)
    run.rename(f"{run.kind} {as_of}")
    return Inputs(_tables(taken), taken.intake, as_of)


def _tables(taken: TakenIn) -> Tables:
    return tables_of(
        taken.tables["transactions"],
        *(taken.tables.get(name) for name in ("answers", "events", "customers")),
    )
