"""What a scoring reports of segments and personas: their sizes, their means, and transitions since the last scores."""

import numpy as np
import pandas as pd

from flows.reports.sections import Section, number, share
from models.monitoring.stability import Transitions
from models.monitoring.transitions import GONE, NEW
from models.registry.tracking import Run

# The largest transitions that are named; the file holds all.
LARGEST_TRANSITIONS = 6
# Columns of the scores that the tables are made of.
SEGMENT_COLUMNS = ("segment", "persona", "next_purchase_index", "clv", "p_churn", "expected_revenue")
SEGMENT_MEANS = ("next_purchase_index", "clv", "p_churn")


def segments_section(scores: pd.DataFrame, segments: tuple[str, ...]) -> Section:
    """Report each RFM segment of today, the best first: its size and the means of its scores."""
    return segments_of(group_means(scores, "segment"), segments)


def segments_of(groups: pd.DataFrame, segments: tuple[str, ...]) -> Section:
    """Report the same from what `group_means` gives."""
    rows = _table(groups.loc[[name for name in segments if name in groups.index]])
    return Section("Segments by recency, frequency and value", (), rows)


def personas_section(scores: pd.DataFrame) -> Section | None:
    """Report each persona in the same way, the largest first; None without personas."""
    if scores["persona"].isna().all():
        return None
    return personas_of(group_means(scores, "persona"))


def personas_of(groups: pd.DataFrame) -> Section:
    """Report the same from what `group_means` gives."""
    order = groups.reset_index().sort_values(["customers", "persona"], ascending=[False, True])["persona"]
    return Section("Personas", (), _table(groups.loc[order]))


def group_means(scores: pd.DataFrame, column: str) -> pd.DataFrame:
    """Count the customers of each group, and give the means of `SEGMENT_MEANS` and the sum of expected_revenue."""
    groups = scores.groupby(column)
    means = groups[list(SEGMENT_MEANS)].mean()
    return means.assign(customers=groups.size(), expected_revenue=groups["expected_revenue"].sum())


def segment_transitions_section(transitions: Transitions) -> Section:
    """Report the size of each segment then and now, and the largest transitions between two segments."""
    table = transitions.segments
    names = [name for name in table.index if name != NEW]
    stayed = pd.Series(np.diag(table.loc[names, names]), index=names)
    rows = pd.DataFrame(
        {
            "segment": names,
            "then": table.loc[names].sum(axis=1),
            "stayed": stayed,
            "left": table.loc[names, names].sum(axis=1) - stayed,
            "joined": table.loc[names, names].sum(axis=0) - stayed,
            "new": table.loc[NEW, names],
            "now": table[names].sum(axis=0),
        }
    )
    by_time = transitions.by_time
    # Beside those who left.
    rows.insert(4, "by time alone", by_time["left_by_time"])
    rows.insert(5, "expected so", by_time["expected_by_time"].round().astype(int))
    rows = rows[(rows["then"] > 0) | (rows["now"] > 0)]
    gone = int(table[GONE].sum())
    counts = table.loc[names, names].to_numpy() * (1 - np.eye(len(names), dtype=int))
    greatest = np.argsort(-counts, axis=None, kind="stable")[:LARGEST_TRANSITIONS]
    pairs = [divmod(int(place), len(names)) for place in greatest]
    largest_transitions = "; ".join(f"{names[i]} to {names[j]} {counts[i, j]:,}" for i, j in pairs if counts[i, j])
    sentences = (
        "Both dates use the cut points and names of today's scorer. After a retraining, the numbers of then may differ "
        "from those that were published.",
        *(
            [f"Largest transitions: {largest_transitions}."]
            if largest_transitions
            else ["No customer changed the segment."]
        ),
        *([_time_alone(by_time)] if by_time["left"].sum() else []),
        *([f"{gone:,} are not customers any more: their purchases were returned."] if gone else []),
    )
    for name in rows.columns[1:]:
        rows[name] = rows[name].map("{:,}".format)
    return Section(f"Transitions between segments since {transitions.as_of}", sentences, rows)


def _time_alone(by_time: pd.DataFrame) -> str:
    left, silent, expected = (by_time[name].sum() for name in ("left", "left_by_time", "expected_by_time"))
    return (
        f"By time alone: {silent:,} of the {left:,} who changed the segment bought nothing since, so only the days "
        f"since their last purchase moved them; {expected:,.0f} are expected to if everyone goes on buying as before."
    )


def log_segments(run: Run, scores: pd.DataFrame) -> None:
    """Log the segments and the personas with the run."""
    for name in ("segment", "persona"):
        if scores[name].notna().any():
            groups = scores.groupby(name)
            means = groups[list(SEGMENT_MEANS)].mean()
            run.log_csv(means.assign(customers=groups.size()).reset_index(), f"segments/{name}s.csv")


def log_transitions(run: Run, transitions: Transitions | None) -> None:
    """Log the transitions between segments with the run."""
    if transitions is not None:
        run.log_csv(transitions.segments.reset_index(), "change/segment_transitions.csv")
        run.log_csv(transitions.by_time.reset_index(), "change/segments_by_time.csv")


def _table(groups: pd.DataFrame) -> pd.DataFrame:
    """Write what `group_means` gives, in its order."""
    customers, revenue = groups["customers"], groups["expected_revenue"]
    return pd.DataFrame(
        {
            groups.index.name: list(groups.index),
            "customers": customers.map("{:,}".format),
            "share": (customers / customers.sum()).map("{:.1%}".format),
            "of expected revenue": (revenue / revenue.sum()).map("{:.1%}".format) if revenue.sum() > 0 else "–",
            "next purchase index": [number(value, 1) for value in groups["next_purchase_index"]],
            "lifetime value": [number(value, 2) for value in groups["clv"]],
            "churn": [share(value) for value in groups["p_churn"]],
        }
    )
