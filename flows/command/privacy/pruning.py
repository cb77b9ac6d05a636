"""``revealed prune``: frees what nothing points to and what is past its retention; tells it first."""

from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path

from rich.console import Console

from data.secrecy.location import text_of
from flows.settings import Settings
from flows.steps.stores import open_existing_store
from models.registry.locking.holding import holding
from models.registry.privacy.kinds import Kind
from models.registry.privacy.pruning import remove
from models.registry.privacy.retention import Removal, find_removals
from models.registry.upkeep.killed_runs import close_killed_runs, close_runs_elsewhere


def run_prune(settings: Settings, console: Console, *, is_done: bool) -> None:
    """List what would be removed, and remove it where asked to.

    Parameters
    ----------
    settings : Settings
        ``retention_days``, ``quarantine_retention_days`` and ``scores_location``.
    console : rich.console.Console
        Where it is listed.
    is_done : bool
        Whether it is removed.
    """
    store = open_existing_store(settings)
    retention = dict[Kind, int]({"quarantine": settings.quarantine_retention_days})
    for kind, days in settings.retention_days.items():
        retention[kind] = days
    close_killed_runs(store)
    with holding(store, "prune", settings.wait_minutes) if is_done else nullcontext() as left_by:
        if is_done:
            close_runs_elsewhere(store, left_by)
        shared = text_of(settings.scores_location)
        removals = find_removals(store, retention, shared=None if shared is None else Path(shared).expanduser())
        for removal in removals if is_done else ():
            remove(store, removal)
    for line in _told(removals, is_done=is_done):
        console.print(line, markup=False, soft_wrap=True)
    unnamed = [kind for kind in ("scores", "reports", "lists", "samples", "runs") if kind not in retention]
    if unnamed:
        console.print(
            f"No retention is set for {', '.join(unnamed)}: they stay. For example in revealed.toml: "
            f"retention_days = {{ {unnamed[0]} = 400 }}",
            markup=False,
        )


def _told(removals: Iterable[Removal], *, is_done: bool) -> list[str]:
    removals = list(removals)
    if not removals:
        return ["There is nothing to remove."]
    size = sum(removal.size for removal in removals)
    files = sum(removal.files for removal in removals)
    lines = [f"- {each.kind}: {each.why}, {each.files:,} files, {_bytes(each.size)}" for each in removals]
    if is_done:
        return [*lines, f"Removed: {files:,} files, {_bytes(size)}."]
    return [*lines, f"Would be removed: {files:,} files, {_bytes(size)}. Nothing was; `revealed prune --yes` does it."]


def _bytes(size: int) -> str:
    return f"{size / 1e6:,.1f} MB"
