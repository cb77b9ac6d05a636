"""The parameters of an NPS model: the members that it blends, a frozen dataclass for each kind, and what it tells."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Literal

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


@dataclass(frozen=True)
class CategoryParameters:
    """What is needed beside trees to say each customer's probable category: of NPS, or of satisfaction.

    Attributes
    ----------
    source
        "model" (a blend), "prior" (shares of the classes, for everyone) or None (too few answers to say anything).
    why
        One plain sentence: why this source.
    answers
        Rows it was trained on.
    features
        Names of the features in the order of the members' input.
    prior
        Laplace-smoothed shares of detractors, passives and promoters; None with source None.
    members
        What is blended, with weights that sum to 1; empty unless source is "model". One of each kind at most.
    noise
        Standard error, in NPS points, of one customer's 100 (p_promoter - p_detractor) from training on a sample: root
        mean square over answers of the delete-one-fold jackknife error. None unless source is "model".
    offsets
        Added to the logarithms of the three probabilities, which are then scaled to sum to 1: so that over the base the
        scorer was fitted on they sum to what everyone would answer, not only those who do. Zeros in versions from
        before there were any.
    cuts
        Scores m = p_promoter - p_detractor that part the categories: detractor below the first, promoter from the
        second on. In the base the scorer was fitted on each category then has the share that its probabilities sum to.
        None in versions from before there were any, and unless source is "model".
    metrics
        Out-of-fold figures: `rps`, `log_loss`, `auc_detractor`, `auc_promoter`, `quadratic_kappa` (of the median
        class), `ece`, `segment_nps_error` (points, over tenths of the predicted NPS), each with `_model` (the blend,
        published or not) and `_prior`; `rps_` and `log_loss_` of each candidate; `weight_` of each kind of member;
        `rps_gain`, `rps_gain_standard_error`; `last_wave_` figures and `last_wave_answers`, where days were given:
        learned from earlier answers of other customers. Figures that are not defined are left out.
    """

    source: Literal["model", "prior"] | None
    why: str
    answers: int = 0
    features: tuple[str, ...] = ()
    prior: Shares | None = None
    members: tuple[Member, ...] = ()
    noise: float | None = None
    offsets: Shares = (0.0, 0.0, 0.0)
    cuts: tuple[float, float] | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Give the section as it is stored."""
        members = [member_to_dict(member) for member in self.members]
        section = {name: getattr(self, name) for name in CategoryParameters.__dataclass_fields__}
        return section | {"members": members, "metrics": dict(self.metrics)}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> CategoryParameters:
        """Read what `to_dict` gave, or its JSON; members and figures may be absent."""
        names = ("source", "why", "answers", "features", "prior", "noise", "offsets", "cuts", "metrics")
        section = {name: as_tuples(values[name]) for name in names if name in values}
        return CategoryParameters(**section, members=tuple(map(member_from_dict, values.get("members", ()))))
