"""Each kind of file that reads without complaint and means something else is told, with the line that mends it."""

import tomllib
from pathlib import Path

import pytest

from data.intake.reading.expressions import in_expression
from features.tables import open_tables
from flows.settings import Settings
from flows.steps.findings.everything import find_what_looks_wrong
from flows.steps.findings.finding import join_lines
from flows.steps.inputs import read_inputs
from flows.steps.overview import describe_sales

PLAIN = "customer_id,ts,amount\n" + "".join(f"c{k},2024-01-{k + 1:02},{k + 5}.50\n" for k in range(25))


@pytest.fixture
def findings(tmp_path):
    def find(transactions, answers=None, **settings):
        files = {"transactions": transactions} | ({"answers": answers} if answers else {})
        for name, text in files.items():
            (tmp_path / f"{name}.csv").write_text(text)
        named = Settings(**{name: [str(tmp_path / f"{name}.csv")] for name in files}, **settings)
        intake = read_inputs(named, Path(tmp_path / "clean"))
        tables = open_tables(tmp_path / "clean")
        return find_what_looks_wrong(intake, named, describe_sales(tables.transactions), tables), intake

    return find


def mended(findings, found, **settings):
    """Read the file again with the settings that a finding names, as one pastes them."""
    pasted = tomllib.loads(found.text.partition("revealed.toml:\n")[2])
    return findings(mended.text, mended.answers, **{**settings, **pasted})


@pytest.fixture(autouse=True)
def no_answers():
    mended.answers = None


def only(found):
    assert len(found) == 1, [each.text for each in found]
    return found[0]


def total(intake):
    return float(open_tables(intake.folder).transactions.amount.sum().to_pyarrow().as_py())


def test_plain_sales_have_nothing_wrong(findings):
    assert findings(PLAIN)[0] == []


@pytest.mark.parametrize(
    ("text", "says", "before", "after"),
    [
        (  # 30, 30 | 50, 50, 50 | 9: the lines make 30 + 50 + 9
            "customer_id,ts,amount,order_id,quantity,unit price\n"
            "a,2024-01-01,30,1,1,10\na,2024-01-01,30,1,2,10\n"
            "b,2024-01-02,50,2,1,20\nb,2024-01-02,50,2,1,20\nb,2024-01-02,50,2,2,5\nc,2024-01-03,9,3,1,9\n",
            "every line of 2 of 2 orders",
            219,
            89,
        ),
        (
            "customer_id,ts,amount,order_id,item\na,2024-01-01,30,1,x\na,2024-01-01,30,1,y\n"
            "b,2024-01-02,50,2,x\nb,2024-01-02,50,2,y\nb,2024-01-02,50,2,z\nc,2024-01-03,9,3,x\n",
            "every line of 2 of 2 orders with several lines. If it is the total",
            219,
            89,
        ),
        (
            "customer_id,ts,amount,Financial Status\na,2024-01-01,10,paid\nb,2024-01-02,20,refunded\n"
            "c,2024-01-03,40,Paid\nd,2024-01-04,80,voided\n",
            "holds Paid (1), paid (1), refunded (1), voided (1)",
            150,
            50,
        ),
        (
            "customer_id,ts,amount,статус\na,2024-01-01,10,оплачен\nb,2024-01-02,20,отменен\n",
            "The column статус holds",
            30,
            10,
        ),
        (
            "customer_id,ts,amount,quantity\na,2024-01-01,10,2\nb,2024-01-02,4,-1\nc,2024-01-03,5,1\n",
            "negative quantity and a positive amount: 1",
            19,
            11,
        ),
        (
            "customer_id,ts,amount\na,2024-01-01,10\nb,1900-01-01,4\nc,2024-01-03,5\n",
            "The first day is 1900-01-01",
            19,
            15,
        ),
        (
            "customer_id,ts,amount,order_id\nc,2024-01-01,1250,ch_1\nc,2024-01-02,900,ch_2\nd,2024-01-02,100,in_3\n",
            "ids are those of a payment system that counts in cents",
            2250,
            22.5,
        ),
        (
            "id,customer_id,ts,amount\npi_1,c,2024-01-01,1250\npi_2,c,2024-01-02,900\npi_3,d,2024-01-02,100\n",
            "ids are those of a payment system that counts in cents",
            2250,
            22.5,
        ),
        ("customer_id,ts,Amount (cents)\nc,2024-01-01,1250\nc,2024-01-02,900\n", "the column is named so", 2150, 21.5),
        (
            "customer_id,ts,amount,Status\na,2024-01-01,10,wc-completed\nb,2024-01-02,20,wc-cancelled\n"
            "c,2024-01-03,40,wc-processing\nd,2024-01-04,80,wc-on-hold\n",
            "The column Status holds",
            150,
            50,
        ),
        (
            "customer_id,ts,amount,order status\na,2024-01-01,10,Unterwegs\nb,2024-01-02,20,Storniert\n",
            "The column order status holds",
            30,
            10,
        ),
        (
            "customer_id,ts,amount\na,15.01.2024,10\nb,01.01.1900,4\nc,16.01.2024,5\n",
            "The first day is 1900-01-01",
            19,
            15,
        ),
        (
            "customer_id,ts,amount\nAnna,2024-01-15,10\nanna,2024-01-16,4\n1.0,2024-01-17,5\n1,2024-01-17,5\n",
            "1 ids of customers equal another one but for a .0 at the end: '1' and '1.0'",
            24,
            24,
        ),
        (
            "customer_id,ts,amount,Type\na,2024-01-15,10,charge\na,2024-01-16,-4,refund\nb,2024-01-17,-6,payout\n",
            "The column Type holds payout (1)",
            0,
            6,
        ),
        (
            "customer_id,ts,amount\nAnna,2024-01-15,10\nanna,2024-01-16,4\n",
            "1 ids of customers equal another one but for the case of letters: 'Anna' and 'anna'",
            14,
            14,
        ),
        (PLAIN + "z,2024-02-01,99999\n", "One order has a total of 99,999.00, which is 5,556 times", 100436.5, 437.5),
    ],
)
def test_what_looks_wrong_is_told_and_the_lines_mend_it(findings, text, says, before, after):
    mended.text = text
    columns = {"transactions": {"amount": "Amount (cents)"}} if "(cents)" in text else {}
    found, intake = findings(text, columns=columns)
    assert total(intake) == before
    finding = next(each for each in found if says in each.what)
    again, intake = mended(findings, finding, columns=columns)
    assert total(intake) == after
    assert not any(says.split(" (")[0] in each.what for each in again)


