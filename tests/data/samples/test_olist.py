"""The Olist reader, on a small release written here in the published names and columns."""

import gzip
import logging
from datetime import datetime

import pandas as pd
import pytest

from data.errors import InputError
from data.samples.olist import write_olist

FILES = {
    "customers": """customer_id,customer_unique_id,customer_zip_code_prefix,customer_city,customer_state
k1,ana,01037,sao paulo,SP
k2,ana,20040,rio de janeiro,RJ
k3,bia,01037,sao paulo,SP
k4,caio,30110,belo horizonte,MG
k5,davi,30110,belo horizonte,MG
""",
    "orders": """order_id,customer_id,order_status,order_purchase_timestamp,order_approved_at,\
order_delivered_carrier_date,order_delivered_customer_date,order_estimated_delivery_date
o1,k1,delivered,2018-01-10 09:00:00,2018-01-10 09:10:00,2018-01-12 08:00:00,2018-01-23 19:30:00,2018-01-20 00:00:00
o2,k2,shipped,2018-01-11 10:00:00,2018-01-11 10:10:00,2018-01-13 08:00:00,,2018-01-20 00:00:00
o3,k3,delivered,2018-02-01 12:00:00,2018-02-01 12:01:00,2018-02-02 08:00:00,2018-02-10 23:59:59,2018-02-10 00:00:00
o4,k4,canceled,2018-03-01 12:00:00,,,,2018-03-20 00:00:00
o5,k5,invoiced,2018-04-05 12:00:00,2018-04-05 12:00:00,2018-04-01 00:00:00,2018-04-02 00:00:00,2018-04-20 00:00:00
o6,k9,delivered,2018-04-05 12:00:00,,,,2018-04-20 00:00:00
""",
    "order_items": """order_id,order_item_id,product_id,seller_id,shipping_limit_date,price,freight_value
o1,1,p1,s1,2018-01-15 00:00:00,199.00,17.87
o1,2,p2,s2,2018-01-15 00:00:00,0.10,2.13
o2,1,p1,s1,2018-01-16 00:00:00,50.00,10.00
o3,1,p3,s1,2018-02-05 00:00:00,12.99,12.79
o4,1,p1,s1,2018-03-05 00:00:00,199.00,17.87
o5,1,p1,s1,2018-04-09 00:00:00,10.00,1.00
o7,1,p1,s1,2018-04-09 00:00:00,10.00,1.00
""",
    "order_payments": """order_id,payment_sequential,payment_type,payment_installments,payment_value
o1,1,credit_card,8,200.00
o1,2,voucher,1,19.10
o2,1,boleto,1,60.00
o7,1,boleto,1,60.00
""",
    "order_reviews": '''review_id,order_id,review_score,review_comment_title,review_comment_message,\
review_creation_date,review_answer_timestamp
r1,o1,1,,"Late, and
""broken""",2018-01-21 00:00:00,2018-01-25 10:00:00
r2,o3,5,,,2018-02-11 00:00:00,2018-02-11 10:54:59
r3,o4,2,,,2018-02-27 00:00:00,2018-02-28 00:00:00
r4,o8,5,,,2018-02-27 00:00:00,2018-02-28 00:00:00
''',
    "products": """product_id,product_category_name,product_name_lenght
p1,perfumaria,40
p2,artes,44
""",
}


@pytest.fixture
def release(tmp_path):
    folder = tmp_path / "release"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / f"olist_{name}_dataset.csv").write_text(text, encoding="utf-8")
    return folder


@pytest.fixture
def tables(release, tmp_path):
    return {name: pd.read_parquet(path) for name, path in write_olist(release, tmp_path / "out").items()}


