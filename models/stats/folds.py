"""Which answers are held out together: folds of customers, and the last wave of a survey."""

import numpy as np
import numpy.typing as npt

FOLDS = 5
# A wave begins after a pause this many times as long as the usual one between two days of invitations.
PAUSE_BETWEEN_WAVES = 10
# Few late answers after a pause are no wave, nor are nearly all answers, after a pause near the start.
LEAST_OF_ANSWERS, MOST_OF_ANSWERS = 0.02, 0.8
CONTINUOUS_SHARE = 0.2


def customer_folds(customer: npt.NDArray[np.str_], seed: int, folds: int = FOLDS) -> npt.NDArray[np.int64]:
    """Draw the fold 0..k-1 of each row; all rows of a customer share one.

    Five folds unless told, fewer where there are fewer customers.
    """
    people = np.unique(customer, return_inverse=True)[1]
    fold = np.empty(len(people), dtype=np.int64)
    # A scoring imports this module and splits nothing.
    from sklearn.model_selection import GroupKFold

    splitter = GroupKFold(n_splits=min(folds, int(people.max()) + 1), shuffle=True, random_state=seed)
    for number, (_, held_out) in enumerate(splitter.split(people, groups=people)):
        fold[held_out] = number
    return fold


def last_wave(day: npt.ArrayLike) -> npt.NDArray[np.bool_]:
    """Say which answers belong to the last wave of the survey.

    Parameters
    ----------
    day
        (n,) dates of the invitations.

    Returns
    -------
    numpy.ndarray
        (n,) flags. A wave begins after a pause more than ten times as long as days with invitations usually (median)
        are apart; the last one holds 2-80 % of the answers. A survey without such a pause is continuous: its newest
        fifth of days with invitations counts as the last wave. None where all invitations are of one day.
    """
    days, of_row = np.unique(np.asarray(day, dtype="datetime64[D]"), return_inverse=True)
    if len(days) < 2:
        return np.zeros(len(of_row), dtype=bool)
    pauses = np.diff(days).astype(float)
    begins = np.flatnonzero(pauses > PAUSE_BETWEEN_WAVES * np.median(pauses)) + 1
    share = 1.0 - np.searchsorted(np.sort(of_row), begins) / len(of_row)
    waves = begins[(share >= LEAST_OF_ANSWERS) & (share <= MOST_OF_ANSWERS)]
    start = waves[-1] if len(waves) else len(days) - max(1, round(CONTINUOUS_SHARE * len(days)))
    return np.asarray(of_row >= start)
