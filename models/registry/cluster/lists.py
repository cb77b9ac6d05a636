"""The action lists of a base on a cluster, whose batches choose their own customers first, and everyone's reasons."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from features.engine.stored import BATCH_ROWS, gathered, to_frame
from models.actions.base_figures import BaseFigures
from models.actions.lists import action_lists, rank_of
from models.actions.plan import Reference, explainer_of, to_json
from models.actions.reasons import nps_reasons
from models.population.scores_table import SCHEMA
from models.registry.cluster.scorer import loaded

EXPLAINED = "explained_"
"""What the columns of the features that an NPS score is explained by begin with."""

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
        By customer_id, of those on a list.
    files : bytes
        The version of the scorer, as `models.registry.cluster.scorer.pack_scorer` gives it.
    reference : Reference or None
        The base that everyone's score is explained relative to; with None the reasons of all others are null.
    """

    texts: Mapping[str, str]
    files: bytes
    reference: Reference | None = None

    def __call__(self, batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Take rows of `models.registry.cluster.scorer.QUOTED_SCHEMA`, and leave out the features.

        With a reference the features of the NPS model stand beside them, under names that begin with `EXPLAINED`.
        """
        _, release = loaded(self.files)
        explainer = None if self.reference is None else explainer_of(self.reference, release)
        for batch in batches:
            if not batch.num_rows:
                continue
            rows = pa.Table.from_batches([batch])
            customers = rows["customer_id"].to_pylist()
            texts = [self.texts.get(customer) for customer in customers]
            if explainer is not None:
                own = [name for name in rows.column_names if name.startswith(EXPLAINED)]
                features = to_frame(rows.select(own).rename_columns([name.removeprefix(EXPLAINED) for name in own]))
                others = np.flatnonzero([text is None for text in texts])
                explained = nps_reasons(explainer, features.iloc[others], release.vocabulary)
                for place, reasons in zip(others.tolist(), explained, strict=True):
                    texts[place] = to_json(reasons) if reasons else None
            scores = rows.select(SCHEMA.names).cast(SCHEMA)
            column = pa.array(texts, pa.string())
            yield from scores.set_column(SCHEMA.get_field_index("reasons"), "reasons", column).to_batches()
