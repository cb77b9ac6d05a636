"""Customers described by 45 features, with the truth of what they would answer.

``data.simulation.shop`` makes tables for the intake; this module makes the features themselves, so that a model can be
judged against the truth at any number of labels. Each feature (a count, money, a share, an age or a flag) is an
increasing function of one standard normal latent; latents are independent or, within a group, equally correlated. Some
cells are missing. The groups:

- ``purchases``, ``money`` and ``service`` are correlated groups, and satisfaction depends on most of them;
- ``visits`` is a correlated group that decides who answers;
- ``habits`` are independent columns, on which satisfaction depends by products and thresholds only;
- ``noise`` has no influence.

Satisfaction is exactly standard normal whatever the share of interactions: a weighted sum of jointly normal
latents, divided by its own standard deviation, plus terms that are each a standard normal by construction
(see ``_interacting``) and independent of it. So the share of an answer's latent variance that behaviour
explains is exactly the ``r_squared`` asked for. A missing cell hides behaviour that satisfaction may depend on, so a
little less than that can be learnt from the features.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, ndtr, ndtri

from data.simulation.answers import NPS_CUTS, point_probabilities

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Shares of the answers 0, 1, ... 10: 23 % detractors, 30 % passives, 47 % promoters, an NPS of +24.
POINT_SHARES: Floats = np.array([0.025, 0.01, 0.015, 0.025, 0.03, 0.065, 0.06, 0.11, 0.19, 0.17, 0.30])


@dataclass(frozen=True)
class Group:
    """A group of features.

    Attributes
    ----------
    columns : int
        How many.
    correlation : float
        Of any two of their latents.
    kinds : tuple of str
        What the columns are, in turn: ``count``, ``money``, ``share``, ``age`` or ``flag``.
    weights : tuple of float
        What satisfaction gives to each column's latent before it is standardised; columns beyond have 0.
    missing : float
        Share of the cells that are missing in every third column, more of them where the latent is low.
    """

    columns: int
    correlation: float
    kinds: tuple[str, ...]
    weights: tuple[float, ...] = ()
    missing: float = 0.0

    def kind(self, column: int) -> str:
        """Return the kind of a column, counted from 0."""
        return self.kinds[column % len(self.kinds)]

    def has_gaps(self, column: int) -> bool:
        """Return whether cells of a column, counted from 0, are missing."""
        return self.missing > 0.0 and column % 3 == 1


GROUPS = {
    "purchases": Group(8, 0.5, ("count", "age", "money", "share"), (0.3, 0.4, 0.0, 0.3, 0.0, 0.2)),
    "money": Group(6, 0.6, ("money", "money", "share"), (-0.2, 0.0, 0.0, -0.3), missing=0.2),
    "service": Group(7, 0.3, ("count", "age", "flag", "share"), (-0.4, -0.3, -0.3, -0.4, 0.0, -0.4), missing=0.3),
    "visits": Group(8, 0.4, ("count", "age", "share", "flag"), missing=0.1),
    "habits": Group(8, 0.0, ("share", "money", "age", "count", "share", "age", "flag", "flag")),
    "noise": Group(8, 0.0, ("count", "money", "share", "age"), missing=0.2),
}
# Squared, they sum to 1: the weights of the switch, the crossover and the bend (see _interacting).
INTERACTION_WEIGHTS = np.sqrt([0.4, 0.3, 0.3])
# The latent above which a flag is set: for one customer in six.
FLAG_CUT = 1.0
# How much a cell's chance to be missing depends on its latent: the correlation of the two.
MISSING_NOT_AT_RANDOM = 0.5
# What the chance to answer gives, on the logit scale, to: the visible part of satisfaction (see _linear), visits_2,
# whether visits_3 is set (a threshold), habits_0.
CHANNELS = ((0.62, 0.40, 0.60, 0.00), (-0.20, -0.30, 0.40, 0.60))


@dataclass(frozen=True)
class SimulatedBehaviour:
    """Customers and the truth about them.

    Attributes
    ----------
    features : DataFrame of shape (n, 45)
        Doubles, null where missing.
    satisfaction : array of shape (n,)
        What behaviour explains of an answer, standard normal.
    probabilities : array of shape (n, 3)
        True probabilities of a detractor, a passive and a promoter.
    latents : array of shape (n, 45)
        The standard normal latent behind each feature.
    r_squared : float
        Share of an answer's latent variance that satisfaction explains.
    """

    features: pd.DataFrame
    satisfaction: Floats
    probabilities: Floats
    latents: Floats
    r_squared: float

    def draw_scores(self, rng: np.random.Generator) -> Integers:
        """Draw one answer of everyone.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of randomness; each call gives new answers of the same customers.

        Returns
        -------
        array of shape (n,)
            Scores 0 to 10.
        """
        below = np.cumsum(point_probabilities(self.satisfaction, self.r_squared, POINT_SHARES), axis=1)
        scores: Integers = (rng.random(len(below))[:, None] > below[:, :-1]).sum(axis=1)
        return scores


def simulate_behaviour(customers: int, seed: int, r_squared: float, interactions: float = 0.0) -> SimulatedBehaviour:
    """Simulate customers with 45 features and what they would answer.

    Parameters
    ----------
    customers : int
        How many, n.
    seed : int
        Seed; the same arguments give the same customers.
    r_squared : float
        Share of an answer's latent variance that behaviour explains, in [0, 1).
    interactions : float
        Share of that explained variance which is products and thresholds, in [0, 1].

    Returns
    -------
    SimulatedBehaviour
        The features and the truth.

    Raises
    ------
    ValueError
        If a share is out of its range.
    """
    if not 0.0 <= r_squared < 1.0 or not 0.0 <= interactions <= 1.0:
        message = f"r_squared must be in [0, 1) and interactions in [0, 1], got {r_squared} and {interactions}."
        raise ValueError(message)
    rng = np.random.default_rng(seed)
    latents = _latents(customers, rng)
    linear, bent = _linear(latents, visible_only=False), _interacting(latents)
    satisfaction = np.sqrt(1.0 - interactions) * linear + np.sqrt(interactions) * bent
    points = point_probabilities(satisfaction, r_squared, POINT_SHARES)
    probabilities = np.add.reduceat(points, [0, *NPS_CUTS], axis=1)
    features = _features(latents, rng)
    return SimulatedBehaviour(features, satisfaction, probabilities, latents, r_squared)


def response_probability(
    behaviour: SimulatedBehaviour, answer_rate: float, strength: float = 1.0, channel: int = 0
) -> Floats:
    """Give everyone's chance to answer a survey, which depends on behaviour only.

    It depends on nothing that the features do not show, so that given them answering and satisfaction are independent:
    an estimator that knows the features can be right. At strength 1, an answer rate of .03 and by channel 0 the mean of
    those who answer is about 16, 19 and 22 NPS points above the base's at an ``r_squared`` of .2, .3 and .4 without
    interactions.

    Parameters
    ----------
    behaviour : SimulatedBehaviour
        The customers.
    answer_rate : float
        Mean chance to answer, in (0, 1).
    strength : float
        How strongly behaviour decides; at 0 everyone has the same chance.
    channel : int
        0 or 1: another channel weighs behaviour otherwise.

    Returns
    -------
    array of shape (n,)
        ``expit(a + strength * index)`` with ``a`` such that the mean is ``answer_rate``.
    """
    names = list(behaviour.features.columns)
    visits, flag, habit = (names.index(name) for name in ("visits_2", "visits_3", "habits_0"))
    latents = behaviour.latents
    visible = _linear(latents, visible_only=True)
    parts = (visible, latents[:, visits], latents[:, flag] > FLAG_CUT, latents[:, habit])
    index = strength * np.tensordot(np.array(CHANNELS[channel]), np.array(parts, dtype=np.float64), axes=1)
    shift = brentq(lambda a: expit(a + index).mean() - answer_rate, -50.0, 50.0, xtol=1e-13)
    chance: Floats = expit(shift + index)
    return chance


def _latents(customers: int, rng: np.random.Generator) -> Floats:
    """Draw the latents: within a group any two have the group's correlation."""
    parts = []
    for group in GROUPS.values():
        common = rng.standard_normal((customers, 1))
        own = rng.standard_normal((customers, group.columns))
        parts.append(np.sqrt(group.correlation) * common + np.sqrt(1.0 - group.correlation) * own)
    return np.concatenate(parts, axis=1)


