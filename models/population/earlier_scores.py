"""Everyone's scores at an earlier date by today's scorer, kept in a file and read beside the customers of today."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from features.describe import everyone_described, in_order
from features.engine.stored import StoredTable, to_frame
from features.purchases import purchase_summary
from features.tables import Tables
from models.release.release import Release
from models.scoring.columns import PROBABILITIES
from models.scoring.nps import categories

TEXTS_BEFORE = ("nps_category_before", "segment_before")
_TEXTS = ("customer_id", *TEXTS_BEFORE, "segment_if_silent")
_NUMBERS = ("next_purchase_index_before", "days_since_before", "p_silent", *PROBABILITIES)
_PART_ROWS = 50_000
_SCHEMA = pa.schema([(name, pa.string()) for name in _TEXTS] + [(name, pa.float64()) for name in _NUMBERS])


@dataclass(frozen=True)
class EarlierScores:
    """Scores of an earlier date by today's scorer, so that only the customers differ since then.

    Attributes
    ----------
    as_of : datetime.date
        The earlier date, exclusive.
    stored : StoredTable
        What `scores_of_earlier` gives of everyone at that date, sorted by customer_id.
    """

    as_of: date
    stored: StoredTable

    def beside(
        self, today: StoredTable, columns: Sequence[str] | None = None
    ) -> Iterator[tuple[pd.DataFrame, pd.DataFrame]]:
        """Give batches of today's customers beside the earlier scores, which need not be in memory as a whole.

        Parameters
        ----------
        today : StoredTable
            One row per customer, sorted by customer_id.
        columns : sequence of str, optional
            Those of ``today`` to read, customer_id among them; all unless given.

        Yields
        ------
        tuple
            A batch of ``today``, and the earlier scores, indexed by customer_id, of all customers up to the last one of
            the batch whom no earlier batch had; the last batch has all others.
        """
        parts, missing = self.stored.parts(_PART_ROWS), len(today)
        part: pa.Table | None = next(parts)
        for batch in today.batches(columns):
            missing -= len(batch)
            found = [_SCHEMA.empty_table()]
            while part is not None:
                count = _count_up_to(part, batch["customer_id"].iloc[-1]) if missing else len(part)
                found.append(part.slice(0, count))
                if count < len(part):
                    part = part.slice(count)
                    break
                part = next(parts, None)
            yield batch, to_frame(pa.concat_tables(found)).set_index("customer_id")


def _count_up_to(part: pa.Table, customer: str) -> int:
    return int(pc.sum(pc.less_equal(part["customer_id"], customer), min_count=0).as_py())


def score_earlier(tables: Tables, as_of: date, release: Release, today: date, file: Path) -> EarlierScores:
    """Score everyone at an earlier date with today's scorer, in batches.

    Parameters
    ----------
    tables, release
        The shop's checked tables, and today's scorer.
    as_of : datetime.date
        The earlier date, exclusive.
    today : datetime.date
        Today's as_of, for what the passing of time alone moves.
    file : Path
        Where the scores are kept.
    """
    days = (today - as_of).days
    scored = (scores_of_earlier(base, release, days).reset_index() for base in _bases(tables, as_of, release))
    return EarlierScores(as_of, StoredTable.of(scored, file, tables.workspace, _SCHEMA))


def _bases(tables: Tables, as_of: date, release: Release) -> Iterator[pd.DataFrame]:
    """Read everyone at a date in batches, sorted by customer, with no more features than the release needs."""
    if needs_all_features(release):
        return everyone_described(tables, as_of, release.vocabulary).batches()
    key = ("purchases in order", as_of)
    return tables.workspace.table(key, lambda: in_order(purchase_summary(tables, as_of))).batches()


def needs_all_features(release: Release) -> bool:
    """Whether what `scores_of_earlier` gives depends on more than the summary of purchases."""
    return release.scorer.has_second_stage or release.parameters.nps.source == "model"


def scores_of_earlier(base: pd.DataFrame, release: Release, days: int | None) -> pd.DataFrame:
    """Score rows of an earlier date.

    Parameters
    ----------
    base : pandas.DataFrame
        One row per customer with their features at that date.
    release : Release
        Today's.
    days : int or None
        From that date to today's as_of; without it nothing is said of the silent.

    Returns
    -------
    pandas.DataFrame
        Indexed by customer_id: next_purchase_index_before, segment_before, nps_category_before (None without
        a signal) and p_detractor, p_passive, p_promoter (NaN without one). With `days` also days_since_before (days
        since the last purchase at the earlier date), segment_if_silent (today's segment of a customer who buys nothing
        until then) and p_silent (the probability of that, by the purchase model).
    """
    scorer = release.scorer
    scores = pd.DataFrame(index=base["customer_id"])
    scores["next_purchase_index_before"] = 100.0 * scorer.predict_horizon(base)["p_purchase"].to_numpy()
    scores["segment_before"] = release.rfm_scores(base)["segment"].to_numpy()
    if days is not None:
        later = base.assign(T=base["T"] + days)
        scores["days_since_before"] = (base["T"] - base["recency"]).to_numpy(float)
        scores["segment_if_silent"] = release.rfm_scores(later)["segment"].to_numpy()
        scores["p_silent"] = scorer.p_silent(base, days).to_numpy()
    scores["nps_category_before"] = None
    scores[list(PROBABILITIES)] = np.nan
    if release.parameters.nps.source is not None:
        probabilities = scorer.category_probabilities(base)
        scores["nps_category_before"] = categories(release.parameters.nps, probabilities)
        scores[list(PROBABILITIES)] = probabilities
    return scores