def rewrite(release, name, old, new):
    path = release / f"olist_{name}_dataset.csv"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_transaction_is_an_item_of_an_order_that_was_sold(tables):
    rows = tables["transactions"]
    assert list(zip(rows.order_id, rows.line_id, rows.customer_id, rows.amount.astype(str), strict=True)) == [
        ("o1", "1", "ana", "199.0000"),
        ("o1", "2", "ana", "0.1000"),
        ("o2", "1", "ana", "50.0000"),
        ("o3", "1", "bia", "12.9900"),
        ("o5", "1", "davi", "10.0000"),
    ]
    assert rows.ts[0] == datetime(2018, 1, 10, 9)
    assert list(rows.store) == ["s1", "s2", "s1", "s1", "s1"]
    assert list(rows.category[:3]) == ["perfumaria", "artes", "perfumaria"]
    assert pd.isna(rows.category[3])


def test_answers_are_csat_with_the_time_of_the_review(tables):
    rows = tables["answers"].set_index("customer_id")
    assert set(rows.question) == {"csat"}
    assert set(rows.scale) == {"1-5"}
    assert rows.score.to_dict() == {"ana": 1, "bia": 5, "caio": 2}
    assert rows.invited_at["ana"] == datetime(2018, 1, 21)
    assert rows.answered_at["ana"] == datetime(2018, 1, 25, 10)
    assert rows.comment["ana"] == 'Late, and\n"broken"'
    assert pd.isna(rows.comment["bia"])


def test_deliveries_say_how_many_calendar_days_late(tables):
    events = tables["events"]
    delivered = events[events.kind == "delivered"].set_index("customer_id")
    # On the day promised, however late in the evening, is in time.
    assert delivered.value.astype(float).to_dict() == {"ana": 3, "bia": 0, "davi": -18}
    promised = events[events.kind == "promised"]
    assert dict(zip(promised.ts, promised.value.astype(float), strict=True))[pd.Timestamp("2018-01-10 09:00")] == 10
    assert len(promised) == 5


def visible(events, as_of):
    return events[events.available_at < pd.Timestamp(as_of)]


def open_promises(events, as_of):
    seen = visible(events, as_of)
    promised, delivered = seen[seen.kind == "promised"], seen[seen.kind == "delivered"]
    still = promised.merge(delivered[["customer_id", "due_at"]], how="left", indicator=True)
    still = still[still._merge == "left_only"]
    return set(still[still.due_at < pd.Timestamp(as_of)].customer_id)


def test_what_is_overdue_and_open_is_what_was_known_before_a_day(tables):
    events = tables["events"]
    # The day before the review of the first order it was promised for the 20th and not there.
    assert open_promises(events, "2018-01-20") == set()
    assert open_promises(events, "2018-01-21") == {"ana"}
    assert "delivered" not in set(visible(events, "2018-01-23").kind)
    # Two orders promised for one date: the arrival of the first does not close the second.
    assert open_promises(events, "2018-01-24") == {"ana"}
    # Canceled orders were promised too: that they ended so was not known then.
    assert "caio" in open_promises(events, "2018-03-21")


def test_nothing_is_available_before_its_order(tables):
    events = tables["events"]
    davi = events[events.customer_id == "davi"]
    assert (davi.available_at == pd.Timestamp("2018-04-05 12:00")).all()
    assert davi.ts.min() == pd.Timestamp("2018-04-01")
    assert (events.available_at >= events.ts).all()


def test_payments_and_freight_are_events_of_the_purchase(tables):
    events = tables["events"]
    payments = events[(events.kind == "payment") & (events.customer_id == "ana")]
    assert sorted(payments.value.astype(float)) == [1, 1, 8]
    freight = events[(events.kind == "freight") & (events.customer_id == "ana")]
    assert list(freight.value.astype(str)) == ["20.0000", "10.0000"]
    assert set(events.kind) == {"promised", "delivered", "shipped", "payment", "freight"}


def test_a_customer_is_one_with_the_address_of_the_first_order(tables):
    rows = tables["customers"].set_index("customer_id")
    assert list(rows.index) == ["ana", "bia", "caio", "davi"]
    assert tuple(rows.loc["ana", ["state", "city"]]) == ("SP", "sao paulo")
    assert rows.valid_from["ana"] == datetime(2018, 1, 10, 9)


