"""Customers who gave everything back: they are not in the base, but have an NPS, and the base has another with them."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.special import stdtrit

from features.describe import materialise
from features.labels import labelled_answers
from features.measures.intervals import nps_interval
from features.measures.panel import FEWEST_FOR_LEVEL
from features.purchases import without_purchase
from features.tables import Tables
from models.release.release import Release
from models.stats.normal import NORMAL_95
from models.stats.typing import Integers
from models.survey.aipw import BaseNps
from models.survey.frame import MOST_UNLIKE, newest_per_customer
from models.survey.sensitivity import shift_of_points
from models.survey.unmeasured import wide_margin


@dataclass(frozen=True)
class Figure:
    """An NPS with its 95 % intervals, points: of the sample, and the wide one of `models.survey.aipw.BaseNps`."""

    nps: float
    low: float
    high: float
    wide_low: float
    wide_high: float


@dataclass(frozen=True)
class WithoutPurchase:
    """Customers of whom no purchase stands, beside a base; JSON-able by `to_dict`.

    Attributes
    ----------
    customers, answers
        How many they are, and how many of them have answered.
    own
        Mean of their newest answers, not weighted, as too few to learn from; None where fewer than
        `features.measures.panel.FEWEST_FOR_LEVEL` have answered.
    with_base
        NPS of the base and them together; None if `own` is, or if the base is not all customers.
    with_base_least, with_base_most
        Between which the estimate of both together lies whatever they would answer, points; None if the base is not all
        customers.
    """

    customers: int
    answers: int
    own: Figure | None
    with_base: Figure | None
    with_base_least: float | None
    with_base_most: float | None

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)


def survey_without_purchase(tables: Tables, release: Release, base: BaseNps) -> WithoutPurchase | None:
    """Tell the NPS of customers who gave everything back, and what that of the base is together with them.

    Who has kept nothing is described by no feature, so they are not in the base, and their answers from before they
    gave everything back count there only as those of customers as they were then. As a rule they are the least
    satisfied.

    Parameters
    ----------
    tables
        The shop's checked tables.
    release
        Its as_of and question count.
    base
        NPS of the base.

    Returns
    -------
    WithoutPurchase or None
        None without answers in the tables, or if there are no such customers.
    """
    if tables.answers is None:
        return None
    # Read twice: counted, and beside the answers.
    customers = without_purchase(tables, release.as_of).cache()
    number = int(customers.count().to_pyarrow().as_py())
    if not number:
        return None
    given = tables.answers.semi_join(customers, "customer_id")
    answers = materialise(labelled_answers(given, release.parameters.nps_question, before=release.as_of))
    newest = newest_per_customer(answers["customer_id"], answers["as_of"], np.ones(len(answers), bool))
    category = answers["category"].iloc[newest].to_numpy(np.int64)
    return beside_base(base, number, np.bincount(category, minlength=3))


def beside_base(base: BaseNps, customers: int, counts: Integers) -> WithoutPurchase:
    """Put so many customers beside a base.

    With N customers of the base and K others both together have (N nps + K own) / (N + K), and the two errors are
    independent. The wide interval of the others allows for the gamma of the base's.

    Parameters
    ----------
    base
        NPS of the base.
    customers
        How many are put beside it.
    counts
        (3,) how many of them answered as detractors, passives and promoters.
    """
    answers = int(counts.sum())
    share = customers / (base.n_base + customers)
    is_everyone = base.unlike_share is None or base.unlike_share <= MOST_UNLIKE
    of_base = (1.0 - share) * base.nps
    least, most = (of_base - 100.0 * share, of_base + 100.0 * share) if is_everyone else (None, None)
    if answers < FEWEST_FOR_LEVEL:
        return WithoutPurchase(customers, answers, None, None, least, most)
    nps, low, high = (float(each) for each in nps_interval(*counts))
    error = (high - low) / (2.0 * NORMAL_95)
    bias = float(shift_of_points(counts[None] / answers, base.unmeasured_gamma)[0])
    more = wide_margin(error, np.inf, bias) - NORMAL_95 * error
    own = Figure(nps, low, high, _bounded(low - more), _bounded(high + more))
    if not is_everyone:
        return WithoutPurchase(customers, answers, own, None, None, None)
    both = of_base + share * nps
    error = float(np.hypot((1.0 - share) * base.standard_error, share * error))
    bias = (1.0 - share) * base.unmeasured + share * bias
    margin = float(stdtrit(base.degrees_of_freedom, 0.975)) * error
    wide = wide_margin(error, base.degrees_of_freedom, bias)
    ends = (both - margin, both + margin, both - wide, both + wide)
    together = Figure(both, *(_bounded(end) for end in ends))
    return WithoutPurchase(customers, answers, own, together, least, most)


def _bounded(nps: float) -> float:
    return float(np.clip(nps, -100.0, 100.0))
