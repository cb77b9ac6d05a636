"""MBG/NBD: BG/NBD whose customers may leave right after their first purchase, too."""

from models.purchases.bg_nbd import BetaGeoModel


class ModifiedBetaGeoModel(BetaGeoModel):
    """MBG/NBD (Batislam, Denizel & Filiztekin 2007) with the interface of ``lifetimes.ModifiedBetaGeoFitter``.

    All of `BetaGeoModel`, with m = 1 in its likelihood and in every formula: a customer has one more chance of
    leaving, so a one-time buyer's probability of being alive falls with time.

    Parameters
    ----------
    penalizer_coef : float
        As in `BetaGeoModel`.
    """

    _m = 1
    _name = "MBG/NBD"
