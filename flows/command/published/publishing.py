"""``revealed publish``, which needs no flow: the current scores in a table of a database."""

import pyarrow as pa
from rich.console import Console

from data.intake.databases.address import Address
from flows.settings import Settings
from flows.steps.stores import open_existing_store
from models.population.scores_table import read_metadata
from models.registry.database_copy import Written, with_versions, write_copy
from models.registry.published_file import SCORES
from models.registry.reading import current_version, read_scores
from models.registry.scorers import SCORER

_ROWS = 2**16
"""Rows of a batch."""


def publish(settings: Settings, address: Address, console: Console) -> None:
    """Write the current scores into a table, in one transaction, and say what was done.

    Raises
    ------
    InputError
        Where nothing is published, or the table cannot be written.
    ConnectionLostError
        Where the connection to the database was lost.
    """
    store = open_existing_store(settings)
    version = current_version(store)
    table = read_scores(store, version)
    metadata = read_metadata(table)
    scorer = metadata["scorer_version"]
    origin = f"version {version} of {SCORES}, as of {table['as_of'][0]}, by version {scorer} of {SCORER}"
    scores = with_versions(table, version, int(scorer))
    reader = pa.RecordBatchReader.from_batches(scores.schema, scores.to_batches(max_chunksize=_ROWS))
    comment = f"Scores of customers: {origin}, horizon {metadata['horizon']} days, run {metadata['run_id']}"
    written = write_copy(address, reader, table.num_rows, comment)
    console.print(
        f"{written.rows:,} customers written to {address.full_name}: {origin}.\n{_what_became_of(written)}",
        markup=False,
    )


def _what_became_of(written: Written) -> str:
    if written.replaced is None:
        return "The table is new."
    if written.in_place:
        return (
            f"The rows of version {written.replaced} were replaced in the table, as views depend on it, "
            "in one transaction."
        )
    return f"The table took the place of the one with version {written.replaced}, in one transaction."
