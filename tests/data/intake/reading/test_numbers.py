import tomllib
from decimal import Decimal

import pytest

from data.errors import InputError


def amounts(take, *cells, **options):
    rows = "".join(f"A;2024-01-02;{cell}\n" for cell in cells)
    return take(f"customer_id;ts;amount\n{rows}", **options)


def to_paste(error):
    return tomllib.loads(str(error.value).split("Put into revealed.toml:\n")[1])


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (["€ 12,50", "3 €"], ["12.5", "3"]),
        (["12.50 USD", "USD 3", "usd 4.5"], ["12.5", "3", "4.5"]),
        (["£1,000.10", "-£3", "£-4"], ["1000.1", "-3", "-4"]),
        (["12,50 kr", "3 kr."], ["12.5", "3"]),
        (["150,00 Kč", "99,90 Kč"], ["150", "99.9"]),
        (["1 869,58", "1\u00a0869,58", "1\u202f869,58", "12 345 678"], ["1869.58"] * 3 + ["12345678"]),
        (["1.081,53", "12"], ["1081.53", "12"]),
        (["2,230.64", "65,060"], ["2230.64", "65060"]),
        (["1'234.50", "1’234.50"], ["1234.5", "1234.5"]),
        (["12,34,567.50", "9.9"], ["1234567.5", "9.9"]),
        (["(12.50)", "12.50-", "−12.50", "- 12.50", "(€12.50)"], ["-12.5"] * 5),
        (["12,5", "65.060", "1"], ["12.5", "65060", "1"]),
        (["12.5", "65.060", "1"], ["12.5", "65.06", "1"]),
        (["0.125", "1.250"], ["0.125", "1.25"]),
        (["1,234,567", "900"], ["1234567", "900"]),
        (["1 000", "900"], ["1000", "900"]),
        (["12.-", "CHF 1'012.–", "12.50", "7.50-"], ["12", "1012", "12.5", "-7.5"]),
        (["12,-- €", "1.012,- €", "12,50"], ["12", "1012", "12.5"]),
    ],
)
def test_amounts_are_read_as_the_column_tells(take, cells, expected):
    taken = amounts(take, *cells)
    assert taken.rows("transactions", "amount") == [Decimal(each) for each in expected]
    assert taken.reasons() == {}


def test_what_was_found_is_said(take):
    (note,) = amounts(take, "€ 1.081,53", "(2,50)").intake.notes
    assert note == (
        "transactions.amount was read with a decimal comma; thousands are set apart by '.'; EUR beside the numbers was "
        "taken off; 1 in parentheses or with a minus behind are negative."
    )
    assert amounts(take, "1081.53", "-2.5", "7").intake.notes == ()


@pytest.mark.parametrize("cell", ["65,060", "65.060", "€ 65.060"])
def test_three_digits_after_the_only_mark_of_each_amount_are_not_guessed(take, cell):
    with pytest.raises(InputError, match=r"exactly three digits after it, such as .*line 3") as error:
        amounts(take, "900", cell, cell)
    mark = "," if "," in cell else "."
    assert to_paste(error) == {"formats": {"transactions": {"thousands": mark}}}
    assert f'# decimal = "{mark}"' in str(error.value)
    assert amounts(take, cell, thousands=mark).rows("transactions", "amount") == [Decimal(65060)]
    assert amounts(take, cell, decimal=mark).rows("transactions", "amount") == [Decimal("65.06")]


def test_a_number_that_is_no_money_follows_the_amounts_where_it_does_not_tell_itself(take):
    table = "customer_id;ts;amount;quantity\nA;2024-01-02;12,50;1,000\nA;2024-01-02;3;2,500\n"
    assert take(table).rows("transactions", "quantity") == [Decimal(1), Decimal("2.5")]
    with pytest.raises(InputError, match=r"transactions\.quantity: each number"):
        take(table.replace("12,50", "12"))


def test_a_score_has_no_thousands(take):
    taken = take(answers="customer_id;answered_at;score\nA;2024-01-03;9,000\nA;2024-01-04;10\n")
    assert taken.rows("answers", "score") == [9, 10]


def test_two_ways_of_writing_are_refused_with_a_cell_of_each(take):
    with pytest.raises(InputError, match=r"'12\.5' in .*\.csv line 4, and 2 only with .*'12,5' in .* line 3") as error:
        amounts(take, "7", "12,5", "12.5", "1.081,53")
    assert to_paste(error) == {"formats": {"transactions": {"decimal": ","}}}
    taken = amounts(take, "7", "12,5", "12.5", decimal=",")
    assert taken.reasons() == {"amount is not a number": 1}


def test_several_files_are_judged_together(take, write):
    head = "customer_id;ts;amount\n"
    files = [write(f"{head}A;2024-01-02;65.060\n", "1.csv"), write(f"{head}A;2024-01-03;3,50\n", "2.csv")]
    assert sorted(take(files).rows("transactions", "amount")) == [Decimal("3.5"), Decimal(65060)]


def test_amounts_in_several_currencies_are_refused_and_one_is_told(take):
    with pytest.raises(InputError, match=r"2 currencies: '€ 5' \(.* line 2\), '\$6'|'\$6' .*'€ 5'"):
        amounts(take, "€ 5", "$6")
    assert amounts(take, "€ 5", "6 EUR").intake.currency == "EUR"
    assert amounts(take, "5", "EUR 1e2").intake.currency == "EUR"
    with pytest.raises(InputError, match="currency is set to USD, but the transactions are in EUR"):
        take("customer_id,ts,amount\nA,2024-01-02,€5\n", {"currency": "USD"})


def test_cents_are_divided_by_a_hundred_for_money_alone(take):
    table = "customer_id,ts,amount,cost,quantity\nA,2024-01-02,1999,50,3\n"
    taken = take(table, unit="cents")
    assert taken.rows("transactions", "amount, cost, quantity") == [(Decimal("19.99"), Decimal("0.5"), Decimal(3))]
    assert taken.intake.notes == ("transactions: amount, cost was read in cents, and divided by 100.",)


@pytest.mark.parametrize("nothing", ["NA", "\\N", "#N/A", "null", "-", "n/a", "–", "nan"])
def test_what_stands_for_nothing_is_a_missing_id_amount_score_or_time(take, nothing):
    reason = "amount is not a number" if nothing == "nan" else "amount is missing"
    assert amounts(take, "1", nothing).reasons() == {reason: 1}
    assert take(f"customer_id,ts,amount\nA,2024-01-02,1\n{nothing},2024-01-02,1\n").reasons() == {
        "customer_id is missing": 1
    }
    taken = take(answers=f"customer_id,answered_at,score,invited_at\nA,{nothing},{nothing},2024-01-01\n")
    assert taken.rows("answers", "score") == [None]


def test_a_category_may_be_called_na(take):
    assert take("customer_id,ts,amount,category\nA,2024-01-02,1,NA\n").rows("transactions", "category") == ["NA"]


def test_ids_are_trimmed_and_of_one_unicode_form_and_it_is_said(take):
    taken = take("customer_id,ts,amount\n A\u00a0,2024-01-02,1\nZoe\u0308,2024-01-02,1\nB,2024-01-02,1\n")
    assert taken.rows("transactions", "customer_id") == ["A", "Zo\u00eb", "B"]
    assert "customer_id: 2 ids were trimmed" in taken.intake.notes[0]
