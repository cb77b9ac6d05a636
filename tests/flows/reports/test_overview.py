"""What `revealed check` shows of the tables."""

import pytest

SALES = (
    "client,Sold on,amount,Order ID,status,note\n"
    "a,2024-01-01,10,1,paid,\na,2024-01-02,20.5,2,paid,x\nb,2024-01-03,0.1,3,void,\n"
)


@pytest.fixture
def shown(revealed, own_environment):
    (own_environment / "sales.csv").write_text(SALES)
    code, out, _ = revealed(
        *("check", "--transactions", "sales.csv", "--column", "transactions.customer_id=client"),
        *("--column", "transactions.ts=Sold on", "--set", "currency=EUR", "--set", "timezone=Europe/Berlin"),
    )
    assert code == 0
    return out


def test_columns_are_shown_as_they_were_read(shown):
    lines = [line.rstrip() for line in shown.splitlines()]
    told = next(line for line in lines if line.startswith("transactions (UTF-8"))
    assert told.startswith(
        'transactions (UTF-8, separator ","; times ISO; numbers 1234.5): '
        "customer_id = client, ts = Sold on, amount, order_id = Order ID. Not found: "
    )
    assert told.endswith("currency. Of yours, not read: status, note.")


def test_figures_and_first_rows_are_shown(shown):
    lines = [line.rstrip() for line in shown.splitlines()]
    assert "a            2024-01-01 00:00:00   10.00         1" in lines
    assert "customers         2; 3 orders, with 1.00 lines an order" in lines
    assert "days              2024-01-01 to 2024-01-03, in the zone Europe/Berlin" in lines
    assert "total             30.60 EUR, 100.0 % of it of the 2 largest customers" in lines
    assert "amount of a line  median 10.00, smallest 0.10, largest 20.50" in lines


def test_guests_repeated_rows_and_dotted_settings_are_told(revealed, own_environment):
    (own_environment / "sales.csv").write_text(SALES + "a,2024-01-01,10,1,paid,\n,2024-01-04,3,4,paid,\n")
    code, out, _ = revealed(
        *("check", "--transactions", "sales.csv", "--set", "columns.transactions.customer_id=client"),
        *("--set", "columns.transactions.ts=Sold on", "--set", "quarantine_limit.transactions=0.2"),
    )
    assert code == 0
    assert "belong to nobody who can be scored: they are set aside and are in no total. Rows: 1, 20.0 %" in out
    assert "that equal another one in every column that is read, and count: 1, 1 of them with its order_id." in out


def test_what_looks_wrong_stands_before_the_last_sentence(shown):
    assert "1. The column status holds paid (2), void (1), and all of these rows count as sales." in shown
    assert "[formats.transactions]\nrows = \"status = 'paid'\"\n" in shown
    # A history of few days is the other two: less than the horizon, and than a quarter of the longest one.
    assert "3 things look wrong: see above." in shown
    assert "These tables can be used" not in shown


def test_all_tables_are_shown_on_80_columns(revealed, shop):
    given = [text for name in ("transactions", "answers", "events", "customers") for text in (f"--{name}", shop[name])]
    code, out, _ = revealed("check", *given)
    assert code == 0
    assert "What looks wrong" not in out
    assert "These tables can be used" in out
    assert [title for title in ("Questions", "Events", "Customers") if f"\n{title}\n" in out] == [
        "Questions",
        "Events",
        "Customers",
    ]
    tables = [line for line in out.splitlines() if not line.endswith(".")]
    assert max(map(len, tables)) <= 80
    assert len(out.splitlines()) < 50
