"""Spend: Gamma-Gamma.

References
----------
[3] Fader & Hardie (2013), The Gamma-Gamma Model of Monetary Value, http://brucehardie.com/notes/025/.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from .arrays import Floats
from .parameters import SpendParameters


def expected_spend(x: ArrayLike, m: ArrayLike, parameters: SpendParameters) -> Floats:
    """Return the expected value of a customer's next purchases, p (v + x m) / (p x + q - 1) ([3], eq. 5).

    Parameters
    ----------
    x : array_like
        Repeat purchase days with positive value.
    m : array_like
        Their mean value; not read where x = 0, where the result is the mean of the base.
    parameters : SpendParameters

    Returns
    -------
    ndarray of float
        Positive.
    """
    x = np.asarray(x, dtype=np.float64)
    total = np.where(x > 0, x * np.asarray(m, dtype=np.float64), 0.0)
    return np.asarray(parameters.p * (parameters.v + total) / (parameters.p * x + (parameters.q - 1.0)))
