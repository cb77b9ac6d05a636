"""Whether a retrain is due: purchases and likelihoods since the champion was trained, beside what it expects."""

from dataclasses import dataclass, replace
from datetime import date
from typing import Literal

import numpy as np

from features.purchases import purchase_changes
from features.tables import Tables
from models.monitoring.drift_figures import FitDrift, PurchaseTracking, compare
from models.monitoring.drift_simulation import Change, Histories
from models.purchases.fit import TrainingFit
from models.scoring.clock.clock import Clock, day_number
from models.scoring.parameters import PurchaseParameters

Verdict = Literal["due", "not due", "too early", "nothing new", "not available"]

FEWEST_DAYS = 7
FEWEST_CUSTOMERS = 100
# Largest difference between the training data then and now that counts as none: of customers as a share, of the mean
# log-likelihood as it is.
SAME_DATA = 0.01


@dataclass(frozen=True)
class Drift:
    """Drift of the champion's fit since its training.

    Attributes
    ----------
    as_of : datetime.date
        Only data available before it count.
    verdict : str
        "due", "not due", "too early", "nothing new" or "not available".
    why : str
        The verdict in a sentence with its figures.
    trained_as_of : datetime.date or None
        None if the scorer does not hold it.
    customers, new_customers : int
        Customers now, and those of them who came since training.
    fit : FitDrift or None
        Drift of the log-likelihood; None without data to compare.
    purchases : PurchaseTracking or None
        Purchases beside expectation; None without data to compare.
    notes : tuple of str
        What a reader must bear in mind.
    """

    as_of: date
    verdict: Verdict
    why: str
    trained_as_of: date | None = None
    customers: int = 0
    new_customers: int = 0
    fit: FitDrift | None = None
    purchases: PurchaseTracking | None = None
    notes: tuple[str, ...] = ()

    @property
    def days(self) -> int:
        """Days from the training to `as_of`."""
        return (self.as_of - self.trained_as_of).days if self.trained_as_of else 0


def measure_drift(
    tables: Tables,
    as_of: date,
    parameters: PurchaseParameters | None,
    training: TrainingFit | None,
    horizon: int,
    seed: int = 0,
    clock: Clock | None = None,
) -> Drift:
    """Compare the data available before ``as_of`` with what a scorer expects of them, and say if a retrain is due.

    It is due if total purchases since the training are outside their 95 % interval and more than 10 % off; if the
    log-likelihood per customer differs by more than chance and by more than a change of all purchase rates by 10 %
    would make; or if the data reach further beyond the training than the horizon. The log-likelihood falls as customers
    age even if nothing changes, and it *rises* if customers buy less. So it is compared with the expectation of the
    model itself at their ages, and differences of both signs count.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.
    parameters : PurchaseParameters or None
        The scorer's purchase model; None where it has none.
    training : TrainingFit or None
        The scorer's fit; None for a scorer that does not hold it.
    horizon : int
        The scorer's horizon, days.
    seed : int
        Seed of the simulated histories.
    clock : Clock, optional
        By which the times of the scorer's purchase model are: purchases then are compared with those of the season.
    """
    if parameters is None:
        why = "There is no drift to measure: the scorer was fitted when nobody had bought again, and has no forecast."
        return Drift(as_of, "not available", why)
    if training is None:
        why = "The drift is not available: the scorer does not hold its fit. The next retrain will store it."
        return Drift(as_of, "not available", why)
    if as_of <= training.as_of:
        why = f"Nothing is new: the scorer was trained as of {training.as_of}, and these data are as of {as_of}."
        return Drift(as_of, "nothing new", why, training.as_of)
    change = changes(tables, training.as_of, as_of)
    if not change.customers.size:
        why = f"It is too early to tell whether a retrain is due: nobody has bought before {as_of}."
        return Drift(as_of, "too early", why, training.as_of)
    covariance = np.zeros((4, 4)) if training.log_covariance is None else np.asarray(training.log_covariance)
    clock_error = 0.0
    if clock is not None:
        change = _by_clock(change, clock, training.as_of, as_of)
        clock_error = clock.ahead_error(day_number(training.as_of), (as_of - training.as_of).days)
    fit, purchases = compare(change, parameters, covariance, seed, clock_error=clock_error)
    verdict, why = decide(training.as_of, as_of, horizon, int(change.total), fit, purchases)
    return Drift(
        as_of,
        verdict,
        why,
        training.as_of,
        customers=int(change.total),
        new_customers=int(change.total - change.total_existing),
        fit=fit,
        purchases=purchases,
        notes=tuple(_notes(training, int(change.total_existing), fit, purchases, has_clock=clock is not None)),
    )


