"""Customers simulated by the assumptions of BG/NBD and MBG/NBD themselves: what their fits must recover."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from models.scoring.parameters import PurchaseParameters


def simulate_purchases(T: ArrayLike, parameters: PurchaseParameters, rng: np.random.Generator) -> pd.DataFrame:
    """Simulate customers of the given ages by the model's own assumptions.

    Parameters
    ----------
    T : array_like, shape (n,)
        Ages, in the unit of ``parameters.alpha``.
    parameters : PurchaseParameters
    rng : numpy.random.Generator

    Returns
    -------
    DataFrame
        One row a customer: frequency, recency, T, lambda, p and whether still alive at T; indexed by customer_id.
    """
    T = np.asarray(T, dtype=np.float64)
    rate = rng.gamma(parameters.r, 1 / parameters.alpha, T.size)
    dropout = rng.beta(parameters.a, parameters.b, T.size)
    alive = rng.random(T.size) >= dropout if parameters.m else np.ones(T.size, dtype=bool)
    frequency, recency = np.zeros(T.size), np.zeros(T.size)
    buying = np.flatnonzero(alive)
    while buying.size:
        with np.errstate(divide="ignore"):
            time = recency[buying] + rng.standard_exponential(buying.size) / rate[buying]
        bought = time < T[buying]
        buying, time = buying[bought], time[bought]
        frequency[buying] += 1
        recency[buying] = time
        alive[buying] = rng.random(buying.size) >= dropout[buying]
        buying = buying[alive[buying]]
    columns = {"frequency": frequency, "recency": recency, "T": T, "lambda": rate, "p": dropout, "alive": alive}
    return pd.DataFrame(columns, index=pd.RangeIndex(T.size, name="customer_id"))
