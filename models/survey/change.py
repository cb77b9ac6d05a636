"""Change of the base's NPS since an earlier date, both dates under one model, and the parts of the change.

A plain difference of two surveys mostly shows that another channel reached other customers. Here both dates are
estimated like the NPS of the base, so that a difference in who answered is removed by weighting. The change is then
decomposed: who the customers are, how they behave, what they answer at equal behaviour, and which model predicts them.
"""

from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy.special import stdtrit

from models.nps.out_of_fold import POINTS
from models.stats.typing import Flags, Floats
from models.survey.aipw import Estimate, estimate_nps, training_variance
from models.survey.frame import Survey
from models.survey.unmeasured import wide_margin

# With fewer answers at one of the dates its NPS is too uncertain for a difference to say anything.
FEWEST_ANSWERS = 30
FEWEST_EFFECTIVE_ANSWERS = 20.0
OF_UNLIKE_CUSTOMERS = (
    "at one of the dates the base was too unlike those who answered, so its NPS is that of those who were asked"
)


@dataclass(frozen=True)
class Part:
    """A part of the change.

    Attributes
    ----------
    change
        Points.
    standard_error
        Points; None for a part that has none, as one against a published figure.
    """

    change: float
    standard_error: float | None


@dataclass(frozen=True)
class NpsChange:
    """Change of the base's NPS since an earlier date, in points; JSON-able by `to_dict`.

    Attributes
    ----------
    change, low, high, standard_error
        `now` less `before`, the 95 % interval of the samples and the standard error; None if `why` says so.
    wide_low, wide_high, unmeasured
        The 95 % interval that also allows for a trait that no feature shows (`models.survey.unmeasured`) and that acted
        at one of the dates only, and by how much that would move the change, points; None if `change` is.
    before, now
        NPS of the base then and now, both under today's model: then from the answers given before the earlier date, now
        from the answers to invitations since; None with too few.
    published
        NPS as it was published then; None if none was.
    composition
        Other customers are in the base: difference between the mean prediction of the base and that of common
        customers, now less then; None if only one of the two surveys can speak for the whole base.
    behaviour
        Common customers behave differently: mean difference of their predictions. None without common customers: the
        whole change of the predictions is then composition.
    answers
        Customers of equal behaviour answer differently: difference of weighted mean residuals; None if `change` is.
    model
        `before` less `published`: today's estimate for then, less the published one. composition + behaviour + answers
        + model = `now` - `published`, exactly.
    survey_difference
        Mean of the answers since less that of the answers before: not the change, but shown beside it; None without
        answers.
    n_answers_before, n_answers_now, n_eff_before, n_eff_now
        Answers, and their effective number (Kish 1965).
    customers_before, customers_now, customers_common
        Customers in the base then, now, and at both dates.
    why
        Why no change can be estimated, and what the parts mean nevertheless; None if `change` is a number.
    """

    composition: Part | None
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
    wide_low: float | None = None
    wide_high: float | None = None
    unmeasured: float | None = None
    before: float | None = None
    now: float | None = None
    answers: Part | None = None
    model: Part | None = None
    why: str | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain dict of JSON types."""
        return asdict(self)


@dataclass(frozen=True)
class _Difference:
    """A difference in points.

    Attributes
    ----------
    change
        Points.
    influence
        Influence psi by customer, points, see `models.survey.aipw.Estimate`.
    jackknife
        (K,) the part that depends on the training of m, points, by the model without fold k.
    """

    change: float
    influence: pd.Series
    jackknife: Floats

    @property
    def variance(self) -> float:
        """Sampling variance, each customer counted once over both dates, plus the variance from training m."""
        return float(np.sum(self.influence.to_numpy() ** 2)) + training_variance(self.jackknife)

    def less(self, other: "_Difference") -> "_Difference":
        """Return this difference less another one."""
        influence = self.influence.sub(other.influence, fill_value=0.0)
        return _Difference(self.change - other.change, influence, self.jackknife - other.jackknife)

    def part(self) -> Part:
        """Return the published part: the change and its standard error."""
        return Part(self.change, float(np.sqrt(self.variance)))


def nps_change(before: Survey, now: Survey, published: float | None = None) -> NpsChange:
    """Estimate the change of the base's NPS between two dates and decompose it.

    Each date has the estimate of `models.survey.aipw.estimate_nps`, from its own base, answers and propensity; m is the
    same model at both dates. The error of the difference subtracts the influences by customer, psi_now - psi_before, so
    that a customer of both dates counts once; the variance from training m is the jackknife of the difference. The
    interval is Student's with the degrees of freedom of Welch (1947, Biometrika 34).

    With C the common customers, B0 and B1 the bases:
    composition = [mean_B1 m1 - mean_C m1] - [mean_B0 m0 - mean_C m0], behaviour = mean_C (m1 - m0), answers = the
    weighted mean of t - m now less that before (a decomposition of means like those of Kitagawa 1955, JASA 50, and
    Oaxaca 1973).

    Parameters
    ----------
    before, now : Survey
        The base at each date, with the answers given before the first date and the answers to invitations since. Both
        predicted by the same model. Either may hold no answers.
    published : float, optional
        NPS of the base as it was published then, points.

    Raises
    ------
    ValueError
        If the two were not predicted by one model: their numbers of folds differ.
    """
    if len(before.fold_points) != len(now.fold_points):
        raise ValueError(
            "before and now must be predicted by one model, "
            f"got one of {len(before.fold_points)} folds and one of {len(now.fold_points)}"
        )
    common_before, common_now = _common(before, now)
    customers_common = int(common_now.sum())
    predictions = _change_of_predictions(before, now)
    behaviour = _change_of_behaviour(before, now, common_before, common_now) if customers_common else None
    composition = predictions if behaviour is None else predictions.less(behaviour)
    without_answers = NpsChange(
        composition=composition.part(),
        behaviour=None if behaviour is None else behaviour.part(),
        survey_difference=_survey_difference(before, now),
        n_answers_before=len(before.answers),
        n_answers_now=len(now.answers),
        n_eff_before=_effective_number(before),
        n_eff_now=_effective_number(now),
        customers_before=len(before.base_customer),
        customers_now=len(now.base_customer),
        customers_common=customers_common,
        published=published,
    )
    if before.speaks_for_asked_only != now.speaks_for_asked_only:
        return replace(without_answers, composition=None, behaviour=None, why=OF_UNLIKE_CUSTOMERS)
    why = _why_not(without_answers)
    if why is not None:
        return replace(without_answers, why=why)
    then, today = estimate_nps(before), estimate_nps(now)
    total = _Difference(
        today.figures.nps - then.figures.nps,
        today.influence.sub(then.influence, fill_value=0.0),
        today.jackknife - then.jackknife,
    )
    error = float(np.sqrt(total.variance))
    freedom = _degrees_of_freedom(then, today)
    margin = float(stdtrit(freedom, 0.975)) * error
    # A trait that acts alike at both dates moves both estimates alike, and not their difference.
    unmeasured = max(then.figures.unmeasured, today.figures.unmeasured)
    wide = wide_margin(error, freedom, unmeasured)
    return replace(
        without_answers,
        change=total.change,
        low=total.change - margin,
        high=total.change + margin,
        standard_error=error,
        wide_low=total.change - wide,
        wide_high=total.change + wide,
        unmeasured=unmeasured,
        before=then.figures.nps,
        now=today.figures.nps,
        answers=total.less(predictions).part(),
        model=None if published is None else Part(then.figures.nps - published, None),
    )


def _common(before: Survey, now: Survey) -> tuple[Flags, Flags]:
    """Which customers of each base are in the other too, (M0,) and (M1,)."""
    return np.isin(before.base_customer, now.base_customer), np.isin(now.base_customer, before.base_customer)


def _change_of_predictions(before: Survey, now: Survey) -> _Difference:
    """Difference between the mean predictions of the two bases."""
    then, today = (np.ones(len(survey.base_customer), bool) for survey in (before, now))
    return _mean_of(now, today).less(_mean_of(before, then))


def _change_of_behaviour(before: Survey, now: Survey, common_before: Flags, common_now: Flags) -> _Difference:
    """Mean difference between the predictions of common customers."""
    return _mean_of(now, common_now).less(_mean_of(before, common_before))


def _mean_of(survey: Survey, chosen: Flags) -> _Difference:
    """Mean prediction of chosen customers of the base; the jackknife uses those of them in the base's sample."""
    m = survey.base_probabilities[chosen] @ POINTS
    mean = float(m.mean())
    influence = pd.Series((m - mean) / len(m), index=survey.base_customer[chosen])
    sampled = chosen[survey.base_sample]
    folds = survey.fold_base_points
    jackknife = folds[:, sampled].mean(axis=1) if sampled.any() else np.zeros(len(folds))
    return _Difference(mean, influence, jackknife)


