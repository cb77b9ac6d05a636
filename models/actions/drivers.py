"""What drives the NPS of a base: how far each group of features lifts it and lowers it, added up over customers."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from features.catalogue import catalogue_of
from features.vocabulary import Vocabulary
from models.nps.attribution import NpsExplainer
from models.stats.normal import NORMAL_95


@dataclass(frozen=True)
class Driver:
    """One group of features: by how many points of the base's NPS it lifts and lowers, each with half of its interval.

    Attributes
    ----------
    group : str
        Of the catalogue.
    lifts, lowers : float
        Sum of the points of those customers whose score the group raises, and lowers, over the number of all customers.
    lifts_error, lowers_error : float
        Half of the 95 % interval, of the draw of customers.
    """

    group: str
    lifts: float
    lowers: float
    lifts_error: float
    lowers_error: float


def nps_drivers(explainer: NpsExplainer, customers: pd.DataFrame, vocabulary: Vocabulary) -> list[Driver]:
    """Add up the attributions of customers who represent the base.

    Over the base the points of each group add up to about zero, as they are relative to it; what lifts some lowers
    others. The two sums apart say how much of the NPS turns on the group.

    Parameters
    ----------
    explainer
        Of the model, relative to the base.
    customers
        (n, k) features of customers drawn evenly from the base.
    vocabulary
        It names the features.

    Returns
    -------
    list of Driver
        The one on which most turns first.
    """
    points, _ = explainer.explain(customers)
    catalogue = catalogue_of(vocabulary)
    groups = np.array([catalogue[name].group for name in explainer.nps.features])
    drivers = []
    for group in dict.fromkeys(groups.tolist()):
        own = points[:, groups == group].sum(axis=1)
        up, down = np.maximum(own, 0.0), np.minimum(own, 0.0)
        errors = (NORMAL_95 * part.std(ddof=1) / np.sqrt(own.size) if own.size > 1 else 0.0 for part in (up, down))
        drivers.append(Driver(group, float(up.mean()), float(down.mean()), *map(float, errors)))
    return sorted(drivers, key=lambda driver: driver.lowers - driver.lifts)