def test_zero_amounts_are_told_from_five_percent_on_and_left_out(findings):
    text = PLAIN + "z,2024-02-01,0\n"
    assert findings(text)[0] == []
    text += "y,2024-02-01,0\n"
    finding = only(findings(text)[0])
    assert "2 of 27 lines (7.4 %)" in finding.what
    mended.text = text
    found, intake = mended(findings, finding)
    assert (found, intake.tables["transactions"].rows_read) == ([], 25)


def test_a_condition_joins_the_one_that_is_set(findings):
    text = PLAIN + "z,2024-02-01,0\ny,2024-02-01,0\n"
    finding = only(findings(text, formats={"transactions": {"rows": "customer_id <> 'c1'"}})[0])
    assert finding.values == {"rows": "(customer_id <> 'c1') and amount <> 0"}


def test_files_with_settings_of_their_own_are_told_until_their_section_says_which_rows_count(findings):
    text = "customer_id,ts,amount,Status\na,2024-01-01,10,paid\nb,2024-01-02,20,void\n"
    sold, own = {"rows": "Status = 'paid'"}, 'files.transactions."transactions.csv"'
    first = only(findings(text, files={"transactions": {"transactions.csv": {}}})[0])
    assert first.section == "formats.transactions"
    assert f"needs these lines in its own section, too: [{own}]. Put" in first.text
    # What stands for all files does not hold for this one.
    general = {"formats": {"transactions": sold}}
    found, intake = findings(text, files={"transactions": {"transactions.csv": {}}}, **general)
    assert (only(found).section, only(found).values, total(intake)) == (own, sold, 30)
    found, intake = findings(text, files={"transactions": {"transactions.csv": sold}}, **general)
    assert (found, total(intake)) == ([], 10)


def test_the_lines_of_all_findings_are_one_piece_of_toml_that_mends_them_together(findings):
    text = (
        "customer_id,ts,amount,Status,order_id\nAnn,2024-01-01,1000,paid,ch_1\nann,2024-01-02,2000,void,ch_2\n"
        "b,1900-01-01,400,paid,ch_3\nc,2024-01-04,500,paid,ch_4\n"
    )
    found, _ = findings(text)
    assert len(found) == 4
    again, intake = findings(text, **tomllib.loads(join_lines(found)))
    assert again == []
    clean = open_tables(intake.folder).transactions.select("customer_id", "amount").to_pandas()
    assert [(who, float(amount)) for who, amount in clean.to_numpy()] == [("ann", 10), ("c", 5)]


def test_a_placeholder_after_1990_is_told_by_its_distance_and_old_sales_are_not(findings):
    assert "The first day is 2001-01-01" in only(findings(PLAIN + "z,2001-01-01,9\n")[0]).what
    assert findings(PLAIN + "z,2020-01-01,9\n")[0] == []


def test_repeated_lines_are_told(findings):
    lines = PLAIN.splitlines(keepends=True)
    mended.text = PLAIN + "".join(lines[1:4])
    finding = only(findings(mended.text)[0])
    assert "3 of 28 rows (10.7 %) equal another row" in finding.what
    found, intake = mended(findings, finding)
    assert (found, intake.tables["transactions"].rows_valid) == ([], 25)
    # Two items at one price are alike where the item is not read.
    skus = "".join(f"{line},s{k}\n" for k, line in enumerate(PLAIN.splitlines()[1:4] * 9))
    assert "SKU, which is not read" in only(findings("customer_id,ts,amount,SKU\n" + skus)[0]).what


