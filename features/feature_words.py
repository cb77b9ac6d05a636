"""The value of a feature in words that a marketer reads: its label, and how its values are written."""

import math
import re
from collections.abc import Mapping

# Label and format by the name of the feature without its window.
_WORDS: Mapping[str, tuple[str, str]] = {
    "frequency": ("repeat purchases", ",.0f"),
    "recency": ("days from the first purchase to the last", ",.0f"),
    "T": ("days as a customer", ",.0f"),
    "monetary_value": ("value of a repeat purchase", ",.2f"),
    "days_since_last_purchase": ("days since the last purchase", ",.0f"),
    "days_between_purchases": ("days between purchases", ",.1f"),
    "gap_ratio": ("silence in usual gaps", ".1f"),
    "gap_z": ("silence beyond the usual gap, in standard deviations", ".1f"),
    "orders": ("orders", ",.0f"),
    "orders_trend_90d": ("trend of orders (-1 falling, 1 rising)", ".2f"),
    "purchase_days": ("days with a purchase", ",.0f"),
    "weekend_share": ("purchases at weekends", ".0%"),
    "last_purchase_value": ("value of the last purchase", ",.2f"),
    "net_value": ("value bought", ",.2f"),
    "sales_trend_90d": ("trend of sales (-1 falling, 1 rising)", ".2f"),
    "quantity_per_order": ("pieces per order", ",.1f"),
    "margin_share": ("margin", ".0%"),
    "returns": ("returns", ",.0f"),
    "returns_value": ("value returned", ",.2f"),
    "return_rate": ("share returned", ".0%"),
    "discount": ("discounts", ",.2f"),
    "discount_share": ("share discounted", ".0%"),
    "categories": ("categories bought", ",.0f"),
    "top_category_share": ("share of the favourite category", ".0%"),
    "store_satisfaction": ("satisfaction of others with the store", ".0%"),
}
_WINDOWS: Mapping[str, str] = {
    "30d": "in 30 days",
    "90d": "in 90 days",
    "365d": "in 365 days",
    "ever": "so far",
}
# Label and format of what is measured of a kind of event; {} is the kind.
_EVENT_WORDS: Mapping[str, tuple[str, str]] = {
    "events_30d": ("{} in 30 days", ",.0f"),
    "events_90d": ("{} in 90 days", ",.0f"),
    "events_365d": ("{} in 365 days", ",.0f"),
    "days_since_last": ("days since the last {}", ",.0f"),
    "last_value": ("value of the last {}", ",.2f"),
    "mean_value": ("mean value of {}", ",.2f"),
    "mean_duration_s": ("mean seconds of {}", ",.0f"),
    "overdue": ("{} overdue", ",.0f"),
    "days_overdue": ("days {} is overdue", ",.0f"),
    "last_days_late": ("days late of the last {}", ",.1f"),
    "mean_days_late": ("mean days late of {}", ",.1f"),
}


def feature_in_words(name: str) -> tuple[str, str]:
    """Give the label of a feature and the format of its values.

    Parameters
    ----------
    name
        One of `features.catalogue.feature_names`; any other name is its own label.

    Returns
    -------
    tuple of str
        Label, such as "returns in 90 days", and a format specification for its values, such as ",.0f".
    """
    if name in _WORDS:
        return _WORDS[name]
    windowed = re.fullmatch(rf"(\w+)_({'|'.join(_WINDOWS)})", name)
    if windowed and windowed[1] in _WORDS:
        label, written = _WORDS[windowed[1]]
        return f"{label} {_WINDOWS[windowed[2]]}", written
    if name.startswith("category_share_of_"):
        return f"purchases of {_plain(name.removeprefix('category_share_of_'))}", ".0%"
    if name.startswith("channel_share_of_"):
        return f"bought by {_plain(name.removeprefix('channel_share_of_'))}", ".0%"
    if name.startswith("attribute_"):
        attribute, is_level, level = name.removeprefix("attribute_").partition("_is_")
        return (f"{_plain(attribute)} is {_plain(level)}", ".0%") if is_level else (_plain(attribute), ",.6g")
    measure, of, kind = name.partition("_of_")
    if of and measure in _EVENT_WORDS:
        label, written = _EVENT_WORDS[measure]
        return label.format(_plain(kind)), written
    return _plain(name), ",.6g"


def value_in_words(value: float, written: str) -> str:
    """Write a value in a format of `feature_in_words`; NaN is "unknown", and nothing is written as minus zero."""
    if math.isnan(value):
        return "unknown"
    return format(value, f"z{written}").replace("%", " %")


def _plain(name: str) -> str:
    return name.replace("_", " ")
