"""How a page of the app is written: the templates of the report inside a frame with its navigation."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

from markupsafe import Markup

from flows.app.reading.edition import Edition
from flows.app.told import _
from flows.reports.page.language import LANGUAGES, Language, Words
from flows.reports.page.pictures import specifications
from flows.reports.page.rendering import environment, read_style, shown, writers
from models.charts.style import Spec

TEMPLATES = Path(__file__).parent / "templates"
_LANGUAGE_NAMES: Mapping[Language, str] = {"en": "English", "ru": "Русский", "zh": "中文"}


# Pages by their place below the language, as the navigation names them.
PAGES: Mapping[str, str] = {
    "": _("Base"),
    "segments": _("Segments"),
    "cohorts": _("Cohorts"),
    "customers": _("Customers"),
    "lists": _("Action lists"),
    "versions": _("Versions"),
}


@dataclass(frozen=True)
class Asked:
    """What a request asks for.

    Attributes
    ----------
    language : str
        Of the page.
    place : str
        Below the language.
    fields : Mapping of str to str
        Of the address.
    """

    language: Language
    place: str
    fields: Mapping[str, str]

    @property
    def words(self) -> Words:
        """How the language says things, without a currency."""
        return Words(self.language)

    def address(self, place: str, fields: Mapping[str, str] | None = None, language: Language | None = None) -> str:
        """Give the address of a page."""
        query = f"?{urlencode(fields)}" if fields else ""
        return f"/{language or self.language}/{place}{query}"


def write(template: str, asked: Asked, edition: Edition | None, *, has_figures: bool = False, **more: Any) -> str:
    """Write a page.

    Parameters
    ----------
    template : str
        Its file.
    asked : Asked
        What is asked for.
    edition : Edition or None
        The version of the scores that is shown; None where there is none.
    has_figures : bool
        Whether the template shows figures of the report.
    **more
        What it shows beside them.
    """
    words = words_of(edition, asked.language)
    context: dict[str, Any] = writers(words)
    if has_figures and edition is not None and edition.score is not None:
        pictures = {name: _image(asked, edition, name) for name in specifications_of(edition, asked.language)}
        context = shown(edition.score, edition.retrain, words, pictures)
    languages = [
        {"tag": each, "name": _LANGUAGE_NAMES[each], "address": asked.address(asked.place, asked.fields, each)}
        for each in LANGUAGES
    ]
    navigation = [
        {
            "name": words.gettext(name),
            "address": asked.address(place),
            "is_here": place == asked.place or (place == "customers" and asked.place == "customer"),
        }
        for place, name in PAGES.items()
    ]
    context |= {
        "asked": asked,
        "edition": edition,
        "languages": languages,
        "navigation": navigation,
        "address": asked.address,
        **more,
    }
    return environment(asked.language, TEMPLATES).get_template(template).render(context)


def compile_templates() -> None:
    """Compile the pages of each language, before somebody waits for it."""
    for language in LANGUAGES:
        templates = environment(language, TEMPLATES)
        for file in sorted(TEMPLATES.glob("*.html")):
            templates.get_template(file.name)


def words_of(edition: Edition | None, language: Language) -> Words:
    """Give how a language says things, with the currency of an edition."""
    return Words(language, None if edition is None else edition.metadata.get("currency") or None)


@lru_cache(maxsize=2 * len(LANGUAGES))
def specifications_of(edition: Edition, language: Language) -> Mapping[str, Spec]:
    """Give the charts of the report by name."""
    if edition.score is None:
        return {}
    return dict(specifications(edition.score, edition.retrain, words_of(edition, language)))


def image(address: str) -> Markup:
    """Give the element of a picture that a table beside it tells in numbers; it is fetched when it is seen."""
    return Markup('<img class="chart" alt="" loading="lazy" src="{}">').format(address)


def _image(asked: Asked, edition: Edition, name: str) -> Markup:
    return image(asked.address(f"picture/{edition.number}/{name}.svg"))


@lru_cache
def style() -> str:
    """Read the style: that of the report, and what the app adds."""
    return read_style() + (TEMPLATES / "app.css").read_text(encoding="utf-8")
