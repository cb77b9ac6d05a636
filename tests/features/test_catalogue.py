import re

import pytest

from features.catalogue import feature_group, feature_names
from features.vocabulary import TRANSACTION_EXTRAS, Vocabulary

RICH = Vocabulary(
    purchase_columns=TRANSACTION_EXTRAS,
    channels=("Web", "web!", "Ärger", "??"),
    event_kinds={
        "visit": ("duration_s",),
        "promised": ("value", "due_at", "overdue"),
        "delivered": ("value", "due_at"),
        "support_contact": ("value",),
        "Refund asked": (),
        "store event": (),
        "of_visit": (),
    },
    numeric_attributes=("age", "Age"),
    text_attributes={"region": ("north", "North", "is_b"), "region_is": ("b",)},
    categories=("shoes", "Hats & caps"),
    question="nps",
)


def test_names_are_unique_snake_case_and_stable():
    names = feature_names(RICH)
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[a-zä0-9]+(_[a-zä0-9]+)*", name) for name in names if name != "T")
    assert names == feature_names(Vocabulary.from_dict(RICH.to_dict()))
    assert [name for name in names if name.startswith("channel")] == [
        "channel_share_of_web",
        "channel_share_of_web_2",
        "channel_share_of_ärger",
        "channel_share_of_unnamed",
    ]
    assert [name for name in names if name.startswith("attribute")] == [
        "attribute_age",
        "attribute_age_2",
        "attribute_region_is_north",
        "attribute_region_is_north_2",
        "attribute_region_is_is_b",
        "attribute_region_is_is_b_2",
    ]


def test_a_poor_shop_has_only_what_it_can_tell():
    names = feature_names(Vocabulary())
    assert {"frequency", "T", "gap_z", "orders_30d", "return_rate_ever"} <= set(names)
    told = "discount|margin|categor|quantity|channel|_of_|attribute|purchase_days|store"
    assert not [name for name in names if re.search(told, name)]


@pytest.mark.parametrize(
    ("name", "group"),
    [
        ("frequency", "purchase rhythm"),
        ("T", "time as a customer"),
        ("orders_90d", "purchase rhythm"),
        ("orders_trend_90d", "purchase rhythm"),
        ("sales_trend_90d", "spend"),
        ("net_value_ever", "spend"),
        ("return_rate_365d", "returns"),
        ("discount_share_30d", "discounts"),
        ("categories", "categories"),
        ("category_share_of_hats_caps", "categories"),
        ("store_satisfaction", "stores"),
        ("last_purchase_value", "spend"),
        ("last_days_late_of_delivered", "deliveries"),
        ("channel_share_of_web", "channels"),
        ("attribute_region_is_north", "who they are"),
        ("events_30d_of_refund_asked", "returns"),
        ("days_overdue_of_promised", "deliveries"),
        ("mean_days_late_of_delivered", "deliveries"),
        ("last_value_of_support_contact", "support contact"),
        ("mean_duration_s_of_visit", "visits"),
        ("events_30d_of_store_event", "store event"),
    ],
)
def test_groups_are_plain_words(name, group):
    assert name in feature_names(RICH)
    assert feature_group(name) == group


def test_every_feature_has_a_group():
    groups = {feature_group(name) for name in feature_names(RICH)}
    assert {"purchase rhythm", "spend", "returns", "discounts", "categories", "channels"} <= groups
    with pytest.raises(KeyError):
        feature_group("no such feature")
