"""What a scoring says of segments: who is in them, what they are worth, and who moved since the last time."""

import numpy as np
import pandas as pd

from flows.reports.sections import Section, number
from models.monitoring.stability import Since
from models.monitoring.transitions import GONE, NEW
from models.registry.tracking import Run

# So many of the greatest moves are told; the file holds all.
MOVES_TOLD = 6
# What of the scores is told by segment.
SEGMENT_COLUMNS = ("segment", "persona", "next_purchase_index", "clv", "p_churn", "expected_revenue")
_MEANS = ("next_purchase_index", "clv", "p_churn")


def segments_section(scores: pd.DataFrame, segments: tuple[str, ...]) -> Section:
    """Write who is in each RFM segment today, best segments first, with the means of what is expected of them."""
    rows = _by(scores, "segment", [name for name in segments if (scores["segment"] == name).any()])
    return Section("Segments by recency, frequency and value", (), rows)


def personas_section(scores: pd.DataFrame) -> Section | None:
    """Write the same of personas, the largest first; None where there are none."""
    if scores["persona"].isna().all():
        return None
    counts = scores["persona"].value_counts()
    order = counts.rename_axis("persona").reset_index().sort_values(["count", "persona"], ascending=[False, True])
    return Section("Personas", (), _by(scores, "persona", order["persona"].tolist()))


def segment_moves_section(since: Since) -> Section:
    """Write how many are in each segment now and before, and the greatest moves between two of them."""
    moves = since.segments
    names = [name for name in moves.index if name != NEW]
    stayed = pd.Series(np.diag(moves.loc[names, names]), index=names)
    rows = pd.DataFrame(
        {
            "segment": names,
            "then": moves.loc[names].sum(axis=1),
            "stayed": stayed,
            "left for others": moves.loc[names, names].sum(axis=1) - stayed,
            "came from others": moves.loc[names, names].sum(axis=0) - stayed,
            "new": moves.loc[NEW, names],
            "now": moves[names].sum(axis=0),
        }
    )
    rows = rows[(rows["then"] > 0) | (rows["now"] > 0)]
    gone = int(moves[GONE].sum())
    counts = moves.loc[names, names].to_numpy() * (1 - np.eye(len(names), dtype=int))
    greatest = np.argsort(-counts, axis=None, kind="stable")[:MOVES_TOLD]
    pairs = [divmod(int(place), len(names)) for place in greatest]
    told = "; ".join(f"{names[i]} to {names[j]} {counts[i, j]:,}" for i, j in pairs if counts[i, j])
    sentences = (
        "Both dates by the cut points and names of today's scorer: after a retraining, then may differ from what was "
        "published.",
        *([f"The greatest moves: {told}."] if told else ["Nobody moved between segments."]),
        *([f"{gone:,} are no customers any more: their purchases were taken back."] if gone else []),
    )
    for name in rows.columns[1:]:
        rows[name] = rows[name].map("{:,}".format)
    return Section(f"Moves between segments since {since.as_of}, by the same cut points", sentences, rows)


def log_segments(run: Run, scores: pd.DataFrame, since: Since | None) -> None:
    """Leave the segments, the personas and the moves with the run."""
    for name in ("segment", "persona"):
        if scores[name].notna().any():
            means = scores.groupby(name)[list(_MEANS)].mean()
            run.log_csv(means.assign(customers=scores[name].value_counts()).reset_index(), f"segments/{name}s.csv")
    if since is not None:
        run.log_csv(since.segments.reset_index(), "change/segment_moves.csv")


def _by(scores: pd.DataFrame, column: str, order: list[str]) -> pd.DataFrame:
    groups = scores.groupby(column)
    customers, means = groups.size()[order], groups[list(_MEANS)].mean().loc[order]
    revenue = groups["expected_revenue"].sum()[order]
    return pd.DataFrame(
        {
            column: order,
            "customers": customers.map("{:,}".format),
            "share": (customers / len(scores)).map("{:.1%}".format),
            "of expected revenue": (revenue / revenue.sum()).map("{:.1%}".format) if revenue.sum() > 0 else "–",
            "next purchase index": means["next_purchase_index"].map("{:.1f}".format),
            "lifetime value": [number(value, 2) for value in means["clv"]],
            "churn": means["p_churn"].map("{:.1%}".format),
        }
    )
