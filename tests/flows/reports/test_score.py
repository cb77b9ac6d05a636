"""What a scoring says of the tables that it was not given."""

from datetime import date
from types import SimpleNamespace

import pytest

from flows.reports.score import base_section
from models.scoring.members import CategoryParameters


@pytest.mark.parametrize(
    ("names", "missing_from"),
    [
        (["these", "those"], "the NPS, the second stage and the personas."),
        (["all customers"], "the NPS and the second stage."),
        ([], "the NPS and the second stage."),
    ],
)
def test_what_events_would_have_told_is_missing_from_personas_too(names, missing_from):
    figures = ("expected_purchases", "expected_revenue", "clv", "next_purchase_index", "p_churn")
    nps = CategoryParameters("prior", "No signal was found.")
    personas = SimpleNamespace(names=names) if names else None
    parameters = SimpleNamespace(horizon=90, personas=personas, nps=nps)
    release = SimpleNamespace(as_of=date(2024, 1, 1), parameters=parameters, scorer=SimpleNamespace(has_forecast=True))
    inputs, chosen = SimpleNamespace(as_of=date(2024, 2, 1)), SimpleNamespace(release=release, version=3)
    scored = SimpleNamespace(not_given=("events",), without_behaviour=0, without_purchase=0)
    sentences = base_section(inputs, chosen, scored, 2, dict.fromkeys(figures, 1.5)).sentences
    assert "nps_category is null for everyone: No signal was found." in sentences
    [warning] = [sentence for sentence in sentences if "WARNING" in sentence]
    assert f"is missing from {missing_from}" in warning
