"""The features of a shop by name, made of the catalogue's entries and the shop's vocabulary.

``python -m features.catalogue`` writes ``docs/features.md``; with ``--check`` it only says whether that is current.
"""

import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from features.definition import CATEGORY, CHANNEL, KIND, LEVEL, NUMBER, Entry, Family, Feature
from features.entries import COMPLETION, ENTRIES, PROMISE
from features.vocabulary import Vocabulary

Catalogue = Mapping[str, Feature]
DOCUMENT = Path("docs/features.md")
_BY_KIND = "by what the kind of event is about, or the kind itself"


@dataclass(frozen=True)
class _Value:
    """One value of a family: as the data write it, as it stands in names, and the optional columns it fills."""

    value: str = ""
    level: str = ""
    in_name: str = ""
    fills: frozenset[str] = frozenset()


def catalogue_of(vocabulary: Vocabulary) -> Catalogue:
    """Make the features of a shop.

    Parameters
    ----------
    vocabulary
        Which columns the shop fills, and which categories, channels, kinds, attributes and levels become features.

    Returns
    -------
    Mapping of str to Feature
        By name, in the order of the columns that `features.describe.describe` gives.
    """
    features = []
    for family, entries in groupby(ENTRIES, key=lambda entry: entry.family):
        together = list(entries)
        for value in _values(family, vocabulary):
            for entry in together:
                if not entry.needs or entry.needs in value.fills:
                    features += [
                        Feature(entry, window, value.value, value.level, value.in_name)
                        for window in entry.windows or ("",)
                    ]
    return {feature.name: feature for feature in features}


def feature_names(vocabulary: Vocabulary) -> list[str]:
    """Name the features of the NPS model, in the order of the columns that `describe` gives."""
    return list(catalogue_of(vocabulary))


def _values(family: Family | None, vocabulary: Vocabulary) -> Iterator[_Value]:
    """Give the values of a family in the order of the vocabulary; of no family the one that has no value."""
    if family is None:
        columns = {f"transactions.{name}" for name in vocabulary.purchase_columns}
        yield _Value(fills=frozenset(columns | ({"answers.question"} if vocabulary.question is not None else set())))
    elif family == KIND:
        for kind, name in _named(vocabulary.event_kinds):
            yield _Value(kind, in_name=name, fills=_filled_by(vocabulary.event_kinds[kind]))
    elif family == LEVEL:
        pairs = [(attribute, level) for attribute, levels in vocabulary.text_attributes.items() for level in levels]
        names = _distinct(f"{_slug(attribute)}_is_{_slug(level)}" for attribute, level in pairs)
        for (attribute, level), name in zip(pairs, names, strict=True):
            yield _Value(attribute, level, name)
    else:
        values = {
            CATEGORY: vocabulary.categories,
            CHANNEL: vocabulary.channels,
            NUMBER: vocabulary.numeric_attributes,
        }[family]
        for value, name in _named(values):
            yield _Value(value, in_name=name)


def _filled_by(extras: Iterable[str]) -> frozenset[str]:
    """Name what the features of a kind of event may need, by the optional columns of `Vocabulary.event_kinds`."""
    filled = {f"events.{name}" for name in extras}
    if "overdue" in extras:
        return frozenset({*filled, PROMISE})
    return frozenset({*filled, COMPLETION} if "due_at" in extras else filled)


def _named(values: Iterable[str]) -> list[tuple[str, str]]:
    values = list(values)
    return list(zip(values, _distinct(_slug(value) for value in values), strict=True))


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


# Columns of the described customers that are no features, or features of the purchase models alone.
_BESIDE = (
    ("customer_id", "the customer", "text"),
    ("as_of", "what was available before this date is described", "date"),
    ("first_purchase", "day of the first purchase", "date"),
    ("last_purchase", "day of the last purchase", "date"),
    ("spend_frequency", "days with a purchase of positive value after the first one", "number"),
    ("spend_value", "mean net value of these days; 0 where there are none", "money"),
    ("total_value", "net value of all purchase days", "money"),
)


def document() -> str:
    """Write the catalogue as Markdown: a table for each group, a row for each entry."""
    lines = [
        "# The features",
        "",
        "`python -m features.catalogue` writes this page from `features/entries.py`; do not edit it by hand.",
        "",
        "Each feature describes one customer by what was available before `as_of`. All are doubles. The NPS model and",
        "the second stage of the purchase models use every feature; personas use those marked in the last column.",
        "`<window>` is one of the windows given beside the meaning: `30d`, `90d` and `365d` reach back so many days",
        "from `as_of`, `ever` is everything visible. `<category>`, `<channel>`, `<kind>`, `<attribute>` and `<level>`",
        "stand for the values that the vocabulary holds. Every feature is null where its table is not given.",
        "",
        "With `publish_features = true` each scoring publishes them as `features.parquet` beside its scores: a row per",
        "customer, sorted by `customer_id`, with the columns below and these. The scorer needs `frequency`, `recency`,",
        "`T`, `spend_frequency` and `spend_value` of each row; any other feature may be missing or null.",
        "",
        "| name | meaning | unit |",
        "|---|---|---|",
        *(f"| `{name}` | {meaning} | {unit} |" for name, meaning, unit in _BESIDE),
    ]
    groups: dict[str, list[Entry]] = {}
    for entry in ENTRIES:
        groups.setdefault(entry.group or _BY_KIND, []).append(entry)
    for group, entries in groups.items():
        lines += ["", f"## {group[0].upper()}{group[1:]}", ""]
        lines += ["| name | meaning | unit | null when | needs | personas |", "|---|---|---|---|---|---|"]
        lines += [_row(entry) for entry in entries]
    return "\n".join([*lines, ""])


def _row(entry: Entry) -> str:
    value = "" if entry.family is None else entry.family.placeholder
    name = Feature(entry, "<window>" if entry.windows else "", value_in_name=value).name
    windows = f" ({', '.join(entry.windows)})" if entry.windows else ""
    use = "" if entry.persona is None else ", ".join(entry.persona.windows) or "yes"
    cells = [f"`{name}`", entry.meaning + windows, entry.unit, entry.null_when, entry.needs, use]
    return f"| {' | '.join(cells)} |"


def main(arguments: list[str]) -> str | None:
    """Write the document, or with ``--check`` only compare it: what is wrong with it, None where it is current."""
    if arguments == ["--check"]:
        current = DOCUMENT.read_text(encoding="utf-8") if DOCUMENT.exists() else ""
        if current != document():
            return f"{DOCUMENT} is not what the catalogue holds: run python -m features.catalogue to renew {DOCUMENT}"
        return None
    DOCUMENT.parent.mkdir(exist_ok=True)
    DOCUMENT.write_text(document(), encoding="utf-8")
    return None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
