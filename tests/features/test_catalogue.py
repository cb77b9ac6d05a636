"""A feature is one entry of the catalogue and one expression; all that is said of it follows from these."""

import math
import re
from datetime import date

import pytest

from features import catalogue, describe
from features.catalogue import catalogue_of, feature_names
from features.definition import CHANNEL, Entry, PersonaUse, write_value
from features.describe import materialise
from features.entries import ENTRIES
from features.spine import everyone
from features.vocabulary import TRANSACTION_EXTRAS, Vocabulary, learn_vocabulary
from models.segments.personas.names import word

RICH = Vocabulary(
    purchase_columns=TRANSACTION_EXTRAS,
    channels=("Web", "web!", "Ärger", "??", "web shop"),
    event_kinds={
        "visit": ("duration_s",),
        "promised": ("value", "due_at", "overdue"),
        "delivered": ("value", "duration_s", "due_at"),
        "support_contact": ("value",),
        "Refund asked": (),
        "store event": (),
        "of_visit": (),
    },
    numeric_attributes=("age", "Age", "income is known"),
    text_attributes={"region": ("north", "North", "is_b"), "region_is": ("b",), "home region": ("north",)},
    categories=("shoes", "Hats & caps", "Home & Garden"),
    question="nps",
)
FEATURES = catalogue_of(RICH)
AS_OF = date(2024, 2, 1)


def test_names_are_unique_snake_case_and_stable():
    names = list(FEATURES)
    assert all(re.fullmatch(r"[a-zä0-9]+(_[a-zä0-9]+)*", name) for name in names if name != "T")
    assert names == feature_names(RICH) == feature_names(Vocabulary.from_dict(RICH.to_dict()))
    assert [name for name, feature in FEATURES.items() if feature.entry.family == CHANNEL] == [
        "channel_share_of_web",
        "channel_share_of_web_2",
        "channel_share_of_ärger",
        "channel_share_of_unnamed",
        "channel_share_of_web_shop",
    ]
    assert [name for name in names if name.startswith("attribute")] == [
        "attribute_age",
        "attribute_age_2",
        "attribute_income_is_known",
        "attribute_region_is_north",
        "attribute_region_is_north_2",
        "attribute_region_is_is_b",
        "attribute_region_is_is_b_2",
        "attribute_home_region_is_north",
    ]


def test_a_feature_carries_its_window_and_its_value_as_the_data_write_it():
    feature = FEATURES["events_30d_of_refund_asked"]
    assert (feature.entry.name, feature.window, feature.value) == ("events", "30d", "Refund asked")
    assert FEATURES["category_share_of_hats_caps"].value == "Hats & caps"
    level = FEATURES["attribute_region_is_is_b_2"]
    assert (level.value, level.level) == ("region_is", "b")


def test_a_poor_shop_has_only_what_its_columns_tell():
    names = feature_names(Vocabulary())
    assert {"frequency", "T", "gap_z", "orders_30d", "return_rate_ever"} <= set(names)
    optional = "discount|margin|categor|quantity|channel|_of_|attribute|purchase_days|store"
    assert not [name for name in names if re.search(optional, name)]


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
        ("events_30d_of_of_visit", "visits"),
    ],
)
def test_groups_are_plain_words(name, group):
    assert FEATURES[name].group == group


@pytest.mark.parametrize(
    ("name", "value", "words"),
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
        ("attribute_income_is_known", 2.0, "income is known 2"),
        ("attribute_home_region_is_north", 1.0, "home region is north 100 %"),
    ],
)
def test_a_feature_and_its_value_in_words(name, value, words):
    assert f"{FEATURES[name].label} {write_value(value, FEATURES[name].entry.format)}" == words


