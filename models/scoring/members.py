"""The members that an NPS model blends, a frozen dataclass for each kind, and how they are stored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import numpy as np

from .arrays import Floats, as_tuples

Shares = tuple[float, float, float]


@dataclass(frozen=True)
class PriorMember:
    """The shares of detractors, passives and promoters, for everyone.

    `weight` is the member's share of the blend: here and in every other kind, above 0, and 1 over all members.
    """

    kind: ClassVar[str] = "prior"
    shares: Shares
    weight: float = 1.0


@dataclass(frozen=True)
class ProportionalOddsMember:
    """Proportional odds: P(category <= j) = expit(c_j - s), s a sum over features.

    Attributes
    ----------
    knots, values
        Per feature, a line through points that stays level beyond its ends, so nothing is extrapolated.
    missing
        Per feature, what a missing value adds. Each term has mean 0 over the training rows.
    cuts
        c_1 and c_2.
    """

    kind: ClassVar[str] = "proportional_odds"
    knots: tuple[tuple[float, ...], ...]
    values: tuple[tuple[float, ...], ...]
    missing: tuple[float, ...]
    cuts: tuple[float, float]
    weight: float = 1.0


@dataclass(frozen=True)
class RiditTreesMember:
    """Trees on the ridit of an answer: P(category <= j) = expit(c_j - slope f(x)), f the trees named `booster`."""

    kind: ClassVar[str] = "ridit_trees"
    booster: str
    slope: float
    cuts: tuple[float, float]
    weight: float = 1.0


@dataclass(frozen=True)
class DirichletMap:
    """Weights (k rows of k) and bias (k) of a Dirichlet calibration map, see `calibrated_probabilities`."""

    weights: tuple[tuple[float, ...], ...]
    bias: tuple[float, ...]

    def arrays(self) -> tuple[Floats, Floats]:
        """Weights (k, k) and bias (k,) as arrays."""
        return np.asarray(self.weights, dtype=float), np.asarray(self.bias, dtype=float)


@dataclass(frozen=True)
class CumulativeTreesMember:
    """Trees that give the log odds of being above detractor and above passive, then a calibration map."""

    kind: ClassVar[str] = "cumulative_trees"
    boosters: tuple[str, str]
    calibration: DirichletMap
    weight: float = 1.0


Member = PriorMember | ProportionalOddsMember | RiditTreesMember | CumulativeTreesMember
_KINDS: Mapping[str, type[Member]] = {
    each.kind: each for each in (PriorMember, ProportionalOddsMember, RiditTreesMember, CumulativeTreesMember)
}


def member_to_dict(member: Member) -> dict[str, Any]:
    """Give a member as it is stored: its kind, its weight and what the kind needs."""
    return {"kind": member.kind, "weight": member.weight} | asdict(member)


def member_from_dict(values: Mapping[str, Any]) -> Member:
    """Read what `member_to_dict` gave, or its JSON."""
    sections = {name: as_tuples(value) for name, value in values.items() if name != "kind"}
    if values["kind"] == CumulativeTreesMember.kind:
        sections["calibration"] = DirichletMap(**sections["calibration"])
    return _KINDS[values["kind"]](**sections)
