"""One customer's scores as a person reads them."""

import io
import json
from datetime import date

import pytest
from rich.console import Console

from flows.command.published.customer import customer_groups, show_customer

METADATA = {
    "horizon": "90",
    "churn_horizon": "365",
    "clv_horizon": "730",
    "currency": "EUR",
    "nps_question": "nps",
    "scorer_version": "3",
}


@pytest.fixture
def customer():
    """A row of the published table: three days with a purchase, likely to come again."""
    return {
        "customer_id": "[7]",
        "as_of": date(2024, 3, 1),
        "first_purchase": date(2023, 3, 1),
        "last_purchase": date(2024, 2, 28),
        **{"frequency": 2, "recency": 364, "T": 365, "monetary_value": 1234.5},
        **{"p_alive": 0.98765, "p_purchase": 0.6, "expected_purchases": 0.9, "p_churn": 0.1},
        **{"expected_spend": 100.0, "expected_revenue": 90.0, "p_any_revenue": 0.6},
        **{"revenue_low": 0.0, "revenue_high": 310.0, "clv": 400.0, "clv_low": 50.0, "clv_high": 900.0},
        **{"next_purchase_index": 60.0, "next_purchase_index_change": -2.5},
        **{"rfm": "545", "segment": "champions", "segment_before": "loyal", "persona": None},
        **{"p_detractor": 0.2, "p_passive": 0.3, "p_promoter": 0.5, "nps_category": "passive"},
        **{"nps_source": "model", "nps_category_before": "passive", "p_satisfied": None},
        "reasons": json.dumps(
            [
                {"group": "Promoters", "worth": 200.0, "text": "lifetime value of 400.00"},
                {"group": "spend", "points": 8.0, "text": "spend +8 points: net"},
                {"group": "NPS", "points": 18.0, "text": "such behaviour goes with 50 % promoters"},
            ]
        ),
    }


def shown(row):
    page = io.StringIO()
    show_customer(row, METADATA, Console(file=page, width=80))
    return page.getvalue()


def test_every_figure_has_a_group_a_name_and_a_unit(customer):
    assert [line.rstrip() for line in shown(customer).splitlines()] == [
        "Customer [7], as of 2024-03-01, by scorer 3",
        "",
        "Purchases so far",
        "  days with a purchase                 3",
        "  first purchase                       2023-03-01, 365 days ago",
        "  last purchase                        2024-02-28, 1 day ago",
        "  mean value of a repeat purchase      1,234.50 EUR",
        "",
        "The 90 days from 2024-03-01",
        "  any purchase                         60.0 %",
        "  next purchase index                  60.0 (-2.5 since the scores before)",
        "  days with a purchase, expected       0.90",
        "  value of a purchase, expected        100.00 EUR",
        "  revenue, expected                    90.00 EUR   90 % interval 0.00 to 310.00",
        "",
        "Loyalty and lifetime value",
        "  no purchase within 365 days (churn)  10.0 %",
        "  not gone for good                    98.8 %",
        "  lifetime value, 730 days             400.00 EUR   90 % interval 50.00 to 900.00",
        "The interval of the lifetime value is that of what is expected of the customer; what comes varies more.",
        "",
        "The answer to nps",
        "  category                             passive",
        "  detractor, passive, promoter         20.0 %, 30.0 %, 50.0 %",
        "",
        "Segments",
        "  RFM scores                           545",
        "  RFM segment                          champions (before: loyal)",
        "",
        "Reasons",
        "- Promoters (value 200.00 EUR): lifetime value of 400.00",
        "- spend +8 points: net",
        "- NPS: such behaviour goes with 50 % promoters",
    ]


def test_a_mean_above_its_interval_is_explained(customer):
    rare = {"p_purchase": 0.03, "p_any_revenue": 0.03, "expected_revenue": 6.0, "revenue_high": 0.0}
    told = "lies above its interval, as it is a mean: 200.00 EUR with a chance of 3.0 %, else nothing."
    assert told in shown(customer | rare)
    assert "any revenue" not in shown(customer | rare)
    assert "  any revenue                          2.0 %" in shown(customer | rare | {"p_any_revenue": 0.02})
    # A table of an earlier release has no such column.
    assert "200.00 EUR with a chance of 3.0 %" in shown(customer | rare | {"p_any_revenue": None})


@pytest.mark.parametrize(("alive", "told"), [(None, "not to be told"), (1.0, "not to be told"), (0.62, "62.0 %")])
def test_a_single_purchase_is_not_told_as_certainly_alive(customer, alive, told):
    once = customer | {"frequency": 0, "recency": 0, "monetary_value": 0.0, "p_alive": alive, "p_churn": 0.95}
    page = shown(once)
    assert f"  not gone for good                    {told}" in page
    assert "p_alive says little here: judge by churn" in page
    assert "mean value" not in page
    assert "100.0 %" not in page


def test_what_is_nearly_certain_is_not_written_as_certain(customer):
    page = shown(customer | {"p_alive": 0.99999, "p_churn": 1e-6})
    assert "> 99.9 %" in page
    assert "< 0.1 %" in page


def test_without_an_nps_model_the_group_says_so(customer):
    names = ("p_detractor", "p_passive", "p_promoter", "nps_category", "nps_source", "nps_category_before")
    groups = customer_groups(customer | dict.fromkeys(names) | {"reasons": None}, METADATA)
    survey = next(group for group in groups if group.title == "The answer to nps")
    assert survey.figures == ()
    assert survey.notes == ("The scorer holds no NPS model: too few answers were given to it.",)
    assert not groups[-1].notes


def test_where_nothing_tells_the_categories_apart_the_shares_stand_without_a_category(customer):
    page = shown(customer | {"nps_source": "prior", "nps_category": None})
    assert "  detractor, passive, promoter         20.0 %, 30.0 %, 50.0 %" in page
    assert "The shares are those of all answers" in page
    assert "  category" not in page


def test_without_a_purchase_model_its_figures_are_left_open(customer):
    names = ("p_alive", "p_purchase", "expected_purchases", "p_churn", "expected_spend", "expected_revenue", "clv")
    others = ("p_any_revenue", "revenue_low", "revenue_high", "clv_low", "clv_high", "next_purchase_index")
    page = shown(customer | dict.fromkeys((*names, *others, "next_purchase_index_change")))
    assert "The scorer holds no purchase model: it has seen too few repeat purchases to fit one." in page
    assert "None" not in page
    assert "90 % interval" not in page
