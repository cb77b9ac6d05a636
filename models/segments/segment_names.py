"""Names of the RFM segments by scores, and what a shop's own names must fulfil.

Apart from the computation, so that settings are read without the libraries that compute.
"""

from collections.abc import Mapping, Sequence

import numpy as np

# Name -> lowest and highest recency score, and lowest and highest mean of frequency and monetary score.
Segments = Mapping[str, Sequence[Sequence[int]]]
# The names used where settings define none, from the best customers down.
SEGMENTS: Segments = {
    "champions": ((5, 5), (4, 5)),
    "loyal": ((3, 4), (4, 5)),
    "potential loyalists": ((4, 5), (3, 3)),
    "new": ((5, 5), (1, 2)),
    "promising": ((4, 4), (1, 2)),
    "need attention": ((3, 3), (3, 3)),
    "about to sleep": ((3, 3), (1, 2)),
    "cannot lose them": ((1, 2), (5, 5)),
    "at risk": ((1, 2), (3, 4)),
    "hibernating": ((2, 2), (1, 2)),
    "lost": ((1, 1), (1, 2)),
}

# The segmentation by personas.
PERSONA = "persona"

# Labels of the table of transitions (`models.monitoring.transitions`), which a segment must not have as a name.
RESERVED_NAMES = ("before", "(new)", "(gone)")


def segment_names(segments: Segments = SEGMENTS) -> np.ndarray:
    """Return the 5 x 5 names by (recency score - 1, mean of frequency and monetary score - 1).

    Raises
    ------
    ValueError
        Where a pair of scores has no name or two names, a score is not from 1 to 5, or a name cannot be shown.
    """
    names = np.full((5, 5), "", dtype=object)
    for name, ((r_low, r_high), (w_low, w_high)) in segments.items():
        if name in RESERVED_NAMES or name != name.strip() or not name or not name.isprintable():
            raise ValueError(
                f"must have names of one line, without blanks around them and other than {', '.join(RESERVED_NAMES)}; "
                f"{name!r} is not allowed"
            )
        if not (1 <= r_low <= r_high <= 5 and 1 <= w_low <= w_high <= 5):
            raise ValueError(f"must have scores from 1 to 5, the lower one first; those of {name!r} are not")
        named = names[r_low - 1 : r_high, w_low - 1 : w_high]
        if (named != "").any():
            raise ValueError(
                f"must name each pair of scores once; {name!r} and {named[named != ''][0]!r} name the same"
            )
        named[...] = name
    if (names == "").any():
        recency, mean_score = np.argwhere(names == "")[0] + 1
        raise ValueError(
            f"must name all pairs of scores; recency {recency} with {mean_score}, the mean of frequency and monetary "
            "score, has no name"
        )
    return names
