"""The space in which customers are compared: behaviour without heavy tails, gaps and repetition.

Amounts and days enter as logarithms, so that no outlier dominates. A feature that is undefined for a customer is put
at the mean. The features of one theme together have at most the variance of one feature. Only what several themes
share is kept, as principal factors: variation that goes with nothing else is not a pattern of behaviour.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from features.catalogue import Catalogue
from features.definition import Feature, PersonaUse
from models.scoring.arrays import interpolated
from models.stats.population_stability import Columns
from models.stats.typing import Floats

# A feature is stored as this many values with their scores. Scores are interpolated between the values and constant
# beyond the outermost ones, which one customer in 160 exceeds on each side.
KNOTS, OUTERMOST = 65, 2.5
# A share of n orders is multiplied by n / (n + this): the share of a single order is 0 or 1 and says little of a habit.
ORDERS_OF_A_HABIT = 3.0
# Least variance that a component must share among themes, where one theme has at most 1. In CDNOW and in simulated
# shops the second component shares .55 or more and the third .40 or less; the limit lies between them.
LEAST_SHARED = 0.45
# Days enter as log2(1 + days / 30): 10 and 40 days differ as much as 300 and 620 do, and 480 and 510 are alike.
FIRST_DAYS = 30.0


@dataclass(frozen=True)
class Coordinate:
    """A feature on the scale that all features share.

    Attributes
    ----------
    feature, theme : str
        Its name, and the group of related features that it belongs to.
    definition : Feature or None
        The feature of this name; None where the vocabulary does not hold it, so that it is undefined for everyone.
    values, scores : tuple of float
        Values of the feature, ascending, and their scores; interpolated between them, constant beyond them.
    weight : float
        At most 1; it limits the summed variance of the features of a theme to that of one feature.
    """

    feature: str
    theme: str
    definition: Feature | None
    values: tuple[float, ...]
    scores: tuple[float, ...]
    weight: float = 1.0

    def place(self, described: Columns) -> Floats:
        """Return the (n,) coordinates of customers, each from that customer's features only; 0 where undefined."""
        if self.definition is None:
            return np.zeros(len(described))
        column = feature_values(described, self.definition)
        placed: Floats = interpolated(column, self.values, self.scores) * self.weight
        if _use(self.definition).scale == "habit":
            orders = np.nan_to_num(_column(described, "orders_ever"))
            placed *= orders / (orders + ORDERS_OF_A_HABIT)
        placed[np.isnan(column)] = 0.0
        return placed


@dataclass(frozen=True)
class Space:
    """Coordinates, and the components that they share.

    Attributes
    ----------
    coordinates : tuple of Coordinate
        p coordinates, one for each feature that varies.
    components : tuple of tuple of float
        Orthonormal rows of length p, the one that themes share most first; none where no two themes go together.
    """

    coordinates: tuple[Coordinate, ...]
    components: tuple[tuple[float, ...], ...]

    @property
    def features(self) -> tuple[str, ...]:
        """Names of the features that place a customer."""
        return tuple(dict.fromkeys(["orders_ever", *(coordinate.feature for coordinate in self.coordinates)]))

    def columns(self, described: pd.DataFrame) -> Floats:
        """Return the (coordinates, n) coordinates of customers."""
        placed = [coordinate.place(described) for coordinate in self.coordinates]
        return np.array(placed).reshape(len(placed), len(described))

    def project(self, columns: Iterable[Floats], customers: int) -> Floats:
        """Project columns, one (n,) per coordinate, on the components: (n, components).

        The additions are done for each customer in one fixed order, so that to the last bit the result depends only on
        that customer's row.
        """
        placed = np.zeros((len(self.components), customers))
        for number, column in enumerate(columns):
            for total, component in zip(placed, self.components, strict=True):
                total += component[number] * column
        return placed.T

    def place(self, described: Columns) -> Floats:
        """Return the places of customers in the space: (n, components)."""
        return self.project((coordinate.place(described) for coordinate in self.coordinates), len(described))

    def to_dict(self) -> dict[str, Any]:
        """Return the space as JSON types."""
        return {
            "coordinates": [
                {
                    "feature": coordinate.feature,
                    "theme": coordinate.theme,
                    "values": list(coordinate.values),
                    "scores": list(coordinate.scores),
                    "weight": coordinate.weight,
                }
                for coordinate in self.coordinates
            ],
            "components": [list(component) for component in self.components],
        }

    @classmethod
    def from_dict(cls, parts: Mapping[str, Any], catalogue: Catalogue) -> "Space":
        """Rebuild the space from `to_dict`; the catalogue holds the features of the customers to place."""
        coordinates = []
        for saved in parts["coordinates"]:
            feature = catalogue.get(saved["feature"])
            definition = feature if feature is not None and feature.persona is not None else None
            values, scores = tuple(saved["values"]), tuple(saved["scores"])
            coordinates.append(
                Coordinate(saved["feature"], saved["theme"], definition, values, scores, saved["weight"])
            )
        return cls(tuple(coordinates), tuple(tuple(component) for component in parts["components"]))


