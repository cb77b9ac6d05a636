"""How a release is fitted: all that belongs to a scorer and not to the data."""

from dataclasses import dataclass, field
from typing import Literal

from models.segments.segment_names import SEGMENTS, Segments

PurchaseModel = Literal["bg_nbd", "mbg_nbd"]

# Days to look ahead where the settings name none.
DEFAULT_HORIZON = 90


@dataclass(frozen=True)
class Recipe:
    """How a release is fitted; horizons are days, and what is here belongs to the scorer.

    Attributes
    ----------
    horizon, churn_horizon, clv_horizon : int
        Days ahead of p_purchase, p_churn and clv.
    annual_rate, margin : float
        Annual discount rate and share of revenue of clv.
    currency : str or None
        The currency of all amounts, where known.
    nps_question : str
        The question whose category is predicted.
    satisfaction_question : str
        The question whose top answers p_satisfied predicts.
    label_gap_days : int
        Days between the date of the features and the invitation.
    static_attributes : tuple of str
        Customer attributes used as features.
    seed : int
        Seed of everything random.
    purchase_model : "bg_nbd" or "mbg_nbd"
        The model of purchases.
    season : bool
        Whether the purchase model goes by a clock that runs faster in season.
    country : str or None
        Whose movable feasts that clock knows.
    second_stage : bool
        Whether trees and a regression may correct the purchase and spend models.
    rfm_segments : Mapping
        Names of RFM segments, as `models.segments.segment_names.SEGMENTS`.
    """

    horizon: int = 90
    churn_horizon: int = 365
    clv_horizon: int = 365
    annual_rate: float = 0.10
    margin: float = 1.0
    currency: str | None = None
    nps_question: str = "nps"
    satisfaction_question: str = "csat"
    label_gap_days: int = 0
    static_attributes: tuple[str, ...] = ()
    seed: int = 0
    purchase_model: PurchaseModel = "bg_nbd"
    season: bool = False
    country: str | None = None
    second_stage: bool = False
    rfm_segments: Segments = field(default_factory=lambda: SEGMENTS)