def _survey_difference(before: Survey, now: Survey) -> float | None:
    if not len(before.answers) or not len(now.answers):
        return None
    return float(now.answers.mean() - before.answers.mean())


def _effective_number(survey: Survey) -> float:
    """Effective number of answers (Kish 1965); 0 without answers."""
    if not survey.answered.any():
        return 0.0
    w = survey.weights
    return float(w.sum() ** 2 / (w @ w))


def _degrees_of_freedom(then: Estimate, today: Estimate) -> float:
    """Welch's degrees of freedom, (V0 + V1)^2 / (V0^2/f0 + V1^2/f1)."""
    V = np.array([then.figures.standard_error**2, today.figures.standard_error**2])
    f = np.array([then.figures.degrees_of_freedom, today.figures.degrees_of_freedom])
    return float(V.sum() ** 2 / np.sum(V**2 / f))


def _why_not(change: NpsChange) -> str | None:
    """Why the answers of one date are too few for a difference; None if they are not."""
    still = "the parts show only how the composition of the base and its behaviour changed the predictions"
    dates = (
        (change.n_answers_before, change.n_eff_before, "before"),
        (change.n_answers_now, change.n_eff_now, "since"),
    )
    for n, n_eff, when in dates:
        if n < FEWEST_ANSWERS:
            return f"{n} customers answered {when}, fewer than {FEWEST_ANSWERS}; {still}"
        if n_eff < FEWEST_EFFECTIVE_ANSWERS:
            return (
                f"the {n} answers {when} weigh as much as {n_eff:.0f} of equal weight, fewer than "
                f"{FEWEST_EFFECTIVE_ANSWERS:.0f}; {still}"
            )
    return None
