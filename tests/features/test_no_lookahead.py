"""What is not yet available at as_of leaves every feature as it is, bit for bit."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import ibis
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.describe import describe, materialise
from features.labels import invitations, labelled_answers
from features.spine import Spine, everyone, pairs
from features.tables import Tables
from features.vocabulary import Vocabulary, learn_vocabulary

AS_OF = date(2024, 7, 1)
EARLIER = date(2024, 3, 1)
MIDNIGHT = datetime(2024, 7, 1)
CUSTOMERS = ["a", "b", "c"]
ATTRIBUTES = ["age", "region"]
VOCABULARY = Vocabulary(
    purchase_columns=("order_id", "category", "channel", "store", "quantity", "discount", "cost"),
    channels=("web", "shop"),
    event_kinds={
        "promised": ("value", "duration_s", "due_at", "overdue"),
        "delivered": ("value", "duration_s", "due_at"),
    },
    numeric_attributes=("age",),
    text_attributes={"region": ("north", "south")},
    categories=("x",),
    question="nps",
)


@dataclass(repr=False)
class Shop:
    """An engine whose tables are filled anew for each example; expressions are compiled once."""

    tables: Tables
    queries: dict[str, str]

    def fill(self, rows: dict[str, list[dict[str, Any]]], clean_rows) -> None:
        engine = self.tables.transactions.get_backend().con
        for name in ("transactions", "events", "customers", "answers"):
            engine.register("incoming", clean_rows(name, rows.get(name, [])))
            engine.execute(f"DELETE FROM {name}")
            engine.execute(f"INSERT INTO {name} SELECT * FROM incoming")
            engine.unregister("incoming")

    def ask(self, query: str) -> pd.DataFrame:
        engine = self.tables.transactions.get_backend().con
        return engine.sql(self.queries[query]).to_arrow_table().to_pandas(date_as_object=False)


def compiled(table) -> str:
    return str(ibis.to_sql(table.order_by(["customer_id", "as_of"]), dialect="duckdb"))


@pytest.fixture(scope="module")
def shops(shop):
    def build(threads: int) -> Shop:
        tables = shop([], events=[], customers=[], answers=[], threads=threads)
        engine = tables.transactions.get_backend()
        spine = engine.create_table("spine", {"customer_id": CUSTOMERS * 2, "as_of": [EARLIER] * 3 + [AS_OF] * 3})
        spines: dict[str, Spine] = {
            "everyone": everyone(tables.transactions, AS_OF),
            "everyone earlier": everyone(tables.transactions, EARLIER),
            "pairs": pairs(spine),
        }
        queries = {name: compiled(describe(tables, spine, VOCABULARY)) for name, spine in spines.items()}
        return Shop(tables, queries)

    return build(threads=1), build(threads=2)


def same_bits(left: pd.DataFrame, right: pd.DataFrame) -> None:
    assert left.columns.tolist() == right.columns.tolist()
    assert len(left) == len(right)
    for name in left.columns:
        if left[name].dtype == "float64":
            assert left[name].to_numpy().tobytes() == right[name].to_numpy().tobytes(), name
        else:
            assert left[name].tolist() == right[name].tolist(), name


def minutes(low: int, high: int):
    """Times from `low` to `high` days after as_of, to the minute."""
    return st.integers(low * 1440, high * 1440).map(lambda offset: MIDNIGHT + timedelta(minutes=offset))


cents = st.integers(-9_999, 99_999).map(lambda amount: amount / 100)
maybe_money = st.none() | cents
visible_at = minutes(-500, 0).filter(lambda moment: moment < MIDNIGHT)
hidden_at = minutes(0, 40)


@st.composite
def available_rows(draw, visible: bool, columns: dict[str, st.SearchStrategy]):
    """Rows of transactions or events: seen before as_of, or only known from then on whenever they happened."""
    row = draw(st.fixed_dictionaries({"customer_id": st.sampled_from(CUSTOMERS), **columns}))
    row["ts"] = draw(visible_at if visible else minutes(-500, 40))
    late = draw(st.none() | visible_at) if visible else draw(hidden_at)
    row["available_at"] = max(row["ts"], late) if late else row["ts"]
    return row


LINE = {
    "amount": cents,
    "order_id": st.sampled_from([None, "1", "2", "3"]),
    "category": st.sampled_from([None, "x", "y"]),
    "channel": st.sampled_from([None, "web", "shop", "phone"]),
    "store": st.sampled_from([None, "near", "far"]),
    "quantity": maybe_money,
    "discount": maybe_money,
    "cost": maybe_money,
}
EVENT = {
    "kind": st.sampled_from(["promised", "delivered", "visit"]),
    "value": maybe_money,
    "duration_s": maybe_money,
    # Few dates, so that promises and deliveries meet.
    "due_at": st.sampled_from([None, *(MIDNIGHT + timedelta(days=days) for days in (-90, -30, -1, 10))]),
}


@st.composite
def valid_rows(draw, visible: bool):
    valid_from = st.none() | visible_at if visible else hidden_at
    return draw(
        st.fixed_dictionaries(
            {
                "customer_id": st.sampled_from(CUSTOMERS),
                "valid_from": valid_from,
                "age": st.none() | st.integers(18, 90).map(float),
                "region": st.sampled_from([None, "north", "south", "west"]),
            }
        )
    )


@st.composite
def answer_rows(draw, visible: bool, invited_at):
    invited = draw(invited_at)
    answered = draw(visible_at if visible else hidden_at)
    answered = max(answered, invited) if invited else answered
    score = draw(st.integers(0, 10))
    customer = draw(st.sampled_from(CUSTOMERS))
    return {"customer_id": customer, "score": score, "invited_at": invited, "answered_at": answered}


def rows_of(visible: bool):
    return st.fixed_dictionaries(
        {
            "transactions": st.lists(available_rows(visible, LINE), max_size=14 if visible else 5),
            "events": st.lists(available_rows(visible, EVENT), max_size=10 if visible else 5),
            "customers": st.lists(valid_rows(visible), max_size=4),
            # What was asked before as_of and answered after it is not known either.
            "answers": st.lists(answer_rows(visible, st.none() | visible_at), max_size=5),
        }
    )


def labels_of(tables: Tables) -> list[pd.DataFrame]:
    return [
        materialise(labelled_answers(tables.answers, "nps", before=AS_OF)),
        materialise(invitations(tables.answers, "nps", before=AS_OF)),
    ]


@settings(max_examples=15, deadline=None, derandomize=True)
@given(visible=rows_of(True), hidden=rows_of(False), others=rows_of(False), data=st.data())
def test_unseen_rows_their_order_and_the_threads_change_no_bit(clean_rows, shops, visible, hidden, others, data):
    one, two = shops
    one.fill({name: rows + hidden[name] for name, rows in visible.items()}, clean_rows)
    # The same seen rows in another order, among other unseen rows, or none.
    two.fill({name: data.draw(st.permutations(rows + others[name])) for name, rows in visible.items()}, clean_rows)
    same_bits(one.ask("pairs"), two.ask("pairs"))
    learned = [learn_vocabulary(shop.tables, AS_OF, ATTRIBUTES) for shop in shops]
    assert learned[0].to_dict() == learned[1].to_dict()


@settings(max_examples=15, deadline=None, derandomize=True)
@given(visible=rows_of(True), hidden=rows_of(False))
def test_pairs_are_described_as_everyone_at_each_date(clean_rows, shops, visible, hidden):
    any_shop = shops[0]
    any_shop.fill({name: rows + hidden[name] for name, rows in visible.items()}, clean_rows)
    each = pd.concat([any_shop.ask("everyone earlier"), any_shop.ask("everyone")])
    same_bits(any_shop.ask("pairs"), each.sort_values(["customer_id", "as_of"], ignore_index=True))


answers_of = {
    True: st.lists(answer_rows(True, st.none() | visible_at), max_size=5),
    False: st.lists(answer_rows(False, hidden_at), max_size=5),
}


@settings(max_examples=8, deadline=None, derandomize=True)
@given(visible=answers_of[True], hidden=answers_of[False], data=st.data())
def test_unseen_answers_change_no_label_and_no_invitation(shop, visible, hidden, data):
    alone = labels_of(shop([], answers=visible))
    among = labels_of(shop([], answers=data.draw(st.permutations(visible + hidden))))
    for left, right in zip(alone, among, strict=True):
        same_bits(left, right)


def test_the_generated_shops_are_rich(clean_rows, shops):
    """The properties above would hold of empty shops: here a late row does change what is seen a day later."""
    any_shop = shops[0]
    sale = {"customer_id": "a", "ts": MIDNIGHT - timedelta(days=200), "amount": 1}
    late = {"customer_id": "a", "ts": MIDNIGHT - timedelta(days=2), "available_at": MIDNIGHT, "amount": 1}
    any_shop.fill({"transactions": [sale, late]}, clean_rows)
    assert any_shop.ask("everyone").frequency.tolist() == [0]
    tomorrow = everyone(any_shop.tables.transactions, AS_OF + timedelta(days=1))
    assert materialise(describe(any_shop.tables, tomorrow, VOCABULARY)).frequency.tolist() == [1]


def test_many_rows_on_several_threads_add_up_to_the_same_bits(tmp_path):
    # Enough rows that the engine does split them among its threads (a group of rows holds 122,880).
    rng = np.random.default_rng(7)
    n = 300_000
    days = np.datetime64("2024-07-01") - rng.integers(1, 600, n).astype("timedelta64[D]")
    frame = pd.DataFrame(
        {
            "customer_id": rng.integers(0, 500, n).astype(str),
            "ts": days.astype("datetime64[us]"),
            "available_at": days.astype("datetime64[us]"),
            "amount": np.round(rng.lognormal(3, 2, n), 4),
            "order_id": None,
            "channel": rng.choice(["web", "shop"], n),
            "discount": np.round(rng.lognormal(0, 2, n), 4),
        }
    )
    frames = []
    for threads, rows in ((1, frame), (4, frame.sample(frac=1, random_state=1))):
        engine = ibis.duckdb.connect()
        engine.raw_sql(f"SET threads = {threads}")
        engine.con.register("rows", rows)
        engine.raw_sql(
            "CREATE TABLE transactions AS SELECT * REPLACE (amount::DECIMAL(18,4) AS amount, discount::DECIMAL(18,4)"
            " AS discount, order_id::VARCHAR AS order_id) FROM rows"
        )
        tables = Tables(engine.table("transactions"))
        vocabulary = Vocabulary(purchase_columns=("discount",), channels=("web",))
        frames.append(materialise(describe(tables, everyone(tables.transactions, AS_OF), vocabulary)))
    assert len(frames[0]) == 500
    same_bits(*frames)
    # The same in doubles, so that the exact sums are also right.
    np.testing.assert_allclose(
        frames[0].net_value_ever, frame.groupby("customer_id").amount.sum().sort_index(), rtol=1e-10
    )