def _linear(latents: Floats, *, visible_only: bool) -> Floats:
    """Weigh the latents and divide by the standard deviation the sum has in the population.

    Visible are the latents that a feature shows: those behind ages, money and shares that are never missing.
    """
    total, variance, first = np.zeros(len(latents)), 0.0, 0
    for group in GROUPS.values():
        kept = [
            weight * (not visible_only or (group.kind(k) in ("age", "money", "share") and not group.has_gaps(k)))
            for k, weight in enumerate(group.weights)
        ]
        weights = np.array(kept)
        variance += (1.0 - group.correlation) * (weights**2).sum() + group.correlation * weights.sum() ** 2
        for column, weight in enumerate(weights, start=first):
            total += weight * latents[:, column]
        first += group.columns
    standardised: Floats = total / np.sqrt(variance)
    return standardised


def _interacting(latents: Floats) -> Floats:
    """Weigh three terms of the independent habits, each a standard normal.

    The switch is one habit or another, as a flag decides; the crossover is a habit or its opposite, as another flag
    decides; the bend makes both ends of a habit satisfied: ``Phi^-1(2 Phi(|z|) - 1)``.
    """
    first = list(GROUPS).index("habits")
    start = sum(group.columns for group in list(GROUPS.values())[:first])
    one, other, crossed, bent, _, _, deciding, crossing = latents[:, start : start + 8].T
    switch = np.where(deciding > 0.0, one, other)
    crossover = np.where(crossing > 0.0, crossed, -crossed)
    bend = -ndtri(2.0 * ndtr(-np.abs(bent)))
    weights = INTERACTION_WEIGHTS
    total: Floats = weights[0] * switch + weights[1] * crossover + weights[2] * bend
    return total


