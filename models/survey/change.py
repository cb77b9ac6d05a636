"""Change of the base's NPS since an earlier date, both dates under one model, and what it is made of.

A plain difference of two surveys says mostly that another channel reached other customers. Here both dates are
estimated as the NPS of the base is, so what differs in who answered is weighted away, and the difference is split into
who the customers are, how they behave, what they answer at equal behaviour, and the model they are seen by.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.stats import t as student

from models.stats.typing import Flags, Floats
from models.survey.aipw import Estimate, estimate_nps, training_variance
from models.survey.base import MOST_UNLIKE
from models.survey.frame import POINTS, Survey

# With fewer answers at one of the dates its NPS is too uncertain for a difference to tell anything.
FEWEST_ANSWERS = 30
FEWEST_EFFECTIVE_ANSWERS = 20.0
OF_UNLIKE_CUSTOMERS = (
    "at one of the dates the base was too unlike those who answered, so its NPS is that of those who were asked"
)
PARTS = ("mix", "behaviour", "answers", "model")


@dataclass(frozen=True)
class Part:
    """A part of the change, in points, and its standard error: None where it has none, as a published figure."""

    change: float
    standard_error: float | None


@dataclass(frozen=True)
class NpsChange:
    """Change of the base's NPS since an earlier date, in points; JSON-able by `to_dict`.

    Attributes
    ----------
    change, low, high, standard_error
        `now` less `before`, its 95 % interval and standard error; None where `why` says so.
    before, now
        NPS of the base then and now, both under today's model: then from the answers known then, now from those to
        invitations since; None where there are too few.
    published
        NPS as it was published then; None where nothing was.
    mix
        Other customers are in the base: difference of the mean prediction of the base from that of common customers;
        None where one of the two is the NPS of those asked only.
    behaviour
        Common customers behave otherwise: mean difference of their predictions; None without common customers, and what
        the predictions changed is then all mix.
    answers
        Customers of equal behaviour answer otherwise: difference of weighted mean residuals; None where `change` is.
    model
        `before` less `published`: what today's model says of then, less what was said. mix + behaviour + answers +
        model = `now` - `published`, exactly.
    survey_difference
        Mean of the answers since less that of those before: what the change is not; None without answers.
    n_answers_before, n_answers_now, n_eff_before, n_eff_now
        Customers who answered, and their effective number (Kish 1965).
    customers_before, customers_now, customers_common
        In the base then, now, and at both dates.
    why
        Why there is no change to tell, and what can be told nevertheless; None where there is one.
    """

    mix: Part | None
    behaviour: Part | None
    survey_difference: float | None
    n_answers_before: int
    n_answers_now: int
    n_eff_before: float
    n_eff_now: float
    customers_before: int
    customers_now: int
    customers_common: int
    published: float | None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    standard_error: float | None = None
    before: float | None = None
    now: float | None = None
    answers: Part | None = None
    model: Part | None = None
    why: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> "NpsChange":
        """Rebuild the change from `to_dict` or its JSON."""
        parts = {name: values[name] and Part(**values[name]) for name in PARTS}
        return cls(**{**values, **parts})


@dataclass(frozen=True)
class _Moved:
    """A difference with its influence by customer and its jackknife figures, (K,)."""

    change: float
    influence: pd.Series
    jackknife: Floats

    @property
    def variance(self) -> float:
        """Of sampling, customers taken together over both dates, and of the training of m."""
        return float(np.sum(self.influence.to_numpy() ** 2)) + training_variance(self.jackknife)

    def less(self, other: "_Moved") -> "_Moved":
        """Return this difference less a part of it."""
        influence = self.influence.sub(other.influence, fill_value=0.0)
        return _Moved(self.change - other.change, influence, self.jackknife - other.jackknife)

    def part(self) -> Part:
        """Return what is published of it."""
        return Part(self.change, float(np.sqrt(self.variance)))


def nps_change(before: Survey, now: Survey, published: float | None = None) -> NpsChange:
    """Estimate the change of the base's NPS between two dates and split it.

    Theta of either date is that of `models.survey.aipw.estimate_nps`, of its own base, answers and propensity; m is the
    same model at both. The error of the difference joins both influences by customer, psi_now - psi_before, so that
    whoever is in both counts once; what the training of m adds is the jackknife of the difference. The interval is
    Student's with the degrees of freedom of Welch (1947, Biometrika 34).

    With C the common customers, B0 and B1 the bases:
    mix = [mean_B1 m1 - mean_C m1] - [mean_B0 m0 - mean_C m0], behaviour = mean_C (m1 - m0), answers = the weighted mean
    of t - m now less that before (a decomposition by means as those of Kitagawa 1955, JASA 50, and Oaxaca 1973).

    Parameters
    ----------
    before, now : Survey
        The base at either date with the answers known before the first, and those to invitations since. Predictions
        of both by the same model. Either may hold no answers.
    published : float, optional
        NPS of the base as it was published then.

    Raises
    ------
    ValueError
        If the two are not predicted by one model: their numbers of folds differ.
    """
    if len(before.fold_points) != len(now.fold_points):
        raise ValueError(
            "before and now must be predicted by one model, "
            f"got one of {len(before.fold_points)} folds and one of {len(now.fold_points)}"
        )
    common_before, common_now = _common(before, now)
    shared = int(common_now.sum())
    of_predictions = _of_predictions(before, now)
    behaviour = _of_behaviour(before, now, common_before, common_now) if shared else None
    mix = of_predictions if behaviour is None else of_predictions.less(behaviour)
    told = NpsChange(
        mix=mix.part(),
        behaviour=None if behaviour is None else behaviour.part(),
        survey_difference=_survey_difference(before, now),
        n_answers_before=len(before.answers),
        n_answers_now=len(now.answers),
        n_eff_before=_effective_number(before),
        n_eff_now=_effective_number(now),
        customers_before=len(before.base_customer),
        customers_now=len(now.base_customer),
        customers_common=shared,
        published=published,
    )
    if _speaks_for_asked_only(before) != _speaks_for_asked_only(now):
        return replace(told, mix=None, behaviour=None, why=OF_UNLIKE_CUSTOMERS)
    why = _why_not(told)
    if why is not None:
        return replace(told, why=why)
    then, today = estimate_nps(before), estimate_nps(now)
    total = _Moved(
        today.figures.nps - then.figures.nps,
        today.influence.sub(then.influence, fill_value=0.0),
        today.jackknife - then.jackknife,
    )
    error = float(np.sqrt(total.variance))
    reach = float(student.ppf(0.975, _degrees_of_freedom(then, today))) * error
    return replace(
        told,
        change=total.change,
        low=total.change - reach,
        high=total.change + reach,
        standard_error=error,
        before=then.figures.nps,
        now=today.figures.nps,
        answers=total.less(of_predictions).part(),
        model=None if published is None else Part(then.figures.nps - published, None),
    )


def _common(before: Survey, now: Survey) -> tuple[Flags, Flags]:
    """Who of either base is in the other."""
    return np.isin(before.base_customer, now.base_customer), np.isin(now.base_customer, before.base_customer)


def _of_predictions(before: Survey, now: Survey) -> _Moved:
    """Difference of the bases' mean predictions."""
    then, today = (np.ones(len(survey.base_customer), bool) for survey in (before, now))
    return _mean_of(now, today).less(_mean_of(before, then))


