"""The parameters of the models that the scorer serves."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    r: float
    alpha: float
    a: float
    b: float
    m: int = 0


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
    """

    p: float
    q: float
    v: float
