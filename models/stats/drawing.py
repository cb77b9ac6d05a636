"""Drawing customers by a hash of their ids: who is drawn hardly depends on who else is there."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd


def drawing_hash(who: npt.NDArray[Any], seed: int) -> npt.NDArray[np.uint64]:
    """Hash ids: those of the lowest hashes are drawn, and of equal ones those that come first by their ids."""
    key = f"{seed % 10**16:016d}"
    # Ids differ: to look for equal ones first takes five times as long as to hash them.
    hashed: npt.NDArray[np.uint64] = pd.util.hash_array(who.astype(object), hash_key=key, categorize=False)
    return hashed
