import json
from datetime import date

import pytest

from data.errors import InputError
from features.vocabulary import MAX_CATEGORIES, MAX_CHANNELS, MAX_KINDS, MAX_LEVELS, Vocabulary, learn_vocabulary

AS_OF = date(2024, 2, 1)
SALE = {"customer_id": "a", "ts": "2024-01-01", "amount": 1}


def test_kinds_channels_and_levels_come_by_name(shop):
    tables = shop(
        [{**SALE, "channel": channel} for channel in ["web", "app", "store", "store", None]],
        events=[{**SALE, "kind": kind} for kind in ["b", "c", "a", "c"]],
        customers=[
            {"customer_id": str(n), "region": region, "age": 30} for n, region in enumerate(["s", "n", "n", None])
        ],
    )
    vocabulary = learn_vocabulary(tables, AS_OF, ["region", "age"])
    assert vocabulary.channels == ("app", "store", "web")
    assert list(vocabulary.event_kinds) == ["a", "b", "c"]
    assert vocabulary.text_attributes == {"region": ("n", "s")}
    assert vocabulary.numeric_attributes == ("age",)


def test_there_are_only_so_many_of_each(shop):
    names = [f"{n:02d}" for n in range(30)]
    tables = shop(
        [{**SALE, "channel": name, "category": name} for name in names],
        events=[{**SALE, "kind": name} for name in names],
        customers=[{"customer_id": name, "region": name} for name in names],
    )
    vocabulary = learn_vocabulary(tables, AS_OF, ["region"])
    assert vocabulary.channels == tuple(names[:MAX_CHANNELS])
    assert vocabulary.categories == tuple(names[:MAX_CATEGORIES])
    assert tuple(vocabulary.event_kinds) == tuple(names[:MAX_KINDS])
    assert vocabulary.text_attributes["region"] == tuple(names[:MAX_LEVELS])
    last = shop([{**SALE, "channel": name} for name in [*names, names[-1]]])
    assert learn_vocabulary(last, AS_OF).channels == (*names[: MAX_CHANNELS - 1], names[-1])


def test_what_was_not_visible_is_not_learned(shop):
    late = {"ts": "2024-01-01", "available_at": "2024-02-01"}
    tables = shop(
        [SALE, {**SALE, **late, "channel": "web", "cost": 1, "order_id": "1"}],
        events=[{"customer_id": "a", **late, "kind": "visit"}],
        customers=[
            {"customer_id": "a", "region": "n", "valid_from": "2024-01-31"},
            {"customer_id": "a", "region": "s", "valid_from": "2024-02-01"},
        ],
    )
    assert learn_vocabulary(tables, AS_OF, ["region"]) == Vocabulary(text_attributes={"region": ("n",)})


def test_optional_columns_are_learned_where_they_hold_anything(shop):
    tables = shop(
        [{**SALE, "cost": 0, "quantity": 1}],
        events=[
            {**SALE, "kind": "promised", "due_at": "2024-03-01"},
            {**SALE, "kind": "call", "value": 1, "duration_s": 1},
        ],
    )
    vocabulary = learn_vocabulary(tables, AS_OF)
    assert vocabulary.purchase_columns == ("quantity", "cost")
    assert vocabulary.event_kinds == {"call": ("value", "duration_s"), "promised": ("due_at", "overdue")}


def test_a_vocabulary_survives_json_that_sorts_its_keys():
    vocabulary = Vocabulary(
        purchase_columns=("cost",),
        channels=("web", "app"),
        event_kinds={"visit": (), "call": ("value", "duration_s")},
        numeric_attributes=("age",),
        text_attributes={"region": ("s", "n"), "area": ()},
        categories=("shoes",),
        question="csat",
    )
    read = Vocabulary.from_dict(json.loads(json.dumps(vocabulary.to_dict(), sort_keys=True)))
    assert read == vocabulary
    assert list(read.event_kinds) == ["visit", "call"]
    assert list(read.text_attributes) == ["region", "area"]


def test_a_vocabulary_of_an_earlier_version_is_read():
    old = Vocabulary(channels=("web",)).to_dict()
    del old["categories"], old["question"]
    assert Vocabulary.from_dict(old) == Vocabulary(channels=("web",))


def test_an_attribute_that_is_not_there_says_which_are(shop):
    with pytest.raises(InputError, match=r"Static attributes are declared .region., but there is no table"):
        learn_vocabulary(shop([SALE]), AS_OF, ["region"])
    with pytest.raises(InputError, match=r"no column shoe_size, .* it has customer_id, valid_from"):
        learn_vocabulary(shop([SALE], customers=[]), AS_OF, ["shoe_size"])
