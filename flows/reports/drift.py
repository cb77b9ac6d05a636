"""The drift of the scorer's fit in the report of a scoring."""

import pandas as pd

from flows.reports.sections import Section, number
from models.monitoring.drift import Drift
from models.monitoring.drift_figures import FitDrift, PurchaseTracking
from models.stats.normal import ROUNDED_95

_TITLES = {
    "due": "A retrain is due",
    "not due": "No retrain is due",
    "too early": "Is a retrain due? Too early to tell",
    "nothing new": "Is a retrain due? Nothing is new",
    "not available": "Is a retrain due? Not available",
}


def drift_section(drift: Drift) -> Section:
    """Report the verdict, and the figures it is based on."""
    sentences = [drift.why]
    if drift.fit is not None:
        sentences.append(_fit_sentence(drift, drift.fit))
    rows = []
    if drift.fit is not None:
        rows.append(_fit_row(drift.fit))
    if drift.purchases is not None:
        rows.extend(_purchase_rows(drift, drift.purchases))
    table = pd.DataFrame(rows, columns=["since training", "expected", "observed", "95 % interval"]) if rows else None
    return Section(_TITLES[drift.verdict], (*sentences, *drift.notes), table)


def drift_metrics(drift: Drift) -> dict[str, float]:
    """Return the metrics of the run, all finite; figures that do not exist are left out."""
    metrics = {"retrain_due": float(drift.verdict == "due")}
    if drift.trained_as_of is not None:
        metrics["days"] = float(drift.days)
    if drift.fit is not None:
        fit = drift.fit
        metrics |= {
            "log_likelihood": fit.drift,
            "log_likelihood_error": fit.error,
            "log_likelihood_notable": fit.notable,
            "log_likelihood_per_customer": fit.now,
            "log_likelihood_per_customer_expected": fit.expected_now,
            "log_likelihood_per_customer_at_training": fit.at_training,
            "log_likelihood_per_customer_at_training_expected": fit.expected_at_training,
        }
    if drift.purchases is not None:
        purchases = drift.purchases
        metrics |= {
            "purchases": purchases.actual,
            "purchases_expected": purchases.expected,
            "purchases_low": purchases.low,
            "purchases_high": purchases.high,
            "purchases_ratio": purchases.ratio,
        }
    return metrics


def _fit_sentence(drift: Drift, fit: FitDrift) -> str:
    return (
        f"Log-likelihood per customer: {fit.at_training:.3f} at training as of {drift.trained_as_of}, "
        f"{fit.now:.3f} now. Histories simulated from the model at the same ages have {fit.expected_at_training:.3f} "
        f"and {fit.expected_now:.3f}: the likelihood changes as customers age, and only a further change is drift."
    )


def _fit_row(fit: FitDrift) -> tuple[str, str, str, str]:
    expected = fit.now - fit.drift
    low, high = expected - ROUNDED_95 * fit.error, expected + ROUNDED_95 * fit.error
    return "log-likelihood per customer", f"{expected:.3f}", f"{fit.now:.3f}", f"{low:.3f} to {high:.3f}"


def _purchase_rows(drift: Drift, purchases: PurchaseTracking) -> list[tuple[str, str, str, str]]:
    existing = f"of {drift.customers - drift.new_customers:,} existing customers"
    new = f"of {drift.new_customers:,} new customers, after their first"
    return [
        (
            "purchases",
            number(purchases.expected, 0),
            number(purchases.actual, 0),
            f"{purchases.low:,.0f} to {purchases.high:,.0f}",
        ),
        (existing, number(purchases.expected_existing, 0), number(purchases.actual_existing, 0), "–"),
        (new, number(purchases.expected_new, 0), number(purchases.actual_new, 0), "–"),
    ]
