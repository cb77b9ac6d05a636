"""The parameters that the scorer reads: a frozen dataclass for each section, and how they are read from JSON.

`models.release.parameters` adds what else belongs to a release.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from .arrays import as_tuples
from .clock.parameters import ClockParameters
from .members import CategoryParameters

# Of the parameters as they are stored. 1 held multiclass trees where 2 holds a blend of small models; the names of
# features in 2 know letters of ASCII only.
FORMAT = 3

Covariance = tuple[tuple[float, ...], ...]
PurchaseLimit = Literal["equal_rates", "nobody_leaves", "equal_dropout", "at_once_or_never"]
SpendLimit = Literal["equal_purchases", "equal_means"]


@dataclass(frozen=True)
class PurchaseParameters:
    """Parameters of BG/NBD (``m = 0``) or MBG/NBD (``m = 1``).

    While alive a customer buys at a Poisson rate ~ Gamma(r, rate alpha), and leaves after each purchase with
    a chance ~ Beta(a, b); under MBG/NBD also right after the first one.

    Parameters
    ----------
    r, alpha : float
        Shape and rate of the Gamma distribution of purchase rates, positive; alpha in units of time.
    a, b : float
        Parameters of the Beta distribution of the dropout chance, positive.
    m : int
        0 for BG/NBD (Fader, Hardie & Lee 2005), 1 for MBG/NBD (Batislam, Denizel & Filiztekin 2007).
    limits : tuple of str
        Where the data lead to an edge of the model, which edge; at most one of the rates and one of the dropout.

        - "equal_rates": r -> infinity, Poisson purchases at the rate r / alpha for everyone; r is held at 1.
        - "nobody_leaves": a / (a + b) -> 0, which is NBD; a is 0 and b is 1.
        - "equal_dropout": a + b -> infinity, a chance of leaving of a / (a + b) for everyone; a + b is 1.
        - "at_once_or_never": a + b -> 0, a share a / (a + b) of the customers leaves at the first chance, the others
          never; a + b is 1.
    """

    r: float
    alpha: float
    a: float
    b: float
    m: int = 0
    limits: tuple[PurchaseLimit, ...] = ()

    @property
    def equal_rates(self) -> bool:
        """Whether everyone buys at the same rate."""
        return "equal_rates" in self.limits

    @property
    def nobody_leaves(self) -> bool:
        """Whether the model is NBD, which knows no leaving."""
        return "nobody_leaves" in self.limits


@dataclass(frozen=True)
class SpendParameters:
    """Parameters of the Gamma-Gamma model (Fader & Hardie 2013).

    The value of a customer's purchase is Gamma(p, rate nu), and nu varies between customers as Gamma(q, rate v).

    Parameters
    ----------
    p, q : float
        Shapes, positive; q > 1, or the mean of the base does not exist.
    v : float
        Positive, in units of money.
    individual : bool
        Whether spend differs between customers; where not, every purchase has the mean value.
    limits : tuple of str
        Where the data lead to an edge of the model, which edge.

        - "equal_purchases": p -> infinity, each customer spends the same every time; v stands for p v, p is held at 1.
        - "equal_means": q -> infinity, purchases of all customers have one mean, p v; v stands for v / q, q is held
          at 1.
        - Both: every purchase has the value v.
    """

    p: float
    q: float
    v: float
    individual: bool = True
    limits: tuple[SpendLimit, ...] = ()

    @property
    def equal_purchases(self) -> bool:
        """Whether each customer spends the same every time."""
        return "equal_purchases" in self.limits

    @property
    def equal_means(self) -> bool:
        """Whether the purchases of all customers have one mean."""
        return "equal_means" in self.limits


@dataclass(frozen=True)
class ReturnsToCome:
    """The share of what is sold that comes back, by days since the sale.

    Parameters
    ----------
    lags : tuple of int
        Days from a sale to its returns at which something came back, rising.
    kept : tuple of float
        Share of what was sold that has not come back within each of these lags, falling.
    share : float
        Share of the present value of all repeat purchases that is expected to come back still.
    """

    lags: tuple[int, ...]
    kept: tuple[float, ...]
    share: float


@dataclass(frozen=True)
class Uncertainty:
    """Covariances of the logarithms of fitted parameters; None takes those parameters as known.

    Parameters
    ----------
    purchases : tuple of 4 tuples of 4 floats, or None
        Of ln r, ln alpha, ln a, ln b.
    spend : tuple of 3 tuples of 3 floats, or None
        Of ln p, ln q, ln v.
    """

    purchases: Covariance | None = None
    spend: Covariance | None = None


@dataclass(frozen=True)
class LogisticParameters:
    """A ridge logistic regression that starts from the first stage's log odds.

    Attributes
    ----------
    features : tuple of str
        What it sees beside the log odds, on the scale sign(v) ln(1 + |v|).
    centres, scales, coefficients : tuple of float
        Means, standard deviations, and what is added per standard deviation; of the log odds, then of the features.
    """

    features: tuple[str, ...]
    centres: tuple[float, ...]
    scales: tuple[float, ...]
    coefficients: tuple[float, ...]


@dataclass(frozen=True)
class SecondStageParameters:
    """What the second stage needs beside its trees.

    Attributes
    ----------
    used : bool
        Whether there is one.
    why : str
        Why there is one and how much it counts, or why there is none.
    features : tuple of str
        The behavioural features in the order the trees were trained with, after those of the first stage.
    needed : tuple of str
        Those that everybody trained on had; who lacks one keeps the first stage.
    weights : Mapping of str to float
        In [0, 1], what the trees "buys", "purchases" and "revenue" and the regression, "logistic", count beside the
        first stage; "buys" and "logistic" share 1 with it. 1 of trees in versions from before there were any.
    levels : Mapping of str to float
        A constant beside the trees of each booster; "churn", added to the log odds of buying within the churn horizon;
        "clv", added to the logarithm of clv. 0 where there is none.
    logistic : LogisticParameters or None
        The regression of who buys, None where there is none.
    metrics : Mapping of str to float
        Of its training, see `models.purchases.second_stage.training.SecondStage`.
    trained_at : str or None
        The ISO date of the newest features it learned from.
    """

    used: bool
    why: str = ""
    features: tuple[str, ...] = ()
    needed: tuple[str, ...] = ()
    weights: Mapping[str, float] = field(default_factory=dict)
    levels: Mapping[str, float] = field(default_factory=dict)
    logistic: LogisticParameters | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    trained_at: str | None = None

    def weight(self, member: str) -> float:
        """Return what a member counts beside the first stage."""
        return self.weights.get(member, 1.0)

    def to_dict(self) -> dict[str, Any]:
        """Give the section as it is stored: without a second stage only why, and no features."""
        section = asdict(self)
        return section if self.used else {name: section[name] for name in ("used", "why", "features")}

    @staticmethod
    def from_dict(values: Mapping[str, Any]) -> SecondStageParameters:
        """Read what `to_dict` gave, or its JSON; versions of earlier releases have no weights and no regression."""
        logistic = values.get("logistic")
        read = {name: as_tuples(value) for name, value in values.items() if name != "logistic"}
        return SecondStageParameters(
            **read, logistic=None if logistic is None else LogisticParameters(**as_tuples(logistic))
        )


@dataclass(frozen=True, kw_only=True)
class ScorerParameters:
    """All that the scorer reads but its trees; horizons are days.

    Attributes
    ----------
    horizon, churn_horizon, clv_horizon
        Of p_purchase and what stands with it, of p_churn and of clv.
    annual_rate, margin
        Annual discount rate and share of revenue of clv.
    seed
        Of the simulated intervals.
    purchases, spend, uncertainty, second_stage, nps, satisfaction, returns
        The sections; purchases None where nobody has bought again, so that there is no forecast. None of the others
        takes parameters as known, says nothing about satisfaction, and expects no returns to come.
    clock
        By which all times of the purchase model are; None where a day is a day.
    """

    horizon: int
    churn_horizon: int
    clv_horizon: int
    annual_rate: float
    margin: float
    seed: int
    purchases: PurchaseParameters | None
    spend: SpendParameters
    nps: CategoryParameters
    uncertainty: Uncertainty | None = None
    second_stage: SecondStageParameters = SecondStageParameters(used=False)
    satisfaction: CategoryParameters | None = None
    returns: ReturnsToCome | None = None
    clock: ClockParameters | None = None


def scorer_sections(values: Mapping[str, Any]) -> dict[str, Any]:
    """Read the fields of `ScorerParameters` from stored parameters; other entries are left aside.

    Of an earlier format only what the formats share is read: enough to compare it and to replace it, not to score.
    """
    is_of_today = values.get("format") == FORMAT
    categories = {}
    for name in ("nps", "satisfaction"):
        section = values.get(name)
        if section is not None:
            categories[name] = CategoryParameters.from_dict(section if is_of_today else {**section, "members": ()})
    uncertainty, stage = values.get("uncertainty"), values.get("second_stage") or {"used": False}
    returns = values.get("returns")
    purchases = values["purchases"]
    clock = values.get("clock")
    return {
        **{name: values[name] for name in ("horizon", "churn_horizon", "clv_horizon")},
        **{name: values[name] for name in ("annual_rate", "margin", "seed")},
        "purchases": None if purchases is None else PurchaseParameters(**as_tuples(purchases)),
        "spend": SpendParameters(**as_tuples(values["spend"])),
        "uncertainty": None if uncertainty is None else Uncertainty(**as_tuples(uncertainty)),
        "second_stage": SecondStageParameters.from_dict(stage),
        "returns": None if returns is None else ReturnsToCome(**as_tuples(returns)),
        "clock": None if clock is None else ClockParameters.from_dict(clock),
        **categories,
    }
