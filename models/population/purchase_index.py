"""The next purchase index as a measure of a base or a segment, and its change under one scorer."""

from collections.abc import Callable
from functools import partial

import ibis
import numpy as np
import pandas as pd

from features.describe import describe_everyone
from features.measures.definition import Measure, MeasureOptions, absent, with_empty_windows
from features.measures.windows import Grouping, Windows
from features.tables import Tables
from models.release.release import Release

# Every date is described and scored anew, so only the change since the window before is told.
DATES = 2


def purchase_index_measure(release: Release) -> Measure:
    """Make the next purchase index a measure: the mean of 100 p_purchase at the end of each window.

    Parameters
    ----------
    release : Release
        Its scorer scores both dates, so that what changed is the customers.
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
        return absent(f"the index is of customers, who have no {grouping.name} of their own", windows)
    found = []
    for number in range(min(DATES, windows.count)):
        base = describe_everyone(tables, windows.end(number), release.vocabulary)
        if base.empty:
            continue
        index = 100.0 * release.scorer.predict_horizon(base)["p_purchase"].to_numpy()
        scored = pd.DataFrame({"group": _groups(grouping, base["customer_id"]), "value": index, "n": 1})
        of_group = scored.groupby("group").agg(value=("value", "mean"), n=("n", "sum")).reset_index()
        found.append(of_group.assign(window=number))
    if not found:
        return absent("no purchase is visible yet", windows)
    figures = pd.concat(found, ignore_index=True)
    return with_empty_windows(figures, windows, f"only told of the {DATES} newest windows that hold customers")


def _groups(grouping: Grouping, customer: pd.Series) -> np.ndarray:
    """Group of each customer, (n,)."""
    rows = ibis.memtable(
        pd.DataFrame({"customer_id": customer.astype(str).to_numpy(), "row": np.arange(len(customer))})
    )
    return np.asarray(grouping.of(rows).order_by("row").to_pandas()["group"])
