"""Bases of customers of known truth who answer by what they do, or by a trait that what they do shows in part.

Each customer buys and visits at rates of their own and gets parcels late; the features are those
that the pipeline makes of such tables: counts in windows and so far, money, days, shares.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit

from data.simulation.answers import NPS_CUTS, point_probabilities
from data.simulation.behaviour import POINT_SHARES

Floats = npt.NDArray[np.float64]

VISIBLE, HALF_HIDDEN, IN_TWO_GROUPS = "visible", "half hidden", "half hidden in two groups"
# What decides who answers, and the change of the log odds of answering per category.
WORLDS = {
    VISIBLE: (VISIBLE, 0.0),
    HALF_HIDDEN: (HALF_HIDDEN, 0.0),
    IN_TWO_GROUPS: (IN_TWO_GROUPS, 0.0),
    "tilted by -.2": (VISIBLE, -0.2),
    "tilted by -.1": (VISIBLE, -0.1),
    "tilted by .1": (VISIBLE, 0.1),
    "tilted by .2": (VISIBLE, 0.2),
}
# Groups of features by what their names hold, as the catalogue gives them.
GROUPS = {
    "of_visit": "visits",
    "of_support": "support contact",
    "of_delivery": "deliveries",
    "categor": "categories",
    "channel": "channels",
    "attribute": "who they are",
    "return": "returns",
    "value": "spend",
    "monetary": "spend",
}
WINDOWS = {"30d": (0.0, 30.0), "90d": (30.0, 90.0), "365d": (90.0, 365.0), "ever": (365.0, np.inf)}
# Share of an answer's latent variance that behaviour and trait explain.
R_SQUARED = 0.22
# Standard deviation of the log odds of answering.
SPREAD = 0.7


@dataclass(frozen=True)
class World:
    """Customers and the truth about them: (n, k) features, (n, 3) probabilities, (n,) chance to answer and answers."""

    features: pd.DataFrame
    probabilities: Floats
    chance: Floats
    answered: npt.NDArray[np.bool_]
    score: npt.NDArray[np.int64]
    gamma: float = 0.0

    @property
    def category(self) -> npt.NDArray[np.int64]:
        """Category of everyone, also of those who did not answer."""
        return np.searchsorted(NPS_CUTS, self.score, side="right")

    @property
    def nps(self) -> float:
        """True NPS of all, points."""
        return float(100.0 * (self.probabilities[:, 2] - self.probabilities[:, 0]).mean())


def group_of(feature: str) -> str:
    """Name the group of a feature."""
    if feature == "T":
        return "time as a customer"
    return next((group for part, group in GROUPS.items() if part in feature), "purchase rhythm")


def simulate(world: str, customers: int, seed: int, rate: float = 0.03) -> World:
    """Simulate a base of which a share `rate` answers, in one of `WORLDS`."""
    decided_by, gamma = WORLDS[world]
    rng = np.random.default_rng([seed, 7])
    trait, buying, lateness = _people(rng, customers)
    features, *shown = _features(rng, trait, buying, lateness)
    latent = _latent(decided_by, trait, buying, *shown)
    chosen = _who_answers(decided_by, trait, buying, *shown)
    return _asked(rng, features, latent, chosen, rate, gamma)


def simulate_twice(
    answering: tuple[str, str], customers: int, seed: int, rate: float = 0.03, later: float = 0.4
) -> tuple[World, World]:
    """Simulate customers at two dates, each asked at both, with answers that share a half-hidden trait.

    Parameters
    ----------
    answering
        What decides who answers at each date, of `WORLDS`.
    customers, seed, rate
        As `simulate` takes them.
    later
        By how many standard deviations later parcels come at the second date.
    """
    rng = np.random.default_rng([seed, 8])
    trait, buying, lateness = _people(rng, customers)
    # Traits stay, and what the customers do is drawn anew: a state of each for each date, on one scale.
    trait, buying = np.tile(trait, 2), np.tile(buying, 2)
    lateness = np.r_[lateness, rng.standard_normal(customers) + later]
    features, *shown = _features(rng, trait, buying, lateness)
    latent = _latent(HALF_HIDDEN, trait, buying, *shown)
    waves = []
    for decided_by, at in zip(answering, (slice(customers), slice(customers, None)), strict=True):
        chosen = _who_answers(decided_by, trait, buying, *shown)[at]
        waves.append(_asked(rng, features.iloc[at].reset_index(drop=True), latent[at], chosen, rate))
    return waves[0], waves[1]


def _people(rng: np.random.Generator, customers: int) -> tuple[Floats, Floats, Floats]:
    """Draw a trait, such as attachment to the shop; how often each buys; and how late parcels come to each."""
    trait = rng.standard_normal(customers)
    buying = 0.4 * trait + np.sqrt(1 - 0.16) * rng.standard_normal(customers)
    return trait, buying, rng.standard_normal(customers)


def _latent(
    decided_by: str, trait: Floats, buying: Floats, of_visits: Floats, of_orders: Floats, of_lateness: Floats
) -> Floats:
    """Give what of the answer behaviour and trait explain: in half-hidden worlds the trait acts by itself."""
    if decided_by == VISIBLE:
        return _standardised(0.35 * of_visits + 0.25 * of_orders - 0.80 * of_lateness)
    return _standardised(0.4 * _hidden(decided_by, trait, buying) + 0.15 * of_orders - 0.8 * of_lateness)


def _who_answers(
    decided_by: str, trait: Floats, buying: Floats, of_visits: Floats, of_orders: Floats, of_lateness: Floats
) -> Floats:
    """Give the log odds of answering, up to constant and scale."""
    by = of_visits if decided_by == VISIBLE else _hidden(decided_by, trait, buying)
    return _standardised(0.80 * by + 0.45 * of_orders + 0.25 * of_lateness)


def _hidden(decided_by: str, trait: Floats, buying: Floats) -> Floats:
    return trait if decided_by == HALF_HIDDEN else _standardised(trait + buying)


def _asked(
    rng: np.random.Generator, features: pd.DataFrame, latent: Floats, answers: Floats, rate: float, gamma: float = 0.0
) -> World:
    """Draw what each customer would answer, and who does."""
    customers = len(features)
    points = point_probabilities(latent, R_SQUARED, POINT_SHARES)
    score = (rng.random(customers)[:, None] > np.cumsum(points, axis=1)[:, :-1]).sum(axis=1)
    index = SPREAD * answers + gamma * np.searchsorted(NPS_CUTS, score, side="right")
    shift = brentq(lambda a: expit(a + index).mean() - rate, -30.0, 30.0)
    chance = expit(shift + index)
    probabilities = np.add.reduceat(points, [0, *NPS_CUTS], axis=1)
    return World(features, probabilities, chance, rng.random(customers) < chance, score, gamma)


def _features(
    rng: np.random.Generator, trait: Floats, buying: Floats, lateness: Floats
) -> tuple[pd.DataFrame, Floats, Floats, Floats]:
    """Give the features, and what of them decides in a visible world: log visits, log orders, lateness."""
    n = len(trait)
    age = rng.uniform(1.0, 730.0, n)
    columns: dict[str, Floats] = {}
    orders = _counts(rng, np.exp(-5.0 + 0.8 * buying), age, extra=1)
    value = np.exp(3.5 + 0.5 * rng.standard_normal(n))
    last = np.minimum(rng.exponential(1.0 / np.exp(-5.0 + 0.8 * buying)), age)
    columns["frequency"] = orders["ever"] - 1.0
    columns["recency"] = np.where(orders["ever"] > 1, np.floor(age - last), 0.0)
    columns["T"] = np.floor(age)
    columns["monetary_value"] = np.where(orders["ever"] > 1, value, 0.0)
    columns["days_since_last_purchase"] = np.where(orders["ever"] > 1, np.floor(last), np.floor(age))
    gaps = columns["recency"] / np.maximum(columns["frequency"], 1.0)
    columns["days_between_purchases"] = np.where(orders["ever"] > 1, gaps, np.nan)
    columns["gap_ratio"] = np.where(gaps > 0, columns["days_since_last_purchase"] / np.maximum(gaps, 1.0), np.nan)
    for window, count in orders.items():
        columns[f"orders_{window}"] = count
    for window, count in orders.items():
        columns[f"net_value_{window}"] = count * value * np.exp(0.3 * rng.standard_normal(n) / np.sqrt(count + 1))
    columns["last_purchase_value"] = value * np.exp(0.3 * rng.standard_normal(n))
    returns = {window: rng.binomial(count.astype(int), 0.08).astype(float) for window, count in orders.items()}
    for window, count in returns.items():
        columns[f"returns_{window}"] = count
        columns[f"return_rate_{window}"] = np.where(orders[window] > 0, count / np.maximum(orders[window], 1), np.nan)
    columns["weekend_share"] = rng.binomial(orders["ever"].astype(int), 2 / 7) / orders["ever"]
    columns["categories"] = 1.0 + rng.binomial(np.minimum(orders["ever"], 6).astype(int), 0.4)
    for category in ("home", "toys", "sports", "food"):
        columns[f"category_share_of_{category}"] = rng.beta(0.4, 1.2, n)
    columns["channel_share_of_web"] = rng.beta(0.5, 0.5, n)
    visits = _counts(rng, np.exp(-3.6 + 0.75 * trait + 0.4 * rng.standard_normal(n)), age)
    late = np.exp(0.5 + 0.6 * lateness)
    contacts = _counts(rng, np.exp(-6.5 + 0.5 * lateness), age)
    for kind, counts in (("visit", visits), ("delivery", orders), ("support", contacts)):
        for window, count in counts.items():
            columns[f"events_{window}_of_{kind}"] = count
    columns["days_since_last_of_visit"] = np.where(visits["ever"] > 0, age / (visits["ever"] + 1.0), np.nan)
    columns["days_since_last_of_support"] = np.where(contacts["ever"] > 0, age / (contacts["ever"] + 1.0), np.nan)
    mean_late = late + rng.standard_normal(n) / np.sqrt(orders["ever"]) - 1.5
    columns["mean_days_late_of_delivery"] = mean_late
    columns["last_days_late_of_delivery"] = mean_late + rng.standard_normal(n)
    columns["attribute_age"] = np.floor(18.0 + 60.0 * rng.random(n))
    columns["attribute_region_is_north"] = (rng.random(n) < 0.3).astype(float)
    of_visits, of_orders = np.log1p(visits["ever"]), np.log(orders["ever"])
    decisive = (_standardised(each) for each in (of_visits, of_orders, np.clip(mean_late, -3.0, 6.0)))
    return (pd.DataFrame(columns), *decisive)  # type: ignore[return-value]


def _counts(rng: np.random.Generator, per_day: Floats, age: Floats, extra: int = 0) -> dict[str, Floats]:
    """Count the events of a Poisson process in windows that reach back from today, at most to the first day."""
    total, counts = np.zeros(len(age)), {}
    for window, (first, last) in WINDOWS.items():
        days = np.clip(np.minimum(age, last) - first, 0.0, None)
        total = total + rng.poisson(per_day * days)
        if extra:
            total = total + ((age >= first) & (age < last))
        counts[window] = total
    return counts


def _standardised(values: Floats) -> Floats:
    return np.asarray((values - values.mean()) / values.std())
