"""The parameters of a release: the scorer's sections and all else that is kept with it, read and written as JSON here.

Nothing but this module and `models.scoring.parameters` knows how parameters are stored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from datetime import date
from typing import Any

from features.catalogue import catalogue_of
from features.vocabulary import Vocabulary
from models.recipe import PurchaseModel
from models.scoring.arrays import as_tuples
from models.scoring.parameters import FORMAT, ScorerParameters, scorer_sections
from models.segments.personas.model import Personas
from models.segments.rfm import RfmCuts
from models.segments.segment_names import SEGMENTS, Segments
from models.stats.population_stability import Profile

# The category models: each names its section of the parameters and begins the names of its trees.
CATEGORY_MODELS = ("nps", "satisfaction")
# Stored as they are; releases of earlier versions may lack those with a default.
_VALUES = (
    *("returns_policy", "customers", "log_likelihood_per_customer", "currency", "nps_question"),
    *("satisfaction_question", "label_gap_days", "purchase_model"),
)
# Left out where a release does not have them.
_OPTIONAL = ("clock", "uncertainty", "satisfaction", "returns", "log_likelihood_per_customer", "profiles", "personas")


@dataclass(frozen=True, kw_only=True)
class ReleaseParameters(ScorerParameters):
    """All that belongs to one version of the scorer but its trees.

    Attributes
    ----------
    as_of : datetime.date
        The date before which everything it was fitted on was available.
    nps_as_of : datetime.date
        The same of its category models, which may be carried over from an earlier release.
    customers : int
        Customers whose purchases it was fitted on.
    log_likelihood_per_customer : float or None
        Of the purchase model at the fitted parameters; None in releases that did not keep it.
    returns_policy : str or None
        What counts as a purchase.
    currency, nps_question, satisfaction_question, label_gap_days, static_attributes, purchase_model
        As `models.recipe.Recipe`.
    vocabulary : Vocabulary
        The kinds, channels and levels that name its features.
    rfm : RfmCuts
        Cut points of the RFM scores.
    rfm_segments : Mapping
        Names of the RFM segments.
    personas : Personas or None
        Clusters of the base it was fitted on; None before they are found.
    profiles : Mapping of str to Profile
        Distributions of what it was fitted on, by what `models.monitoring.stability` calls them.
    format : int
        Of the stored parameters; another than `FORMAT` is read only to be compared and replaced.
    """

    as_of: date
    nps_as_of: date
    customers: int
    nps_question: str
    vocabulary: Vocabulary
    rfm: RfmCuts
    log_likelihood_per_customer: float | None = None
    returns_policy: str | None = None
    currency: str | None = None
    satisfaction_question: str = "csat"
    label_gap_days: int = 0
    static_attributes: tuple[str, ...] = ()
    purchase_model: PurchaseModel = "bg_nbd"
    rfm_segments: Segments = field(default_factory=lambda: SEGMENTS)
    personas: Personas | None = None
    profiles: Mapping[str, Profile] | None = None
    format: int = FORMAT

    def to_dict(self) -> dict[str, Any]:
        """Give the parameters as they are stored: a dict that JSON can hold."""
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        values |= {
            "as_of": self.as_of.isoformat(),
            "nps_as_of": self.nps_as_of.isoformat(),
            "purchases": None if self.purchases is None else asdict(self.purchases),
            "spend": asdict(self.spend),
            "uncertainty": None if self.uncertainty is None else asdict(self.uncertainty),
            "returns": None if self.returns is None else asdict(self.returns),
            "clock": None if self.clock is None else asdict(self.clock),
            "second_stage": self.second_stage.to_dict(),
            "nps": self.nps.to_dict(),
            "satisfaction": None if self.satisfaction is None else self.satisfaction.to_dict(),
            "vocabulary": self.vocabulary.to_dict(),
            "rfm": asdict(self.rfm),
            "personas": None if self.personas is None else self.personas.to_dict(),
        }
        return {name: value for name, value in values.items() if value is not None or name not in _OPTIONAL}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> ReleaseParameters:
        """Read what `to_dict` gave, or its JSON."""
        personas, vocabulary = values.get("personas"), Vocabulary.from_dict(values["vocabulary"])
        return cls(
            **scorer_sections(values),
            **{name: values[name] for name in _VALUES if name in values},
            format=values["format"],
            as_of=date.fromisoformat(values["as_of"]),
            nps_as_of=date.fromisoformat(values["nps_as_of"]),
            static_attributes=tuple(values.get("static_attributes", ())),
            vocabulary=vocabulary,
            rfm=RfmCuts(**as_tuples(values["rfm"])),
            rfm_segments=as_tuples(values.get("rfm_segments", SEGMENTS)),
            personas=None if personas is None else Personas.from_dict(personas, catalogue_of(vocabulary)),
            profiles=values.get("profiles"),
        )
