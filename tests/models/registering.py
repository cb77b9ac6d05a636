"""Tables of scores as a scoring registers them: from a file."""

import tempfile
from pathlib import Path

import pyarrow as pa

from models.population.scores_table import write_scores
from models.registry.publication import register_scores
from models.registry.published_file import FILE
from models.registry.store import Store


def register(store: Store, run_id: str, table: pa.Table, described: Path | None = None) -> int:
    """Register a table as a new version, and the features of its customers beside it."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / FILE
        write_scores([table], file)
        return register_scores(store, run_id, file, described)
