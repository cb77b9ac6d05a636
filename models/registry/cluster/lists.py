"""The action lists of a base that lies on a cluster: each batch chooses its own customers, who are then compared."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pyarrow as pa

from features.tables import BATCH_ROWS, gathered, to_frame
from models.actions.base_figures import BaseFigures
from models.actions.lists import action_lists, rank_of
from models.population.scores_table import SCHEMA
from models.registry.cluster.scorer import loaded

LISTED_SCHEMA = "list string, customer_id string, segment string, value double, rank double, why string"
_LISTED = pa.schema(
    [
        (name, pa.float64() if kind == "double" else pa.string())
        for name, kind in (each.split() for each in LISTED_SCHEMA.split(", "))
    ]
)


@dataclass(frozen=True)
class ListCandidates:
    """Chooses of each batch of scores those who may be on a list: a function for `mapInArrow`, with `LISTED_SCHEMA`.

    Attributes
    ----------
    files : bytes
        The version of the scorer, as `models.registry.cluster.scorer.pack_scorer` gives it.
    figures : BaseFigures
        Of the whole base.
    """

    files: bytes
    figures: BaseFigures

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Give at most `models.actions.lists.LONGEST_LIST` customers a list and batch, of `ClusterScorer`'s rows."""
        _, release = loaded(self.files)
        for chunks in gathered(batches, BATCH_ROWS):
            frame = to_frame(pa.Table.from_batches(chunks))
            for each in action_lists(frame, frame, release, self.figures):
                rows = each.customers.assign(list=each.name, rank=rank_of(each, frame))
                yield from pa.Table.from_pandas(rows[_LISTED.names], _LISTED, preserve_index=False).to_batches()


@dataclass(frozen=True)
class WithReasons:
    """Puts reasons into rows of scores: a function for `mapInArrow`, with `SPARK_SCHEMA`.

    Attributes
    ----------
    texts : Mapping of str to str
        By customer_id; of everyone else they are null.
    """

    texts: Mapping[str, str]

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take rows of `models.registry.cluster.scorer.QUOTED_SCHEMA`, and leave out the features."""
        for batch in batches:
            rows = pa.Table.from_batches([batch]).select(SCHEMA.names).cast(SCHEMA)
            texts = pa.array([self.texts.get(customer) for customer in rows["customer_id"].to_pylist()], pa.string())
            yield from rows.set_column(SCHEMA.get_field_index("reasons"), "reasons", texts).to_batches()
