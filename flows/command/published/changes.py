"""``revealed scores --since VERSION``: the rows that changed since an earlier published version."""

from collections import Counter
from pathlib import Path

import pyarrow as pa
from rich.console import Console

from data.errors import InputError
from flows.command.published.pulling import SHOWN, write_table
from flows.settings import Settings
from flows.steps.stores import open_existing_store
from models.monitoring.changed_scores import SMALLEST, changed_scores
from models.population.scores_table import read_metadata
from models.registry.publication import published_versions
from models.registry.reading import current_version, read_scores

_FIRST = 20
_MUST_AGREE = {
    "horizon": "horizon",
    "churn_horizon": "churn horizon",
    "clv_horizon": "horizon of clv",
    "currency": "currency",
}


def show_changes(
    settings: Settings, since: int, tolerance: float, output: Path | None, console: Console, *, raw: bool = False
) -> None:
    """Show which customers are new, gone or moved since a version, or write their rows to a file.

    Raises
    ------
    InputError
        Where nothing is published, the version was not, its figures mean something else, or the file cannot be written.
    """
    store = open_existing_store(settings)
    now = current_version(store)
    versions = published_versions(store)
    if since not in versions:
        newest = ", ".join(str(version) for version in versions[-5:])
        raise InputError(f"no scores were published as version {since}; the newest published ones are {newest}")
    current, before = read_scores(store, now), read_scores(store, since)
    _check_comparable(current, before, since)
    changed = changed_scores(current, before, tolerance, {"since_version": str(since), "version": str(now)})
    escaped = "" if output is None else write_table(changed, output, raw=raw)
    _tell(changed, f"version {since} (as of {before['as_of'][0]}) to {now} (as of {current['as_of'][0]})", console)
    console.print(
        f"Moved: a probability by more than {tolerance:g}, an amount by more than that share of it and {SMALLEST:g}, "
        "anything else at all; what passes with time alone (as_of, T) does not count.",
        markup=False,
    )
    if output is not None:
        console.print(f"{changed.num_rows:,} rows written to {output}{escaped}", markup=False)


def _check_comparable(current: pa.Table, before: pa.Table, since: int) -> None:
    ours, theirs = read_metadata(current), read_metadata(before)
    for key, words in _MUST_AGREE.items():
        if ours.get(key) != theirs.get(key):
            raise InputError(
                f"version {since} has another {words} ({theirs.get(key)}, now {ours.get(key)}): its figures mean "
                "something else. Pull all scores instead: revealed scores --output FILE"
            )


def _tell(changed: pa.Table, versions: str, console: Console) -> None:
    from flows.reports.sections import Section, number, show

    counts = Counter(changed["change"].to_pylist())
    counted = f"{counts['new']:,} new, {counts['gone']:,} gone, {counts['moved']:,} moved"
    frame = changed.slice(0, _FIRST).select(["change", *SHOWN]).to_pandas()
    frame = frame.map(lambda v: number(v) if isinstance(v, float) else str(v))
    show([Section("Changed scores", (f"From {versions}: {counted}.",), frame if len(frame) else None)], console)
