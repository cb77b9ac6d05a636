"""How the level of an NPS is read. Apart from the measures, so that a page is written without their engine."""

import math

from data.errors import InputError

# From above which level, and how it is read.
NPS_READINGS = ((80.0, "world class"), (50.0, "excellent"), (20.0, "favourable"), (0.0, "good"))


def nps_reading(value: float) -> str:
    """Give the usual reading of the level of an NPS: above 0 good, 20 favourable, 50 excellent, 80 world class.

    Levels differ between trades and countries more than these steps do, so a change of one's own NPS, or that of a
    competitor asked in the same way, says more.

    Parameters
    ----------
    value
        In points from -100 to 100; NaN is "not known".

    Raises
    ------
    InputError
        Where it is outside -100 to 100.

    References
    ----------
    The steps are those ascribed to Bain & Company, where the score comes from, and told so by makers of survey tools
    (such as Qualtrics, "What is a good Net Promoter Score?").
    """
    if math.isnan(value):
        return "not known"
    if not -100 <= value <= 100:
        raise InputError(f"an NPS is a number from -100 to 100, got {value}")
    for above, reading in NPS_READINGS:
        if value > above:
            return reading
    return "needs improvement"
