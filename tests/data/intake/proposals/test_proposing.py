"""What is proposed for small files, each of which shows one thing."""

import duckdb
import pytest

from data.intake.casting import create_macros
from data.intake.proposals.joining import join_customers
from data.intake.proposals.opening import open_file
from data.intake.proposals.proposing import propose
from data.intake.reading.encodings import propose_encodings
from data.intake.rules import Rules
from data.intake.sources import File


@pytest.fixture
def proposed(write, tmp_path):
    """Write a file and return its proposal, with its lines by setting."""

    def proposer(text, name="input.csv", encoding="utf-8"):
        path = write(text.encode(encoding), name)
        with duckdb.connect() as connection:
            create_macros(connection, Rules())
            proposal = propose(connection, open_file(connection, File("init", name, path), "raw_0", tmp_path))
        return proposal, {line.key: line.value for line in proposal.lines}

    return proposer


def rows(pattern, count=40):
    return "".join(pattern.format(k=k, c=k % 7, n=k % 3 + 1, m=k % 12 + 1, d=k % 28 + 1) + "\n" for k in range(count))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "Date;Client;Montant TTC\n" + rows("2024-{m:02}-{d:02};c{c};{k},50"),
            {"customer_id": "Client", "amount": "Montant TTC"},
        ),
        (
            "CustomerID,InvoiceDate,Total Amount (incl. VAT)\n" + rows("{c},2024-{m:02}-{d:02},£{k}.50"),
            {"ts": "InvoiceDate", "amount": "Total Amount (incl. VAT)"},
        ),
        (
            "LOYALTY_NO|TRX_NO|TRX_DATE|NET_AMT\n" + rows("{c}|{k}|2024{m:02}{d:02}|{k}.50"),
            {"customer_id": "LOYALTY_NO", "order_id": "TRX_NO", "ts": "TRX_DATE", "amount": "NET_AMT"},
        ),
        (
            "Kd-Nr;Rg-Datum;Rg-Nr;Netto CHF\n" + rows("{c};{d}.{m}.2024;{k};{n}'000.50"),
            {"customer_id": "Kd-Nr", "ts": "Rg-Datum", "order_id": "Rg-Nr", "amount": "Netto CHF"},
        ),
        (
            "会员号,下单时间,实付金额\n" + rows("{c},2024-{m:02}-{d:02} 10:00:00,¥{k}.50"),
            {"customer_id": "会员号", "ts": "下单时间", "amount": "实付金额"},
        ),
        (
            "会员卡号,销售时间,实收金额\n" + rows("{c},2024年{m:02}月{d:02}日 10:00,¥{k}.50"),
            {"customer_id": "会员卡号", "ts": "销售时间", "amount": "实收金额"},
        ),
        (
            "Покупатель;Дата продажи;Сумма, руб.\n" + rows("Иванов {c};{d:02}.{m:02}.2024;{k},50"),
            {"customer_id": "Покупатель", "ts": "Дата продажи", "amount": "Сумма, руб."},
        ),
        (
            "client,date,qty,unit price,line total\n" + rows("c{c},2024-{m:02}-{d:02},{n},2.50,{n}.00"),
            {"customer_id": "client", "ts": "date", "quantity": "qty"},
        ),
        ("client,date,qty,unit price\n" + rows("c{c},2024-{m:02}-{d:02},{n},2.50"), {"amount": 'qty * "unit price"'}),
    ],
)
def test_columns_are_found_by_names_and_contents(proposed, text, expected):
    proposal, lines = proposed(text)
    assert proposal.table == "transactions"
    assert {name: lines.get(name) for name in expected} == expected


def test_a_total_that_is_quantity_times_price_is_the_amount_of_the_line(proposed):
    lines = "".join(f"c{k % 7},2024-01-{k % 28 + 1:02},{k % 3 + 1},2.5,{2.5 * (k % 3 + 1)},x{k}\n" for k in range(40))
    proposal, found = proposed("client,date,qty,price,price total,order no\n" + lines)
    assert found["amount"] == '"price total"'
    assert "equals qty times price in 100% of the rows" in " ".join(line.reason for line in proposal.lines)


def test_the_total_of_an_order_on_each_of_its_lines_counts_once(proposed):
    lines = "".join(
        f"{k // 2},c{k // 2 % 7},2024-01-{k // 2 % 28 + 1:02},{k // 2 + 1}.50,item{k % 5}\n" for k in range(60)
    )
    _, found = proposed("order,email,date,order total,product\n" + lines)
    assert (found["amount"], found["repeated"]) == ("order total", "drop")
    _, found = proposed(
        "order,email,date,order total,position\n"
        + "".join(
            f"{k // 2},c{k // 2 % 7},2024-01-{k // 2 % 28 + 1:02},{k // 2 + 1}.50,{k % 2 + 1}\n" for k in range(60)
        )
    )
    assert found["rows"] == '"position" = 1' or found["rows"] == "position = 1"


def test_money_without_a_name_is_asked_for_and_never_left_out(proposed):
    proposal, found = proposed("client,date,x1,x2\n" + rows("c{c},2024-{m:02}-{d:02},{k}.25,{n}.75"))
    (question,) = proposal.questions
    assert not question.decided
    assert [choice.meaning for choice in question.choices] == ["x1", "x2"]
    assert "amount" not in found