def changes(tables: Tables, trained_as_of: date, as_of: date) -> Change:
    """Give the distinct pairs of histories, counted by the engine that holds the data, as arrays."""
    pairs = purchase_changes(tables, trained_as_of, as_of).to_pandas()
    now = [pairs[name].to_numpy(np.float64) for name in ("frequency", "recency", "T")]
    then = [pairs[f"{name}_before"].to_numpy(np.float64) for name in ("frequency", "recency", "T")]
    existing = ~np.isnan(then[0])
    at_training = Histories(*(np.nan_to_num(column) for column in then))
    return Change(at_training, Histories(*now), existing, pairs["customers"].to_numpy(np.float64))


def decide(
    trained_as_of: date, as_of: date, horizon: int, customers: int, fit: FitDrift | None, purchases: PurchaseTracking
) -> tuple[Verdict, str]:
    """Say whether a retrain is due, and why, in one sentence."""
    days = (as_of - trained_as_of).days
    old = f"the data reach {days} days beyond the training, further than the horizon of {horizon}"
    if days < FEWEST_DAYS or customers < FEWEST_CUSTOMERS:
        if days > horizon:
            return "due", f"A retrain is due: {old}."
        few = f"{customers:,} customers" if days >= FEWEST_DAYS else f"{days} day{'s' * (days > 1)} since the training"
        need = f"{FEWEST_CUSTOMERS} customers" if days >= FEWEST_DAYS else f"{FEWEST_DAYS} days"
        return "too early", f"It is too early to tell whether a retrain is due: {few}, {need} are needed."
    reasons = [_purchases_in_words(trained_as_of, purchases)] if purchases.is_beyond else []
    if fit is not None and fit.is_beyond:
        reasons.append(_fit_in_words(fit))
    if days > horizon:
        reasons.append(old)
    if reasons:
        return "due", f"A retrain is due: {'; '.join(reasons)}."
    findings = [_purchases_in_words(trained_as_of, purchases)]
    if purchases.is_outside:
        findings.append("which is less than 10 % off")
    if fit is not None:
        findings.append(_fit_in_words(fit))
    return "not due", f"No retrain is due: {', '.join(findings)}."


def _purchases_in_words(trained_as_of: date, purchases: PurchaseTracking) -> str:
    return (
        f"{purchases.actual:,.0f} purchases since {trained_as_of} where {purchases.expected:,.0f} were expected "
        f"({100 * (purchases.ratio - 1):+.1f} %, 95 % interval {purchases.low:,.0f} to {purchases.high:,.0f})"
    )


def _fit_in_words(fit: FitDrift) -> str:
    drifted = "has drifted" if fit.is_beyond else "has not drifted notably"
    return (
        f"the log-likelihood per customer {drifted} ({fit.drift:+.3f}, standard error {fit.error:.3f}, notable from "
        f"{fit.notable:.3f})"
    )


def _by_clock(change: Change, clock: Clock, trained_as_of: date, as_of: date) -> Change:
    """Return the same histories with their times by the clock."""
    t_x, T = clock.times(day_number(as_of), change.now.t_x, change.now.T)
    now = Histories(change.now.x, t_x, T)
    t_x, T = clock.times(day_number(trained_as_of), change.then.t_x, change.then.T)
    return replace(change, then=Histories(change.then.x, t_x, T), now=now)


def _notes(
    training: TrainingFit, existing: int, fit: FitDrift | None, purchases: PurchaseTracking, *, has_clock: bool
) -> list[str]:
    notes = []
    differs = abs(existing - training.customers) > SAME_DATA * training.customers
    if fit is not None:
        differs |= abs(fit.at_training - training.log_likelihood_per_customer) > SAME_DATA
    if differs:
        likelihood = "" if fit is None else f" (log-likelihood {fit.at_training:.3f} a customer)"
        notes.append(
            f"These data are not those of the training: {existing:,} customers before {training.as_of}{likelihood}, "
            f"where the training had {training.customers:,} ({training.log_likelihood_per_customer:.3f}). The figures "
            "compare with the data given."
        )
    if purchases.is_beyond and not has_clock:
        notes.append("The drift is measured without seasons: a seasonal change of purchases looks the same.")
    if training.log_covariance is None:
        notes.append("The scorer does not hold the covariance of its parameters, so the interval is too narrow.")
    return notes
