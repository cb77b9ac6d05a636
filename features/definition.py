"""What a feature is: an entry of the catalogue, and the columns that are made of it."""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# How personas put a feature on a scale: an amount by its doublings from the median on, days by their doublings from a
# month on, a bounded value by its standard deviation, a habit likewise but the less the fewer orders show it.
Scale = Literal["amount", "days", "bounded", "habit"]

# Days before as_of; "ever" is everything visible.
WINDOWS: Mapping[str, int | None] = {"30d": 30, "90d": 90, "365d": 365, "ever": None}
_WINDOWS_IN_WORDS: Mapping[str, str] = {
    "30d": "in 30 days",
    "90d": "in 90 days",
    "365d": "in 365 days",
    "ever": "so far",
}
# Kinds of events by the words they are made of; any other kind is its own group.
_GROUPS_OF_KINDS: Mapping[str, str] = {
    r"return|refund": "returns",
    r"deliver|promise|ship|courier|parcel": "deliveries",
    r"support|contact|complain|ticket|helpdesk": "support contact",
    r"visit|session|page|login|app_open": "visits",
}


@dataclass(frozen=True)
class Family:
    """Values of the vocabulary, each of which makes a feature of its own.

    Parameters
    ----------
    placeholder
        Stands for a value in the documentation.
    joint
        Stands between the name of the entry and the value in the name of a feature.
    """

    placeholder: str
    joint: str = "_of_"


CATEGORY, CHANNEL, KIND = Family("<category>"), Family("<channel>"), Family("<kind>")
NUMBER, LEVEL = Family("<attribute>", "_"), Family("<attribute>_is_<level>", "_")


@dataclass(frozen=True)
class PersonaUse:
    """How personas use a feature.

    Parameters
    ----------
    much, little
        Words for a persona that is above and below the mean of all customers; {} is the value of a family, "" is no
        word.
    theme
        What it is about together with others; the group of the feature where it is not given.
    scale
        How values are put on the scale that all features share.
    windows
        Those that are used, of a feature with windows.
    zero_is_unknown
        Whether 0 says that there is no value.
    is_purchase
        Whether it describes what the customer buys, and so is preferred for the name of a persona.
    """

    much: str
    little: str
    theme: str = ""
    scale: Scale = "amount"
    windows: tuple[str, ...] = ()
    zero_is_unknown: bool = False
    is_purchase: bool = True


@dataclass(frozen=True)
class Entry:
    """An entry of the catalogue: one feature, or one for each window and each value of a family.

    Every feature is used by the NPS model and by the second stage of the purchase models.

    Parameters
    ----------
    name
        Without window and value, in snake_case.
    part
        Which part of `features.describe.PARTS` holds its expression.
    group
        What it is about, for reasons; "" of events, whose kind says it.
    unit
        Of its values: "number", "money", "days", "seconds", "share", "ratio", or "as given".
    label
        In words for people, without the window; {} is the value of a family.
    format
        A format specification for its values, such as ",.0f".
    meaning, null_when
        Sentences for the documentation.
    windows
        Of `WINDOWS`; a feature for each. Empty: one feature.
    family
        A feature for each of its values.
    needs
        The optional column without which it does not exist, such as "transactions.cost".
    zero_without_rows
        Whether it is 0 for a customer without any row, as counts are.
    shows_its_table
        Whether the second stage is only used where this feature is there, if it was there for everyone in training.
    persona
        How personas use it; None where they do not.
    """

    name: str
    part: str
    group: str
    unit: str
    label: str
    format: str
    meaning: str
    null_when: str = "never"
    windows: tuple[str, ...] = ()
    family: Family | None = None
    needs: str = ""
    zero_without_rows: bool = False
    shows_its_table: bool = False
    persona: PersonaUse | None = None


@dataclass(frozen=True)
class Feature:
    """A column: an entry with its window and its value.

    Parameters
    ----------
    entry
        The entry it is made of.
    window
        Of `WINDOWS`; "" without one.
    value
        The value of the family as the data write it: a category, channel, kind of event or attribute; "" without one.
    level
        The level of an attribute that is text, as the data write it.
    value_in_name
        The value, with the level, as it stands in the name: snake_case, and unlike all others.
    """

    entry: Entry
    window: str = ""
    value: str = ""
    level: str = ""
    value_in_name: str = ""

    @property
    def measure(self) -> str:
        """The name without the value of a family: the same for all kinds, channels and categories."""
        return f"{self.entry.name}_{self.window}" if self.window else self.entry.name

    @property
    def name(self) -> str:
        """The name of the column."""
        family = self.entry.family
        return self.measure if family is None else f"{self.measure}{family.joint}{self.value_in_name}"

    @property
    def value_in_words(self) -> str:
        """The value of a family as people write it."""
        return self.value_in_name.replace("_", " ")

    @property
    def group(self) -> str:
        """What it is about, in plain words: one of a few groups of related features."""
        if self.entry.group:
            return self.entry.group
        groups = (group for words, group in _GROUPS_OF_KINDS.items() if re.search(words, self.value_in_name))
        return next(groups, self.value_in_words)

    @property
    def label(self) -> str:
        """The name in words for people, such as "returns in 90 days"."""
        label = self.entry.label.format(self.value_in_words)
        return f"{label} {_WINDOWS_IN_WORDS[self.window]}" if self.window else label

    @property
    def persona(self) -> PersonaUse | None:
        """How personas use it; None where they do not."""
        use = self.entry.persona
        return use if use is not None and (not self.window or self.window in use.windows) else None


def write_value(value: float, written: str) -> str:
    """Write a value in the format of an entry; NaN is "unknown", and nothing is written as minus zero."""
    if math.isnan(value):
        return "unknown"
    return format(value, f"z{written}").replace("%", " %")