def test_what_is_left_out_is_counted(release, tmp_path, caplog):
    with caplog.at_level(logging.INFO):
        write_olist(release, tmp_path / "out")
    counted = {line.split(" ", 2)[2]: int(line.split(" ", 2)[1]) for line in caplog.messages}
    assert counted == {
        "orders left out: their customer is not among the customers.": 1,
        "items left out: their order is not among the orders.": 1,
        "payments left out: their order is not among the orders.": 1,
        "reviews left out: their order is not among the orders.": 1,
        "items left out of the transactions: their order ended canceled or unavailable.": 1,
        "orders without a transaction: canceled, unavailable or without items.": 1,
        "reviews kept, though dated before their order.": 1,
    }


def test_packed_files_give_the_same_bytes(release, tmp_path):
    plain = write_olist(release, tmp_path / "plain")
    for path in list(release.iterdir()):
        path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
        path.unlink()
    packed = write_olist(release, tmp_path / "packed")
    assert {name: path.read_bytes() for name, path in plain.items()} == {
        name: path.read_bytes() for name, path in packed.items()
    }


def test_a_release_without_comments_is_read(release, tmp_path, tables):
    path = release / "olist_order_reviews_dataset.csv"
    pd.read_csv(path).drop(columns=["review_comment_title", "review_comment_message"]).to_csv(path, index=False)
    answers = pd.read_parquet(write_olist(release, tmp_path / "bare")["answers"])
    assert answers.comment.isna().all()
    assert answers.drop(columns="comment").equals(tables["answers"].drop(columns="comment"))


def test_a_missing_folder_or_file_is_named(release, tmp_path):
    with pytest.raises(InputError, match=r"/\*\*\* is not one"):
        write_olist(tmp_path / "nowhere", tmp_path / "out")
    (release / "olist_orders_dataset.csv").rename(release / "orders.csv")
    with pytest.raises(InputError, match=r"olist_orders_dataset\.csv \(or .*gz\) is not in .*orders\.csv") as caught:
        write_olist(release, tmp_path / "out")
    assert "olist_products_dataset.csv" in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_a_missing_column_is_named_beside_those_found(release, tmp_path):
    rewrite(release, "order_items", "price", "preco")
    with pytest.raises(InputError, match=r"olist_order_items.* lacks the columns price; it has: order_id.*preco"):
        write_olist(release, tmp_path / "out")


@pytest.mark.parametrize(
    "name, old, new, message",
    [
        ("order_items", "12.99,", "12x99,", r"record 5, column price: '12x99' is no DECIMAL"),
        (
            "orders",
            "2018-02-01 12:00:00",
            "2018-02-31 12:00:00",
            r"record 4, column order_purchase_timestamp: '2018-02-31",
        ),
        ("order_reviews", "r2,o3,5", "r2,o3,five", r"record 3, column review_score: 'five' is no INTEGER"),
        ("orders", "o2,k2", "o1,k2", r"order_id must be unique, 'o1'"),
        ("customers", "k2,", "k1,", r"customer_id must be unique, 'k1'"),
        ("products", "p2,", "p1,", r"product_id must be unique, 'p1'"),
    ],
)
def test_a_cell_that_cannot_be_is_named(release, tmp_path, name, old, new, message):
    rewrite(release, name, old, new)
    with pytest.raises(InputError, match=message) as caught:
        write_olist(release, tmp_path / "out")
    assert f"olist_{name}_dataset.csv" in str(caught.value)


def test_a_file_cut_short_or_empty_is_a_clear_mistake(release, tmp_path):
    path = release / "olist_orders_dataset.csv"
    packed = gzip.compress(path.read_bytes() * 50, mtime=0)
    path.unlink()
    path.with_name(path.name + ".gz").write_bytes(packed[: len(packed) // 2])
    with pytest.raises(InputError, match=r"olist_orders_dataset\.csv\.gz"):
        write_olist(release, tmp_path / "out")
    path.with_name(path.name + ".gz").unlink()
    path.write_text("")
    with pytest.raises(InputError, match=r"olist_orders_dataset\.csv"):
        write_olist(release, tmp_path / "out")
