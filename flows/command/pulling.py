"""``revealed scores`` and ``revealed rollback``, which need no flow."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from rich.console import Console

from data.errors import InputError
from flows.reports.sections import Section, number, show
from flows.settings import Settings
from flows.steps.stores import open_existing_store
from models.population.scores_table import read_metadata
from models.registry.publication import finish_rollback, is_rollback_unfinished, pull_line, read_current
from models.registry.scorers import roll_back
from models.registry.store import holding

_SHOWN = ("customer_id", "next_purchase_index", "expected_revenue", "clv", "p_churn", "segment", "nps_category")


def pull(settings: Settings, output: Path | None, customer: str | None, console: Console) -> None:
    """Show the current scores, one customer's, or write them to a file.

    Raises
    ------
    InputError
        Where nothing is published, the customer has no scores, or the file cannot be written.
    """
    store = open_existing_store(settings)
    table = read_current(store)
    if customer is not None:
        table = table.filter(pc.equal(table["customer_id"], customer))
        if table.num_rows == 0:
            raise InputError(f"customer {customer!r} has no scores: ids are texts, exactly as they came")
    if output is not None:
        draft = output.with_name(f".{output.name}.draft")
        try:
            pa_csv.write_csv(table, draft) if output.suffix == ".csv" else pq.write_table(table, draft)
            draft.replace(output)
        except OSError as error:
            draft.unlink(missing_ok=True)
            raise InputError(f"{output} cannot be written: {error.strerror or error}") from None
        console.print(f"{table.num_rows:,} customers written to {output}", markup=False)
        return
    metadata = read_metadata(table)
    origin = f"as of {table['as_of'][0]}, by scorer {metadata['scorer_version']}, horizon {metadata['horizon']} days"
    frame = table.slice(0, 1 if customer is not None else 20).to_pandas()
    if customer is not None:
        frame = frame.T.reset_index().set_axis(["score", "value"], axis=1)
        frame["value"] = [number(v) if isinstance(v, float) else str(v) for v in frame["value"]]
    else:
        frame = frame[list(_SHOWN)].map(lambda v: number(v) if isinstance(v, float) else str(v))
    summary = f"{table.num_rows:,} customers {origin}" if customer is None else origin
    show([Section("Scores", (summary, pull_line(store)), frame)], console)


def roll_back_all(settings: Settings, console: Console) -> None:
    """Go back to the previous scorer and to the newest scores that it made.

    Raises
    ------
    RefusedError
        Where there is no previous scorer.
    """
    store = open_existing_store(settings)
    with holding(store, "rollback"):
        if is_rollback_unfinished(store):
            outcome = "the rollback that was interrupted is finished"
        else:
            replaced, champion = roll_back(store)
            outcome = f"champion is version {champion} again, in place of version {replaced}"
        newest = finish_rollback(store)
    scores = f"current scores are version {newest}" if newest else "it has published no scores; run `revealed score`"
    console.print(f"{outcome}; {scores}", markup=False)
