"""Purchases of customers who buy and leave by a clock that runs faster in season, as in MBG/NBD."""

import numpy as np
import numpy.typing as npt

Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


def purchases_by_clock(
    random: np.random.Generator, clock: Floats, first: Integers, rate: Floats, dropout: Floats
) -> tuple[Integers, Integers]:
    """Draw the days on which customers buy.

    Parameters
    ----------
    random
        Generator of all draws.
    clock
        (days + 1,) time of the clock at the beginning of each day, and at the end of the last; ascending.
    first
        (n,) day of each customer's first purchase.
    rate, dropout
        (n,) purchases per unit of the clock while the customer lives, and chance to leave after each purchase.

    Returns
    -------
    tuple of ndarray
        Customer and day of each purchase, in the order of both; several purchases of one day are one.
    """
    time, who, when = clock[first + 1], [np.arange(first.size)], [first]
    buying = np.flatnonzero(random.random(first.size) >= dropout)
    while buying.size:
        time[buying] += random.standard_exponential(buying.size) / rate[buying]
        buying = buying[time[buying] < clock[-1]]
        who.append(buying)
        when.append(np.searchsorted(clock, time[buying], side="right") - 1)
        buying = buying[random.random(buying.size) >= dropout[buying]]
    pairs = np.unique(np.stack([np.concatenate(who), np.concatenate(when)], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]
