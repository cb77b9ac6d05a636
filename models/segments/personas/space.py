"""The space in which customers are like or unlike each other: behaviour without heavy tails, gaps and repetition.

Amounts and days count by their doublings, so that no outlier rules; a feature that is undefined for a customer stands
in the middle; features of one theme vary together at most as much as one; and only what several themes tell
together is kept, as principal factors: what goes with nothing else is no pattern.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import ndtr

from features.catalogue import Catalogue
from features.definition import Feature, PersonaUse
from models.stats.typing import Floats

# Values kept of a feature; between them scores are interpolated, and beyond the outermost, which one customer in 160 is
# on each side, they stay.
KNOTS, OUTERMOST = 65, 2.5
# A share of n orders counts n / (n + this): of one order it is 0 or 1, which tells little of a habit.
ORDERS_OF_A_HABIT = 3.0
# Variance that a component must share among themes, of 1 that a theme has at most. Of CDNOW and of simulated shops the
# second shares .55 or more and the third .40 or less: the limit lies between them.
LEAST_SHARED = 0.45
# Days count by their doublings from a month on: 10 and 40 of them differ as 300 and 620 do, 480 and 510 are alike.
FIRST_DAYS = 30.0


@dataclass(frozen=True)
class Coordinate:
    """A feature on the scale that all share.

    Attributes
    ----------
    feature, theme : str
        Its name, and what it is about together with others.
    definition : Feature or None
        The feature of this name; None where the vocabulary does not hold it, so that it is known of nobody.
    values, scores : tuple of float
        Values of the feature, ascending, and their scores; in between scores are interpolated, beyond they stay.
    weight : float
        At most 1, and such that the features of a theme vary together at most as much as one feature.
    """

    feature: str
    theme: str
    definition: Feature | None
    values: tuple[float, ...]
    scores: tuple[float, ...]
    weight: float = 1.0

    def place(self, described: pd.DataFrame) -> Floats:
        """Place customers on this coordinate, each by their own features only: (n,), 0 where it is not known."""
        if self.definition is None:
            return np.zeros(len(described))
        column = feature_values(described, self.definition)
        placed: Floats = np.interp(column, self.values, self.scores) * self.weight
        if _use(self.definition).scale == "habit":
            orders = np.nan_to_num(_column(described, "orders_ever"))
            placed *= orders / (orders + ORDERS_OF_A_HABIT)
        placed[np.isnan(column)] = 0.0
        return placed


@dataclass(frozen=True)
class Space:
    """Coordinates, and the components in which they vary together.

    Attributes
    ----------
    coordinates : tuple of Coordinate
        One a feature that varies, p of them.
    components : tuple of tuple of float
        Orthonormal rows of length p, the one that themes share most of first; none where no two themes go together.
    """

    coordinates: tuple[Coordinate, ...]
    components: tuple[tuple[float, ...], ...]

    def columns(self, described: pd.DataFrame) -> Floats:
        """Place customers on every coordinate: (coordinates, n)."""
        placed = [coordinate.place(described) for coordinate in self.coordinates]
        return np.array(placed).reshape(len(placed), len(described))

    def project(self, columns: Iterable[Floats], customers: int) -> Floats:
        """Take columns, one a coordinate, each (n,), to the components: (n, components).

        It is worked out customer by customer, in one fixed order of additions: where a customer stands depends to the
        last bit on that customer's row alone.
        """
        placed = np.zeros((len(self.components), customers))
        for number, column in enumerate(columns):
            for total, component in zip(placed, self.components, strict=True):
                total += component[number] * column
        return placed.T

    def place(self, described: pd.DataFrame) -> Floats:
        """Place customers in the space: (n, components)."""
        return self.project((coordinate.place(described) for coordinate in self.coordinates), len(described))

    def to_dict(self) -> dict[str, Any]:
        """Give the space as JSON can hold it."""
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
        """Read what `to_dict` gave; the catalogue holds the features of the customers to place."""
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
    """Find the space of a base.

    Parameters
    ----------
    described
        Customers by row. The order of rows may move the last bits of the components: give rows in a fixed order.
    catalogue
        The features it may hold, of which those are taken that personas use.

    Returns
    -------
    Space
        Its components are the principal factors of the themes (Harman 1976, "Modern factor analysis", chapter 8): the
        eigenvectors of the covariance in which that within a theme is replaced by what all other themes predict of it
        (squared multiple correlations, Guttman 1956, Psychometrika 21), less what as many columns of chance would
        predict, ``p / n`` of it. Those are kept whose eigenvalue is at least `LEAST_SHARED`: what only one theme tells,
        however loudly, is no pattern of behaviour.
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
    """Find the principal factors of (p, n) columns that several themes share."""
    if len(set(themes)) < 2:
        return ()
    covariance = np.cov(columns, bias=True)
    shared, chance = covariance.copy(), len(columns) / columns.shape[1]
    for theme in dict.fromkeys(themes):
        inside = np.array([other == theme for other in themes])
        across = covariance[np.ix_(inside, ~inside)]
        # Shares of channels sum to 1, so that no plain inverse exists.
        inverse = np.linalg.pinv(covariance[np.ix_(~inside, ~inside)], rcond=1e-8, hermitian=True)
        own = np.ix_(inside, inside)
        shared[own] = across @ inverse @ across.T - chance * covariance[own]
    eigenvalues, vectors = np.linalg.eigh(shared)
    kept = np.flatnonzero(eigenvalues >= LEAST_SHARED)[::-1]
    return tuple(tuple(vector) for vector in vectors.T[kept].tolist())


def _scale(column: Floats, use: PersonaUse) -> tuple[tuple[float, ...], tuple[float, ...]] | None:
    """Give values of a column and their scores, less the mean score; None where nothing varies.

    The score of an amount is ``sign(x) log2(1 + |x| / u)``, u the median of ``|x|`` over those not 0, or a month of
    days: a feature that is much the same for all, by its doublings, tells little. A share is divided by its standard
    deviation. Of many values those are kept that stand nearest to evenly spaced normal quantiles.
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


def feature_values(described: pd.DataFrame, feature: Feature) -> Floats:
    """Give a feature's column, (n,), NaN where it has no value or the column is not there."""
    column = _column(described, feature.name)
    # A one-time buyer has no repeat purchases, hence no mean value of them; the column says 0.
    return np.where(column > 0.0, column, np.nan) if _use(feature).zero_is_unknown else column


def _column(described: pd.DataFrame, name: str) -> Floats:
    if name not in described.columns:
        return np.full(len(described), np.nan)
    column: Floats = described[name].to_numpy(dtype=np.float64, na_value=np.nan)
    return column


def _use(feature: Feature) -> PersonaUse:
    """Say how personas use a feature of theirs."""
    assert feature.persona is not None
    return feature.persona
