"""The next purchase index as a measure of a base or a segment, and its change under one scorer."""

from collections.abc import Callable
from functools import partial

import ibis
import numpy as np
import pandas as pd

from features.describe import everyone_described
from features.measures.definition import Measure, MeasureOptions, absent, with_empty_windows
from features.measures.windows import Grouping, Windows
from features.tables import Tables
from models.release.release import Release

# Each date costs a description and a scoring of everyone, so only the newest window and the one before are computed.
DATES = 2


def purchase_index_measure(release: Release) -> Measure:
    """Return the next purchase index as a measure: the mean of 100 p_purchase at the end of each window.

    Parameters
    ----------
    release : Release
        Its scorer scores both dates, so a change comes from the customers, not from the scorer.
    """
    horizon = release.parameters.horizon
    compute: Callable[[Tables, Windows, Grouping, MeasureOptions], pd.DataFrame] = partial(_compute, release)
    return Measure(
        "next_purchase_index",
        "Next purchase index",
        "",
        f"mean of 100 * P(at least one purchase in the {horizon} days after the window) over the customers at "
        "its end, by the champion and by today's segments at both dates",
        compute,
    )


def _compute(
    release: Release, tables: Tables, windows: Windows, grouping: Grouping, _options: MeasureOptions
) -> pd.DataFrame:
    if grouping.column is not None:
        return absent(f"the index is a figure of customers, and a customer has no {grouping.name}", windows)
    if not release.scorer.has_forecast:
        return absent("the scorer has no purchase model, as nobody had bought again at its training", windows)
    parts = []
    for number in range(min(DATES, windows.count)):
        described = everyone_described(tables, windows.end(number), release.vocabulary)
        if not len(described):
            continue
        index = [100.0 * release.scorer.predict_horizon(batch)["p_purchase"] for batch in described.batches()]
        scored = pd.DataFrame(
            {"group": _groups(grouping, described["customer_id"]), "value": pd.concat(index).to_numpy(), "n": 1}
        )
        by_group = scored.groupby("group").agg(value=("value", "mean"), n=("n", "sum")).reset_index()
        parts.append(by_group.assign(window=number))
    if not parts:
        return absent("no purchase is visible yet", windows)
    figures = pd.concat(parts, ignore_index=True)
    return with_empty_windows(figures, windows, f"only computed for the {DATES} newest windows that hold customers")


def _groups(grouping: Grouping, customer: pd.Series) -> np.ndarray:
    """Return the group of each customer, (n,)."""
    rows = ibis.memtable(
        pd.DataFrame({"customer_id": customer.astype(str).to_numpy(), "row": np.arange(len(customer))})
    )
    return np.asarray(grouping.of(rows).order_by("row").to_pandas()["group"])