def _features(latents: Floats, rng: np.random.Generator) -> pd.DataFrame:
    """Turn latents into counts, money, shares, ages and flags, and leave cells out."""
    columns: dict[str, Floats] = {}
    for name, group in GROUPS.items():
        for k in range(group.columns):
            latent = latents[:, len(columns)]
            # The flags of habits split at the middle, where the terms of _interacting turn.
            column = _column(latent, group.kind(k), 0.0 if name == "habits" else FLAG_CUT)
            if group.has_gaps(k):
                chance = rng.standard_normal(len(latent))
                tilted = MISSING_NOT_AT_RANDOM * latent + np.sqrt(1.0 - MISSING_NOT_AT_RANDOM**2) * chance
                column = np.where(tilted < ndtri(group.missing), np.nan, column)
            columns[f"{name}_{k}"] = column
    return pd.DataFrame(columns)


def _column(latent: Floats, kind: str, cut: float) -> Floats:
    """Give the values of a column: increasing in the latent."""
    column: Floats
    if kind == "count":
        column = np.floor(np.exp(0.8 + 0.9 * latent))
    elif kind == "money":
        column = np.exp(3.5 + 0.8 * latent).round(2)
    elif kind == "age":
        column = np.floor(730.0 * ndtr(latent))
    elif kind == "share":
        column = 1.0 / (1.0 + np.exp(0.5 - 1.5 * latent))
    else:
        column = (latent > cut).astype(np.float64)
    return column