def fit_space(described: pd.DataFrame, catalogue: Catalogue) -> Space:
    """Fit the space of a base.

    Parameters
    ----------
    described
        Features, one row per customer, in a fixed order: it may change the last bits of the components.
    catalogue
        The features of the vocabulary; those that personas use are chosen.

    Returns
    -------
    Space
        Its components are the principal factors of the themes (Harman 1976, "Modern factor analysis", chapter 8): the
        eigenvectors of the covariance in which the block within each theme is replaced by the part that all other
        themes predict (squared multiple correlations, Guttman 1956, Psychometrika 21), minus the part that as many
        random columns would predict, ``p / n`` of the block. Components with an eigenvalue of at least `LEAST_SHARED`
        are kept: variation within one theme alone, however large, is not a pattern of behaviour.
    """
    coordinates = []
    for name, feature in catalogue.items():
        if feature.persona is not None:
            scale = _scale(feature_values(described, feature), feature.persona)
            if scale is not None:
                coordinates.append(Coordinate(name, feature.persona.theme or feature.group, feature, *scale))
    columns = [coordinate.place(described) for coordinate in coordinates]
    variances = np.array([column.var() for column in columns])
    for number, coordinate in enumerate(coordinates):
        together = sum(variances[i] for i, other in enumerate(coordinates) if other.theme == coordinate.theme)
        weight = min(1.0, float(together) ** -0.5) if together > 0.0 else 1.0
        coordinates[number] = replace(coordinate, weight=weight)
        columns[number] *= weight
    return Space(tuple(coordinates), _components(np.array(columns), [coordinate.theme for coordinate in coordinates]))


def _components(columns: Floats, themes: Sequence[str]) -> tuple[tuple[float, ...], ...]:
    """Compute the principal factors of (p, n) columns that several themes share."""
    if len(set(themes)) < 2:
        return ()
    covariance = np.cov(columns, bias=True)
    shared, chance = covariance.copy(), len(columns) / columns.shape[1]
    for theme in dict.fromkeys(themes):
        inside = np.array([other == theme for other in themes])
        across = covariance[np.ix_(inside, ~inside)]
        # The shares of all channels sum to 1, so the matrix may be singular.
        inverse = np.linalg.pinv(covariance[np.ix_(~inside, ~inside)], rcond=1e-8, hermitian=True)
        own = np.ix_(inside, inside)
        shared[own] = across @ inverse @ across.T - chance * covariance[own]
    eigenvalues, vectors = np.linalg.eigh(shared)
    kept = np.flatnonzero(eigenvalues >= LEAST_SHARED)[::-1]
    return tuple(tuple(vector) for vector in vectors.T[kept].tolist())


def _scale(column: Floats, use: PersonaUse) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Return values of a column and their centred scores; None where the column does not vary.

    The score of an amount is ``sign(x) log2(1 + |x| / u)``, u the median of ``|x|`` over the values other than 0, or 30
    for days, so that a feature with similar magnitudes for all customers counts little. A share is divided by its
    standard deviation. Of many values those nearest to evenly spaced normal quantiles are stored.
    """
    values = np.sort(column[~np.isnan(column)])
    if not len(values) or values[0] == values[-1]:
        return None
    wanted = ndtr(np.linspace(-OUTERMOST, OUTERMOST, KNOTS))
    knots = np.unique(values)
    if len(knots) > KNOTS:
        knots = np.unique(values[np.rint(wanted * (len(values) - 1)).astype(np.int64)])
    is_bounded = use.scale in ("bounded", "habit")
    if not is_bounded:
        unit = FIRST_DAYS if use.scale == "days" else float(np.median(np.abs(values[values != 0.0])))
        scores = np.sign(knots) * np.log2(1.0 + np.abs(knots) / unit)
    else:
        scores = knots.copy()
    placed = np.interp(values, knots, scores)
    spread = placed.std()
    if spread == 0.0:
        return None
    scores -= placed.mean()
    return tuple(knots.tolist()), tuple((scores / spread if is_bounded else scores).tolist())


def feature_values(described: Columns, feature: Feature) -> Floats:
    """Return the (n,) column of a feature, NaN where it is undefined or the column is missing."""
    column = _column(described, feature.name)
    # A one-time buyer has no mean value of repeat purchases; the column holds 0 there.
    return np.where(column > 0.0, column, np.nan) if _use(feature).zero_is_unknown else column


def _column(described: Columns, name: str) -> Floats:
    if name not in described.columns:
        return np.full(len(described), np.nan)
    column: Floats = described[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return column


def _use(feature: Feature) -> PersonaUse:
    """Return how personas use one of their features."""
    assert feature.persona is not None
    return feature.persona
