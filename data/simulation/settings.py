"""The settings of a simulated shop: every parameter of its truth, public and named."""

from dataclasses import asdict, dataclass
from typing import Any

from data.errors import InputError

_POSITIVE = ("r", "alpha", "a", "b", "p", "q", "v", "late_days", "wave_every")
_SHARES = ("joining", "online", "return_share", "late_share", "invited_share", "response_rate", "csat_share")


@dataclass(frozen=True)
class ShopSettings:
    """The truth of a simulated shop.

    An "effect" is how much one standard deviation of satisfaction lowers the log-odds of a probability, or the
    logarithm of a rate; 0 means that satisfaction has no influence there.

    Attributes
    ----------
    r, alpha, a, b : float
        BG/NBD, time in days: rate of purchases ~ Gamma(r, rate alpha), chance of dropping out after each
        repeat purchase ~ Beta(a, b).
    p, q, v : float
        Gamma-Gamma: value of an order ~ Gamma(p, rate nu), nu ~ Gamma(q, rate v).
    dropout_after_first : bool
        A customer may also drop out after the first purchase (MBG/NBD).
    joining : float
        First purchases fall evenly into this first share of the days.
    online : float
        Share of orders that are delivered: promised a date, delivered before or after it.
    dropout_effect, dropout_late : float
        Satisfaction's effect on dropping out; how much a late delivery adds to the log-odds of it.
    return_share, return_effect : float
        Chance that a line comes back, of a customer of average satisfaction; satisfaction's effect.
    late_share, late_effect, late_days : float
        The same of a late delivery; mean days that a late one is late.
    contact_rate, contact_effect : float
        Contacts with support per order; satisfaction's effect on them.
    visits_per_order : float
        Visits per expected order, for as long as the customer has not dropped out.
    first_wave, wave_every : int
        Days after the start on which surveys go out.
    invited_share : float
        Chance that a customer is invited to one wave.
    reliability : float
        Share of an answer's variance that satisfaction explains, in [0, 1).
    response_rate : float
        Chance of an answer where behaviour and satisfaction are at 0.
    response_behaviour : float
        How much one unit of the behaviour before the invitation adds to the log-odds of answering. As satisfaction
        drives behaviour, this biases the survey; an estimator that sees behaviour can correct it.
    response_satisfaction : float
        How much one standard deviation of satisfaction itself adds: a bias that no estimator can correct.
    csat_share : float
        Share of the invitations that also ask a satisfaction question, 1-5.
    """

    r: float = 0.6
    alpha: float = 45.0
    a: float = 0.8
    b: float = 2.8
    p: float = 6.0
    q: float = 4.0
    v: float = 15.0
    dropout_after_first: bool = False
    joining: float = 0.75
    online: float = 0.7
    dropout_effect: float = 0.6
    dropout_late: float = 0.8
    return_share: float = 0.08
    return_effect: float = 0.7
    late_share: float = 0.12
    late_effect: float = 0.7
    late_days: float = 4.0
    contact_rate: float = 0.15
    contact_effect: float = 0.7
    visits_per_order: float = 2.0
    first_wave: int = 180
    wave_every: int = 90
    invited_share: float = 0.1
    reliability: float = 0.6
    response_rate: float = 0.2
    response_behaviour: float = 0.8
    response_satisfaction: float = 0.0
    csat_share: float = 0.0

    def __post_init__(self) -> None:
        """Check that every parameter is in its range.

        Raises
        ------
        InputError
            If a parameter lies outside its range.
        """
        values: dict[str, Any] = asdict(self)
        for name in _POSITIVE:
            if not values[name] > 0:
                raise InputError(f"The setting {name} of a simulated shop must be above 0, got {values[name]}.")
        for name in _SHARES:
            if not 0 <= values[name] <= 1:
                raise InputError(f"The setting {name} of a simulated shop must be in [0, 1], got {values[name]}.")
        if not 0 <= self.reliability < 1:
            raise InputError(f"The setting reliability must be in [0, 1), got {self.reliability}.")


def textbook(**parameters: float) -> ShopSettings:
    """Give a shop whose purchases and spend follow BG/NBD and Gamma-Gamma exactly.

    Satisfaction still drives late deliveries, contacts and answers, but not purchases: nobody returns anything, and
    only chance makes a customer drop out.

    Parameters
    ----------
    **parameters : float
        Settings to take instead of the defaults: ``r``, ``alpha``, ``a``, ``b``, ``p``, ``q``, ``v``, ...

    Returns
    -------
    ShopSettings
        With ``dropout_effect``, ``dropout_late`` and ``return_share`` at 0 unless given.
    """
    exact: dict[str, Any] = {"dropout_effect": 0.0, "dropout_late": 0.0, "return_share": 0.0}
    return ShopSettings(**{**exact, **parameters})
