"""``revealed rollback``, which needs no flow."""

from rich.console import Console

from flows.settings import Settings
from flows.steps.stores import open_existing_store
from models.registry.locking.holding import holding
from models.registry.publication import finish_rollback, is_rollback_unfinished
from models.registry.scorers import roll_back
from models.registry.upkeep.killed_runs import close_killed_runs, close_runs_elsewhere, mend_aliases


def roll_back_all(settings: Settings, console: Console) -> None:
    """Go back to the previous scorer and to the newest scores that it made.

    Raises
    ------
    RefusedError
        Where there is no previous scorer.
    """
    store = open_existing_store(settings)
    close_killed_runs(store)
    with holding(store, "rollback") as left_by:
        close_runs_elsewhere(store, left_by)
        is_unfinished = is_rollback_unfinished(store)
        mend_aliases(store)
        if is_unfinished:
            outcome = "the rollback that was interrupted is finished"
        else:
            replaced, champion = roll_back(store)
            outcome = f"champion is version {champion} again, in place of version {replaced}"
        newest = finish_rollback(store)
    scores = f"current scores are version {newest}" if newest else "it has published no scores; run `revealed score`"
    console.print(f"{outcome}; {scores}", markup=False)