@pytest.mark.parametrize(
    ("days", "form"),
    [
        ([f"{d:02}/{m:02}/2023" for m in range(1, 13) for d in range(1, 13)], "%d/%m/%Y"),
        ([f"{m:02}/{d:02}/2023" for m in range(1, 13) for d in range(1, 13)], "%m/%d/%Y"),
    ],
)
def test_the_order_of_rows_tells_the_day_from_the_month(proposed, days, form):
    proposal, found = proposed("client,date,total\n" + "".join(f"c{k % 5},{day},{k}.5\n" for k, day in enumerate(days)))
    assert found["time_format"] == form
    assert not proposal.questions


def test_a_title_above_and_totals_below_are_left_out(proposed):
    text = "Sales report\n;;\n\nКлиент;Дата;Сумма\n" + rows("К{c};{d:02}.{m:02}.2024;{k},50") + "Итого:;;820,00\n"
    _, found = proposed(text, encoding="cp1251")
    assert (found["header_line"], found["encoding"]) == (4, "cp1251")
    assert found["rows"] == "coalesce(Клиент, '') not in ('Итого:')"


def test_tests_and_what_is_not_paid_are_left_out_by_their_flags(proposed):
    text = "user_id,created_at,total,is_test,paid\n" + rows("u{c},2024-{m:02}-{d:02},{k}.5,{n},yes")
    text = text.replace(",1,yes", ",true,yes").replace(",2,yes", ",false,no").replace(",3,yes", ",false,yes")
    _, found = proposed(text)
    assert found["rows"] == "(not coalesce(is_test = 'true', false)) and (paid = 'yes')"


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Nº Pedido;Importe\n1;6.545,78 €\n2;1.154,32 €\n", "iso8859_15"),
        ("Nº Pedido;Importe\n1;6.545,78 €\n2;1.154,32 €\n", "cp1252"),
        ("Клиент;Сумма\nИванов;12,50\n", "koi8_r"),
        ("Клиент;Сумма\nИванов;12,50\n", "cp1251"),
        ("客户;金额\n张三;12.50\n", "gb18030"),
        ("顧客;金額\n山田;12.50\n", "cp932"),
        ("Πελάτης;Ποσό\nΜαρία;12,50 €\n", "cp1253"),
    ],
)
def test_a_few_words_tell_the_encoding(text, encoding):
    assert next(iter(propose_encodings(text.encode(encoding)))) == encoding


def test_files_are_joined_by_the_column_that_both_know(write, tmp_path):
    sales = write("client id,email,date,total\n" + rows("{c},a{c}@x.com,2024-{m:02}-{d:02},{k}.5"), "sales.csv")
    survey = write(
        "customer,date,score,email\n" + "".join(f"Anna {k},2024-05-0{k + 1},{k},A{k}@x.com\n" for k in range(7))
    )
    with duckdb.connect() as connection:
        create_macros(connection, Rules())
        files = [File("init", path.name, path) for path in (survey, sales)]
        opened = [open_file(connection, file, f"raw_{k}", tmp_path) for k, file in enumerate(files)]
        answers, transactions = join_customers(connection, [propose(connection, each) for each in opened])
    named = [next(line for line in each.lines if line.key == "customer_id") for each in (answers, transactions)]
    assert [line.value for line in named] == ["email", "email"]
    assert "100% of the customers are the same by 'email'" in named[0].reason


def test_days_without_a_year_get_that_of_the_line_above_or_are_asked(proposed):
    names = "Umsatz (ohne Soll/Haben-Kz);Soll/Haben-Kennzeichen;Konto;Belegdatum;Belegfeld 1\n"
    table = names + rows("{k},50;S;1000{c};{d:02}{m:02};R{k}")
    head = "EXTF;700;21;Buchungsstapel;13;20240731;;RE;;;12345;10001;20230701;4;20230701;20240630\n"
    proposal, lines = proposed(head + table)
    assert lines["ts"].startswith("case when right(right('0' || Belegdatum, 4), 2) >= '07' then '2023' else '2024' end")
    assert [str(day)[:7] for day in proposal.days] == ["2023-07", "2024-06"]
    proposal, lines = proposed(table)
    (question,) = proposal.questions
    assert question.what.endswith("and no year. Which year is it?")
    assert not question.decided


def test_amounts_of_returns_without_a_sign_are_negative_and_those_with_one_stay(proposed):
    text = "Date,Customer,Type,Total\n"
    _, lines = proposed(text + rows("2024-{m:02}-{d:02},c{c},Sale,{k}.50") + "2024-03-01,c1,Refund,1.50\n")
    assert lines["amount"] == "case when Type in ('Refund') then -(Total) else Total end"
    _, lines = proposed(text + rows("2024-{m:02}-{d:02},c{c},Sale,{k}.50") + "2024-03-01,c1,Refund,-1.50\n")
    assert lines["amount"] == "Total"


def test_a_report_that_names_no_buyers_is_told_so(proposed):
    names = "Предмет;Код номенклатуры;Вайлдберриз реализовал Товар (Пр);Дата продажи\n"
    proposal, _ = proposed(names + rows("Чай;{k};{k}.50;2024-{m:02}-{d:02}"))
    assert proposal.table == ""
    assert "names no buyers" in proposal.reason