def test_a_customer_with_a_tenth_of_all_is_told_where_there_are_enough_customers(findings):
    finding = only(findings(PLAIN + "guest's,2024-02-01,200\n")[0])
    assert "The customer guest's makes 31.4 % of the total" in finding.what
    assert finding.values == {"rows": "customer_id <> 'guest''s'"}
    few = "customer_id,ts,amount\na,2024-01-01,10\nb,2024-01-02,20\n"
    assert findings(few)[0] == []


def test_the_price_of_a_piece_is_no_amount_of_a_line(findings):
    text = "customer_id,ts,Unit Price,quantity\na,2024-01-01,10,2\nb,2024-01-02,4,1\n"
    finding = only(findings(text, columns={"transactions": {"amount": "Unit Price"}})[0])
    assert finding.values == {"amount": 'quantity * "Unit Price"'}


ANSWERS = "customer_id,answered_at,score\n"
BOUGHT = PLAIN + "".join(f"c{k},2023-12-{k + 1:02},1.50\n" for k in range(25))


def test_scores_to_five_without_a_scale_are_told_and_the_lines_set_it(findings):
    text = ANSWERS + "".join(f"c{k},2024-03-{k + 1:02},{k % 5 + 1}\n" for k in range(10))
    mended.text, mended.answers = BOUGHT, text
    finding = only(findings(BOUGHT, text)[0])
    assert "No score of the 10 answers to nps is above 5" in finding.what
    found, intake = mended(findings, finding)
    assert found == []
    scales = open_tables(intake.folder).answers.select("scale_low", "scale_high").distinct().to_pandas()
    assert scales.to_numpy().tolist() == [[1, 5]]
    assert findings(BOUGHT, text + "c11,2024-03-20,9\n")[0] == []


def test_many_answers_of_one_customer_are_told_and_left_out(findings):
    own = "".join(f"c1,2024-03-{k + 1:02},10\n" for k in range(10))
    mended.text, mended.answers = BOUGHT, ANSWERS + own + "".join(f"c{k},2024-03-01,9\n" for k in range(2, 20))
    finding = only(findings(BOUGHT, mended.answers)[0])
    assert "The customer c1 gave 10 of the 28 answers to nps." in finding.what
    found, intake = mended(findings, finding)
    assert (found, intake.tables["answers"].rows_valid) == ([], 18)


def test_answers_that_are_repeated_are_told_and_count_once(findings):
    mended.text, mended.answers = BOUGHT, ANSWERS + "c1,2024-03-01,9\n" * 2 + "c2,2024-03-01,9\nc3,2024-03-01,2\n"
    finding = only(findings(BOUGHT, mended.answers)[0])
    assert "answers: 1 of 4 rows (25.0 %) equal another row" in finding.what
    found, intake = mended(findings, finding)
    assert (found, intake.tables["answers"].rows_valid) == ([], 3)


def test_answers_that_nothing_can_be_learned_from_are_counted_with_why(findings):
    # c1 bought on 2023-12-02 first; c0 on the day before.
    text = ANSWERS + "c1,2023-12-02,9\nc1,2023-12-03,9\nc0,2023-12-03,9\nnew,2024-01-09,8\n"
    found, _ = findings(BOUGHT, text.replace("new", "c2"))
    finding = only(found)
    assert "2 of the 4 answers to nps cannot be learned from: 2 were asked for before or on the day of" in finding.what
    gap = only(findings(BOUGHT, text.replace("new", "c2"), label_gap_days=1)[0])
    assert "3 of the 4 answers to nps cannot be learned from: 2 were asked" in gap.what
    assert "1 were asked for within label_gap_days after the first purchase" in gap.what


def test_ids_that_a_spreadsheet_has_rounded_are_told(findings):
    text = "customer_id,ts,amount\n1.2E+05,2024-01-01,5\n1.2E+05,2024-02-01,6\nE+05,2024-01-01,5\n"
    assert "2 lines have an id of the customer such as 1.2E+05" in only(findings(text)[0]).what


def test_customers_who_all_have_one_order_are_told(findings):
    text = "customer_id,ts,amount\n" + "".join(f"{k},2024-01-{k % 28 + 1:02},{k + 5}.50\n" for k in range(50))
    assert "Each of the 50 customers has one order." in only(findings(text)[0]).what


def test_a_name_is_quoted_where_sql_needs_it():
    assert [in_expression(name) for name in ("amount", "Order total", "from", 'a"b', "статус")] == [
        "amount",
        '"Order total"',
        '"from"',
        '"a""b"',
        "статус",
    ]
