from datetime import date

import numpy as np

from flows.reports.drift import drift_metrics, drift_section
from flows.reports.sections import to_markdown
from models.monitoring.drift import Drift
from models.monitoring.drift_figures import FitDrift, PurchaseTracking

DRIFT = Drift(
    as_of=date(2024, 3, 1),
    verdict="due",
    why="A retrain is due: so it is.",
    trained_as_of=date(2024, 1, 1),
    customers=12_000,
    new_customers=2_000,
    fit=FitDrift(-6.0, -7.2, -6.1, -7.1, error=0.05, notable=0.1),
    purchases=PurchaseTracking(30_000.0, 20_000.0, 400.0, 500.0, error=1000.0),
    notes=("The model knows no seasons.",),
)


def test_the_section_shows_what_the_verdict_stands_on():
    section = drift_section(DRIFT)
    assert section.title == "A retrain is due"
    assert section.sentences[0] == DRIFT.why
    assert "-6.000 at training as of 2024-01-01, -7.200 now" in section.sentences[1]
    assert "at the same ages have -6.100 and -7.100" in section.sentences[1]
    assert section.sentences[2] == "The model knows no seasons."
    # Expected now: the model's own with the excess of the training, 0.1.
    assert section.table.to_numpy().tolist() == [
        ["log-likelihood per customer", "-7.000", "-7.200", "-7.098 to -6.902"],
        ["purchases", "20,500", "30,400", "18,540 to 22,460"],
        ["of 10,000 existing customers", "20,000", "30,000", "–"],
        ["of 2,000 new customers, after their first", "500", "400", "–"],
    ]
    assert "## A retrain is due" in to_markdown("Score", [section])


def test_the_metrics_are_the_figures():
    metrics = drift_metrics(DRIFT)
    assert metrics["retrain_due"] == 1.0
    assert metrics["days"] == 60.0
    np.testing.assert_allclose(
        [
            metrics["log_likelihood"],
            metrics["log_likelihood_per_customer"],
            metrics["purchases_ratio"],
        ],
        [-0.2, -7.2, 30_400 / 20_500],
    )
    assert (metrics["purchases"], metrics["purchases_expected"]) == (30_400.0, 20_500.0)
    assert all(np.isfinite(list(metrics.values())))


def test_without_figures_there_is_the_sentence():
    nothing = Drift(date(2024, 1, 1), "nothing new", "Nothing is new.", date(2024, 1, 1))
    section = drift_section(nothing)
    assert (section.title, section.sentences) == ("Is a retrain due? Nothing is new", ("Nothing is new.",))
    assert section.table is None
    assert drift_metrics(nothing) == {"retrain_due": 0.0, "days": 0.0}
    old = Drift(date(2024, 1, 1), "not available", "It is not.")
    assert drift_metrics(old) == {"retrain_due": 0.0}
    assert drift_section(old).title == "Is a retrain due? Not available"
