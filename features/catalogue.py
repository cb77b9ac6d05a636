"""The names of the features, in order, and what they are about."""

import re
from collections.abc import Iterable, Mapping

from features.behaviour import WINDOWS
from features.events import event_measures
from features.vocabulary import Vocabulary

# What a feature is about, by its name without the window, in the order of the columns.
_GROUPS: Mapping[str, str] = {
    "frequency": "purchase rhythm",
    "recency": "purchase rhythm",
    "T": "time as a customer",
    "monetary_value": "spend",
    "days_since_last_purchase": "purchase rhythm",
    "days_between_purchases": "purchase rhythm",
    "gap_ratio": "purchase rhythm",
    "gap_z": "purchase rhythm",
    "orders": "purchase rhythm",
    "orders_trend_90d": "purchase rhythm",
    "purchase_days": "purchase rhythm",
    "weekend_share": "purchase rhythm",
    "last_purchase_value": "spend",
    "net_value": "spend",
    "sales_trend_90d": "spend",
    "quantity_per_order": "spend",
    "margin_share": "spend",
    "returns": "returns",
    "returns_value": "returns",
    "return_rate": "returns",
    "discount": "discounts",
    "discount_share": "discounts",
    "categories": "categories",
    "top_category_share": "categories",
    "store_satisfaction": "stores",
}
_WINDOWED = frozenset(
    {
        "orders",
        "purchase_days",
        "net_value",
        "returns",
        "returns_value",
        "return_rate",
        "discount",
        "discount_share",
    }
)
# Features that exist only where a shop fills the column, or asks a question.
_NEEDS: Mapping[str, str] = {
    "purchase_days": "order_id",
    "quantity_per_order": "quantity",
    "margin_share": "cost",
    "discount": "discount",
    "discount_share": "discount",
    "categories": "category",
    "top_category_share": "category",
    "store_satisfaction": "question",
}
# Kinds of events by the words they are made of; any other kind is its own group.
_EVENT_GROUPS: Mapping[str, str] = {
    r"return|refund": "returns",
    r"deliver|promise|ship|courier|parcel": "deliveries",
    r"support|contact|complain|ticket|helpdesk": "support contact",
    r"visit|session|page|login|app_open": "visits",
}


def feature_names(vocabulary: Vocabulary) -> list[str]:
    """Name the features of the NPS model, in the order of the columns that `describe` gives."""
    names = []
    told = {*vocabulary.purchase_columns, "question" if vocabulary.question is not None else ""}
    for name in _GROUPS:
        if name in _NEEDS and _NEEDS[name] not in told:
            continue
        names += [f"{name}_{window}" for window in WINDOWS] if name in _WINDOWED else [name]
    names += [f"category_share_of_{name}" for name in category_names(vocabulary).values()]
    names += [f"channel_share_of_{name}" for name in channel_names(vocabulary).values()]
    for kind, name in kind_names(vocabulary).items():
        names += [f"{measure}_of_{name}" for measure in event_measures(vocabulary.event_kinds[kind])]
    return [*names, *numeric_names(vocabulary), *level_names(vocabulary)]


def feature_group(name: str) -> str:
    """Say in plain words what a feature is about, for reasons: one of a few groups of related features.

    Parameters
    ----------
    name
        One of `feature_names`.

    Raises
    ------
    KeyError
        If no feature has such a name.
    """
    if name.startswith("channel_share_of_"):
        return "channels"
    if name.startswith("category_share_of_"):
        return "categories"
    if name.startswith("attribute_"):
        return "who they are"
    if "_of_" in name:
        kind = name.split("_of_", 1)[1]
        words = (group for pattern, group in _EVENT_GROUPS.items() if re.search(pattern, kind))
        return next(words, kind.replace("_", " "))
    return _GROUPS[re.sub(rf"(?<!trend)_({'|'.join(WINDOWS)})$", "", name)]


def channel_names(vocabulary: Vocabulary) -> dict[str, str]:
    """Channel -> its name in feature names."""
    return _named(vocabulary.channels)


def category_names(vocabulary: Vocabulary) -> dict[str, str]:
    """Category -> its name in feature names."""
    return _named(vocabulary.categories)


def kind_names(vocabulary: Vocabulary) -> dict[str, str]:
    """Kind of event -> its name in feature names."""
    return _named(vocabulary.event_kinds)


def numeric_names(vocabulary: Vocabulary) -> dict[str, str]:
    """Feature name -> static attribute that is a number."""
    named = _named(vocabulary.numeric_attributes)
    return {f"attribute_{name}": attribute for attribute, name in named.items()}


def level_names(vocabulary: Vocabulary) -> dict[str, tuple[str, str]]:
    """Feature name -> (static attribute that is text, level)."""
    pairs = [(attribute, level) for attribute, levels in vocabulary.text_attributes.items() for level in levels]
    texts = _distinct(f"attribute_{_slug(attribute)}_is_{_slug(level)}" for attribute, level in pairs)
    return dict(zip(texts, pairs, strict=True))


def _named(values: Iterable[str]) -> dict[str, str]:
    values = list(values)
    return dict(zip(values, _distinct(_slug(value) for value in values), strict=True))


def _slug(text: str) -> str:
    """Turn any text into snake_case of letters and digits, of any writing."""
    return re.sub(r"[\W_]+", "_", text.lower()).strip("_") or "unnamed"


def _distinct(names: Iterable[str]) -> list[str]:
    """Add a number to names that were taken before, in the order of the vocabulary."""
    taken: dict[str, None] = {}
    for name in names:
        candidate, number = name, 2
        while candidate in taken:
            candidate, number = f"{name}_{number}", number + 1
        taken[candidate] = None
    return list(taken)
