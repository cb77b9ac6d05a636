"""Ids that are one but for how they are written: told with the setting, which acts on all tables alike."""

import pytest

from data.errors import RefusedError
from data.intake.report import AlikeIds

SALES = "customer_id,ts,amount,order_id\nAnna,2024-01-01,1,O1\nanna,2024-01-02,2,o1\n1001.0,2024-01-03,3,7.0\n"
SALES += "1001,2024-01-04,4,7\n007.00,2024-01-05,5,x.0\n1.50,2024-01-06,6,\n"
TABLES = {
    "customers": "customer_id,region\nANNA,north\n1001.00,south\n",
    "answers": "customer_id,answered_at,score\naNNa,2024-02-01,9\n1001.0,2024-02-02,3\n007,2024-02-03,5\n",
    "events": "customer_id,ts,kind\nANNA,2024-02-01,Visit\n1001,2024-02-02,1.0\n007.0,2024-02-03,visit\n",
}
FOLD, DROP = {"id_case": "fold"}, {"id_point_zero": "drop"}


def test_ids_are_told_with_the_setting_and_kept_as_they_are(take):
    taken = take(SALES, **TABLES)
    assert taken.rows("transactions", "customer_id")[:4] == ["Anna", "anna", "1001.0", "1001"]
    assert taken.intake.alike_ids == (
        AlikeIds("id_case", "fold", 2, ("ANNA", "anna"), 1),
        AlikeIds("id_point_zero", "drop", 2, ("1001", "1001.00"), 2),
    )


def test_the_settings_join_all_tables(take):
    taken = take(SALES, FOLD | DROP, **TABLES)
    assert taken.rows("transactions", "customer_id") == ["anna", "anna", "1001", "1001", "007", "1.50"]
    assert taken.rows("transactions", "order_id") == ["o1", "o1", "7", "7", "x.0", None]
    assert taken.rows("customers", "customer_id") == ["anna", "1001"]
    assert taken.rows("answers", "customer_id") == ["anna", "1001", "007"]
    # Kinds of events are no ids.
    assert taken.rows("events", "customer_id, kind") == [("anna", "Visit"), ("1001", "1.0"), ("007", "visit")]
    assert (taken.intake.alike_ids, taken.reasons("answers")) == ((), {})


def test_each_setting_does_its_own(take):
    assert {each.setting for each in take(SALES, FOLD).intake.alike_ids} == {"id_point_zero"}
    assert take(SALES, DROP).rows("transactions", "customer_id")[:3] == ["Anna", "anna", "1001"]


def test_letters_are_one_in_any_unicode_form(take):
    sales = "customer_id,ts,amount\nÉva,2024-01-01,1\nE\u0301VA,2024-01-02,2\n\u00a0éva ,2024-01-03,3\n"
    assert set(take(sales, FOLD).rows("transactions", "customer_id")) == {"éva"}
    assert take(sales).intake.alike_ids[0].ids == 2


def test_too_many_unknown_customers_name_the_setting_that_knows_them(take):
    answers = "customer_id,answered_at,score\n1001.0,2024-02-01,9\n1002.0,2024-02-01,9\nx,2024-02-01,9\n"
    sales = "customer_id,ts,amount\n1001,2024-01-01,1\n1002,2024-01-01,1\nx,2024-01-01,1\n"
    with pytest.raises(
        RefusedError, match=r"2 of these rows have an id that equals a known one but for a \.0"
    ) as error:
        take(sales, {"quarantine_limit": 0.05}, answers=answers)
    assert str(error.value).endswith('Put at the top of revealed.toml:\nid_point_zero = "drop"')


@pytest.mark.parametrize("cell", ["", "NA", r"\N", "#N/A", "null", "NULL", "-", " None ", "n/a", "nan"])
def test_what_stands_for_nothing_is_no_id_amount_or_score(take, cell):
    taken = take(
        f"customer_id,ts,amount\nA,2024-01-01,1\n{cell},2024-01-01,2\nB,2024-01-01,{cell}\n",
        answers=f"customer_id,answered_at,score,invited_at\nA,2024-02-01,{cell},2024-01-31\n{cell},2024-02-01,9,\n",
    )
    assert taken.rows("transactions", "customer_id") == ["A"]
    assert taken.reasons("answers") == {"customer_id is missing": 1}
    # An invitation without a score is one that nobody answered.
    assert taken.rows("answers", "customer_id, score") == [("A", None)]


def test_sales_to_guests_name_the_limit(take):
    sales = "customer_id,ts,amount\nA,2024-01-01,1\nB,2024-01-01,1\n,2024-01-01,5\n"
    with pytest.raises(RefusedError, match="such as those to guests, belong to nobody who can be scored") as error:
        take(sales, {"quarantine_limit": 0.05})
    assert str(error.value).endswith("[quarantine_limit]\ntransactions = 0.35")
    assert take(sales, {"quarantine_limit": {"transactions": 0.35}}).reasons() == {"customer_id is missing": 1}
