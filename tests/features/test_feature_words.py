"""Every feature has words, and its value is written as people write it."""

import math

import pytest

from features.catalogue import feature_names
from features.feature_words import feature_in_words, value_in_words
from features.vocabulary import TRANSACTION_EXTRAS, Vocabulary

ALL = Vocabulary(
    purchase_columns=TRANSACTION_EXTRAS,
    channels=("web shop",),
    event_kinds={"delivered": ("value", "duration_s", "due_at"), "promised": ("overdue",)},
    numeric_attributes=("age",),
    text_attributes={"region": ("north",)},
    categories=("toys", "Home & Garden"),
    question="nps",
)


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("returns_90d", 3.0, "returns in 90 days 3"),
        ("net_value_ever", 1234.5, "value bought so far 1,234.50"),
        ("return_rate_365d", 0.25, "share returned in 365 days 25 %"),
        ("orders_trend_90d", -0.001, "trend of orders (-1 falling, 1 rising) 0.00"),
        ("channel_share_of_web_shop", 0.5, "bought by web shop 50 %"),
        ("category_share_of_home_garden", 1 / 3, "purchases of home garden 33 %"),
        ("store_satisfaction", 0.725, "satisfaction of others with the store 72 %"),
        ("last_purchase_value", 1234.5, "value of the last purchase 1,234.50"),
        ("last_days_late_of_delivered", -2.0, "days late of the last delivered -2.0"),
        ("mean_days_late_of_delivered", math.nan, "mean days late of delivered unknown"),
        ("events_30d_of_support_contact", 2.0, "support contact in 30 days 2"),
        ("days_overdue_of_promised", 4.0, "days promised is overdue 4"),
        ("attribute_age", 12345.6, "age 12,345.6"),
        ("attribute_home_region_is_north", 1.0, "home region is north 100 %"),
        ("something_else", 7.0, "something else 7"),
    ],
)
def test_a_feature_and_its_value(name, value, said):
    label, written = feature_in_words(name)
    assert f"{label} {value_in_words(value, written)}" == said


def test_no_feature_goes_by_its_name_and_no_two_share_a_label():
    names = feature_names(ALL)
    labels = [feature_in_words(name)[0] for name in names]
    assert len(set(labels)) == len(names) > 50
    assert not [label for label in labels if "_" in label]


def test_no_feature_is_left_without_words_of_its_own():
    names = feature_names(ALL)
    assert {"category_share_of_toys", "store_satisfaction", "last_days_late_of_delivered"} <= set(names)
    assert not [name for name in names if feature_in_words(name) == (name.replace("_", " "), ",.6g")]
    # A number that a shop adds may be anything; all others have a format of their own.
    assert [name for name in names if feature_in_words(name)[1] == ",.6g"] == ["attribute_age"]