def test_every_feature_has_a_label_of_its_own():
    simple = catalogue_of(
        Vocabulary(
            purchase_columns=TRANSACTION_EXTRAS,
            channels=("web shop",),
            event_kinds={"delivered": ("value", "duration_s", "due_at"), "promised": ("overdue",)},
            numeric_attributes=("age",),
            text_attributes={"region": ("north",)},
            categories=("toys", "Home & Garden"),
            question="nps",
        )
    )
    labels = [feature.label for feature in simple.values()]
    assert len(set(labels)) == len(simple) > 50
    assert not [label for label in labels if "_" in label or "{" in label]
    # A number that a shop adds may be anything; all others have a format of their own.
    assert [name for name, feature in simple.items() if feature.entry.format == ",.6g"] == ["attribute_age"]


def test_the_document_is_current_and_the_check_says_how_to_renew_it(tmp_path, monkeypatch):
    assert catalogue.main(["--check"]) is None
    text = catalogue.DOCUMENT.read_text(encoding="utf-8")
    for row in ("`channel_share_of_<channel>`", "`events_<window>_of_<kind>`", "`attribute_<attribute>_is_<level>`"):
        assert f"\n| {row} | " in text
    assert sum(line.startswith("| `") and line.count(" | ") == 5 for line in text.splitlines()) == len(ENTRIES)
    monkeypatch.chdir(tmp_path)
    assert "run python -m features.catalogue to renew docs/features.md" in str(catalogue.main(["--check"]))
    assert catalogue.main([]) is None
    assert catalogue.main(["--check"]) is None


def lines_by_channel(tables, spine, _vocabulary, features):
    lines = spine.visible(tables.transactions)
    counts = {feature.name: lines.count(where=lines.channel == feature.value).cast("float64") for feature in features}
    return lines.group_by(spine.keys).agg(**counts)


LINES_BY_CHANNEL = Entry(
    "lines_by_channel",
    "lines by channel",
    "channels",
    "number",
    "lines bought by {}",
    ",.0f",
    "lines of the channel",
    family=CHANNEL,
    persona=PersonaUse("many lines by {}", ""),
)


def test_a_new_feature_is_one_entry_and_one_expression(shop, monkeypatch):
    monkeypatch.setattr(catalogue, "ENTRIES", (*ENTRIES, LINES_BY_CHANNEL))
    monkeypatch.setattr(describe, "PARTS", {**describe.PARTS, "lines by channel": lines_by_channel})
    tables = shop([{"customer_id": "a", "ts": "2024-01-01", "amount": 1, "channel": "Web"}] * 3)
    vocabulary = learn_vocabulary(tables, AS_OF)
    name = "lines_by_channel_of_web"
    assert feature_names(vocabulary)[-1] == name
    assert materialise(describe.describe(tables, everyone(tables.transactions, AS_OF), vocabulary))[name].item() == 3.0
    feature = catalogue_of(vocabulary)[name]
    assert (feature.group, feature.label) == ("channels", "lines bought by web")
    assert word(feature, 1.0) == "many lines by web"
    row = "| `lines_by_channel_of_<channel>` | lines of the channel | number | never |  | yes |"
    assert row in catalogue.document()


def test_an_entry_without_an_expression_and_the_reverse_are_refused(shop, monkeypatch):
    tables = shop([{"customer_id": "a", "ts": "2024-01-01", "amount": 1, "channel": "Web"}])
    spine, vocabulary = everyone(tables.transactions, AS_OF), learn_vocabulary(tables, AS_OF)
    for part in ("lines by channel", "lines", "summary"):
        new = Entry("more", part, "spend", "number", "more", ",.0f", "more")
        monkeypatch.setattr(catalogue, "ENTRIES", (*ENTRIES, new))
        with pytest.raises(RuntimeError, match=f"part {part}: no expression computes more"):
            describe.describe(tables, spine, vocabulary)
    monkeypatch.setattr(catalogue, "ENTRIES", tuple(entry for entry in ENTRIES if entry.name != "gap_z"))
    with pytest.raises(RuntimeError, match="part rhythm: no entry of the catalogue is for gap_z"):
        describe.describe(tables, spine, vocabulary)
