"""Where a customer is named in texts, pages and JSON: rows go, names in sentences are replaced, figures stay."""

import html

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.pseudonyms import clean_id
from models.registry.privacy.customer import GONE, Customer

WORD, NUMBER = Customer(frozenset({"BIG1"})), Customer(frozenset({"1234"}))


def test_rows_of_tables_go_and_names_in_sentences_are_replaced():
    head = "| customer | value |\n| --- | --: |\n"
    text = f"{head}| BIG1 | 5 |\n| BIG10 | 6 |\n\nCustomer BIG1 makes 40 %; BIG10 does not.\n"
    assert WORD.out_of_text(text) == (
        f"{head}| BIG10 | 6 |\n\nCustomer {GONE} makes 40 %; BIG10 does not.\n",
        2,
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("Customer 1234 makes 12 %.", f"Customer {GONE} makes 12 %."),
        ("rows = \"customer_id <> '1234'\"", f"rows = \"customer_id <> '{GONE}'\""),
        ("without 1234, 1234 orders", f"without {GONE}, 1234 orders"),
        ("1234 orders of 1,234 and 51234", "1234 orders of 1,234 and 51234"),
        ("Customer 1234.5", "Customer 1234.5"),
    ],
)
def test_a_number_is_a_customer_only_where_a_customer_stands(text, told):
    assert NUMBER.out_of_text(text)[0] == told


def test_of_a_page_rows_go_and_tags_stay():
    page = '<table class="BIG1"><tr><td>BIG1</td><td>5</td></tr><tr><td>x</td></tr></table><p>Customer BIG1</p>'
    assert WORD.out_of_page(page) == (
        f'<table class="BIG1"><tr><td>x</td></tr></table><p>Customer {GONE}</p>',
        2,
    )


@given(st.text(st.characters(codec="utf-8"), min_size=1).map(clean_id).filter(bool))
def test_of_a_page_an_id_with_any_signs_goes(name):
    page = f"<table><tr><td>{html.escape(name)}</td></tr><tr><td>other than {html.escape(name)}s</td></tr></table>"
    assert Customer(frozenset({name})).out_of_page(page)[0].count("<tr>") == 1


def test_of_json_elements_that_name_the_customer_go():
    value = {
        "lists": [{"customer": "BIG1", "value": 5}, {"customer": "x", "value": 6}],
        "data": [["BIG1", 1], ["y", 2]],
    }
    value["verdict"] = "without BIG1"
    told, places = WORD.out_of_json(value)
    assert told == {
        "lists": [{"customer": "x", "value": 6}],
        "data": [["y", 2]],
        "verdict": f"without {GONE}",
    }
    assert places == 3


def test_an_id_is_known_as_it_came_too():
    whom = Customer(frozenset({"=c1"}), id_case="fold")
    assert all(whom.is_named_by(cell) for cell in ("=c1", "=C1", " =C1 ", "'=c1"))
    assert not any(whom.is_named_by(cell) for cell in ("c1", None, 5))
