"""Sentences that runs write in English, told in the other languages of the page.

A run tells what it decided where it decided it, and keeps that with its figures. The catalogues hold these sentences as
patterns with named places, in the context "run"; a sentence is taken apart into patterns that it is made of, and what
stands in their places is told as the language does: numbers, names, and patterns once more. What no pattern fits stays
as the run wrote it.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from babel.messages.pofile import read_po

from flows.reports.page.language import CATALOGUES, Language

if TYPE_CHECKING:
    from flows.reports.page.language import Words

CONTEXT = "run"
_PLACE = re.compile(r"%\((\w+)\)s")
# What stands between the parts that a sentence is made of, and after which of their signs.
_BETWEEN = re.compile(r"(?<=\.) |; |: | (?=Put )|\n")
_AMOUNT = re.compile(r"([-+−]?)(\d[\d,]*)(?:\.(\d+))?( ?%)?")
_DAY = re.compile(r"\d{4}-\d\d-\d\d")
# Places whose names begin so hold numbers, with and without a sign of percent.
_NUMBER, _SHARE = r"[-+−]?\d[\d,]*(?:\.\d+)?", r"[-+−]?\d[\d,]*(?:\.\d+)?(?: ?%)?|unknown"
# Others hold a name, and those of these names what is told by patterns.
_NAME, _WIDE = (
    r"(?:(?!; |: |\. |\n).)+?",
    frozenset(("why", "told", "findings", "losses", "purchases", "how", "measured")),
)
_DEEPEST = 6


@dataclass(frozen=True)
class _Pattern:
    """A sentence with places: how it is recognised, how it is told, and how many of its letters are its own."""

    shape: re.Pattern[str]
    told: str
    own: int


def sentence(text: str, words: "Words") -> str | None:
    """Tell a sentence of a run in the language of the page; None where the catalogue does not hold all of it.

    Parameters
    ----------
    text
        The sentence, or several.
    words
        How the language says things.
    """
    return text if words.language == "en" else _parts(text, words, 0)


def _parts(text: str, words: "Words", depth: int) -> str | None:
    """Tell a text by the longest part of it that a pattern fits, and what follows."""
    whole = _one(text, words, depth)
    if whole is not None or depth > _DEEPEST:
        return whole
    for found in reversed(list(_BETWEEN.finditer(text))):
        first = _one(text[: found.start()], words, depth)
        rest = text[found.end() :]
        if first is None:
            continue
        if found[0] == "\n":
            # Lines to paste are the same in every language.
            return f"{first}\n{rest}"
        following = _parts(rest, words, depth)
        if following is not None:
            return f"{first}{_as_written(found[0], words.language)}{following}"
    return None


def _one(text: str, words: "Words", depth: int) -> str | None:
    for pattern in patterns(words.language):
        found = pattern.shape.fullmatch(text)
        if found is None:
            continue
        places = {name: _place(name, value, words, depth) for name, value in found.groupdict().items()}
        if None not in places.values():
            return pattern.told % places
    if not text.endswith("."):
        return None
    told = _one(text[:-1], words, depth)
    return told and told + ("。" if words.language == "zh" else ".")


def _place(name: str, value: str, words: "Words", depth: int) -> str | None:
    amount = _AMOUNT.fullmatch(value)
    if amount is not None:
        sign, whole, decimals, percent = amount.groups(default="")
        digits = words.exact(float(f"{whole.replace(',', '')}.{decimals or 0}"), len(decimals))
        return f"{sign.replace('-', '−')}{digits}{percent and words.percent_sign}"
    if _DAY.fullmatch(value):
        with suppress(ValueError):
            return words.day(value)
    known = words.told(value)
    if known != value:
        return known
    told = _parts(value, words, depth + 1) if depth < _DEEPEST else None
    return value if told is None and name not in _WIDE else told


def _as_written(between: str, language: Language) -> str:
    return {"; ": "；", ": ": "：", " ": ""}.get(between, between) if language == "zh" else between


@lru_cache
def patterns(language: Language) -> tuple[_Pattern, ...]:
    """Read the patterns of a language, those with most letters of their own first."""
    with (CATALOGUES / f"{language}.po").open("rb") as file:
        entries = [entry for entry in read_po(file, locale=language) if entry.id and entry.context == CONTEXT]
    found = [_Pattern(_shape(str(entry.id)), str(entry.string), _own(str(entry.id))) for entry in entries]
    return tuple(sorted(found, key=lambda pattern: -pattern.own))


def _own(message: str) -> int:
    return len(_PLACE.sub("", message))


def _shape(message: str) -> re.Pattern[str]:
    parts = _PLACE.split(message.replace("%%", "%"))
    written = [re.escape(part) for part in parts]
    for k in range(1, len(parts), 2):
        other = ".+?" if parts[k] in _WIDE else _NAME
        kind = {"n": _NUMBER, "v": _SHARE, "name": "[^()]+?"}.get(parts[k].rstrip("0123456789"), other)
        written[k] = f"(?P<{parts[k]}>{kind})"
    return re.compile("".join(written), re.DOTALL)
