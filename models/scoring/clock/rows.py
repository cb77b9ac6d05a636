"""The date that a row of the features table is described at, which a scorer with a clock reads."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

AS_OF = "as_of"


def numbered_dates(features: pd.DataFrame) -> NDArray[np.int64]:
    """Return the as_of of each row as days from 1970-01-01 on, which a scorer with a clock reads.

    Raises
    ------
    ValueError
        Where the column is missing or holds no dates.
    """
    if AS_OF not in features:
        raise ValueError(
            "the features table lacks as_of, the date that each row is described at: this scorer knows the shop's "
            "season and cannot score without it"
        )
    must = f"{AS_OF} must be a date such as 2026-01-31 in every row"
    if features[AS_OF].dtype.kind in "fiub":
        raise ValueError(f"{must}; it holds numbers")
    try:
        dates = pd.to_datetime(features[AS_OF])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{must}: {error}") from None
    if dates.isna().any():
        rows = ", ".join(str(row) for row in features.index[dates.isna()][:3])
        raise ValueError(f"{must}; it is not in {dates.isna().sum():,} rows, first: {rows}")
    return dates.to_numpy("datetime64[D]").astype(np.int64)