def _of_behaviour(before: Survey, now: Survey, common_before: Flags, common_now: Flags) -> _Moved:
    """Mean difference of the predictions of common customers."""
    return _mean_of(now, common_now).less(_mean_of(before, common_before))


def _mean_of(survey: Survey, chosen: Flags) -> _Moved:
    """Mean prediction of chosen customers of the base; its jackknife figures are those of the sampled among them."""
    m = survey.base_probabilities[chosen] @ POINTS
    mean = float(m.mean())
    influence = pd.Series((m - mean) / len(m), index=survey.base_customer[chosen])
    sampled = chosen[survey.base_sample]
    folds = survey.fold_base_points
    jackknife = folds[:, sampled].mean(axis=1) if sampled.any() else np.zeros(len(folds))
    return _Moved(mean, influence, jackknife)


def _survey_difference(before: Survey, now: Survey) -> float | None:
    if not len(before.answers) or not len(now.answers):
        return None
    return float(now.answers.mean() - before.answers.mean())


def _effective_number(survey: Survey) -> float:
    """Kish's effective number of answers (1965), 0 without any."""
    if not survey.answered.any():
        return 0.0
    w = survey.weights
    return float(w.sum() ** 2 / (w @ w))


def _degrees_of_freedom(then: Estimate, today: Estimate) -> float:
    """Welch's: (V0 + V1)^2 / (V0^2/f0 + V1^2/f1)."""
    V = np.array([then.figures.standard_error**2, today.figures.standard_error**2])
    f = np.array([then.figures.degrees_of_freedom, today.figures.degrees_of_freedom])
    return float(V.sum() ** 2 / np.sum(V**2 / f))


def _speaks_for_asked_only(survey: Survey) -> bool:
    """Whether the base of a survey is its frame, as `models.survey.base.prepare_survey` decides."""
    return survey.unlike_share is not None and survey.unlike_share > MOST_UNLIKE


def _why_not(told: NpsChange) -> str | None:
    """Why the answers of one date do not allow a difference, or None."""
    still = "what is told is how the customers in the base and their behaviour moved the predictions"
    dates = ((told.n_answers_before, told.n_eff_before, "before"), (told.n_answers_now, told.n_eff_now, "since"))
    for n, n_eff, when in dates:
        if n < FEWEST_ANSWERS:
            return f"{n} customers answered {when}, fewer than {FEWEST_ANSWERS}; {still}"
        if n_eff < FEWEST_EFFECTIVE_ANSWERS:
            return (
                f"the {n} answers {when} weigh as much as {n_eff:.0f} of equal weight, fewer than "
                f"{FEWEST_EFFECTIVE_ANSWERS:.0f}; {still}"
            )
    return None
