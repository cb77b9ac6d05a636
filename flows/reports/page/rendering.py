"""How the page is written: one file of HTML that loads nothing, from the figures of a scoring and of a retraining."""

import base64
import hashlib
from collections.abc import Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from flows.reports.page.attention import attention
from flows.reports.page.headline import cards
from flows.reports.page.language import Language, Words
from flows.reports.page.pictures import specifications
from flows.reports.page.sentences.telling import sentence
from flows.reports.page.views import contents, of_current, sections
from models.charts.drawing import to_svg

Figures = Mapping[str, Any]

TEMPLATES = Path(__file__).parent / "templates"
TAGS: Mapping[Language, str] = {"en": "en", "ru": "ru", "zh": "zh-Hans"}


def write_page(
    score: Figures | None, retrain: Figures | None, language: Language = "en", current: Figures | None = None
) -> str:
    """Write the page.

    Parameters
    ----------
    score, retrain : Mapping or None
        Figures of a scoring and of the retraining of its scorer, at least one of them; what the other would show is
        left out.
    language : str
        One of `flows.reports.page.language.LANGUAGES`.
    current : Mapping or None
        Figures of the current scores, for the page of a retraining: it scores nobody, so that cohorts, RFM segments and
        lists are theirs, and say so.

    Returns
    -------
    str
        HTML. All that comes from data is escaped; a browser is told to load nothing and to run nothing.
    """
    now = score or retrain
    assert now is not None
    words = Words(language, now["currency"])
    drawn = {
        name: Markup(to_svg(spec, name, words.in_charts))  # noqa: S704
        for name, spec in specifications(score, retrain, words)
    }
    style = read_style()
    return (
        environment(language)
        .get_template("page.html")
        .render(
            policy=content_policy(style),
            style=Markup(style),  # noqa: S704 - it is the project's own file
            sections=[*sections(score, retrain, words), *of_current(current, words)],
            **shown(score, retrain, words, drawn),
            **_beside(current, words),
        )
    )


def shown(
    score: Figures | None, retrain: Figures | None, words: Words, pictures: Mapping[str, Markup]
) -> dict[str, Any]:
    """Give the templates of the page, and of the sections, what they show.

    Parameters
    ----------
    score, retrain
        As for `write_page`.
    words : Words
        How the language says things.
    pictures : Mapping of str to Markup
        HTML of each picture by name; one that is missing is left out.
    """
    now = score or retrain
    assert now is not None
    items = [
        _said(item.told(), words) if item.is_foreign else {"text": item.told(words.gettext), "tag": Markup("")}
        for item in attention(score, retrain)
        if not (item.is_summary and words.language == "en")
    ]
    return {
        "score": score,
        "retrain": retrain,
        "now": now,
        "pictures": _Pictures(pictures),
        "cards": cards(now, words),
        "attention": items,
        **writers(words),
        **contents(score, retrain, words),
    }


def writers(words: Words) -> dict[str, Any]:
    """Give the templates what writes numbers, dates and names in a language."""
    return {
        "language_tag": TAGS[words.language],
        "said": partial(_said, words=words),
        "foreign": Markup("") if words.language == "en" else Markup(' lang="en"'),
        "day": words.day,
        "month": words.month,
        "num": words.number,
        "signed": words.signed,
        "pct": words.percent,
        "signed_pct": words.signed_percent,
        "money": words.money,
        "interval": words.interval,
        "two_digits": partial(words.number, digits=2),
        "four_digits": partial(words.number, digits=4),
        "told": words.told,
        "persona": words.persona,
    }


def _beside(current: Figures | None, words: Words) -> dict[str, Any]:
    """Give the templates what they show of the current scores beside a retraining."""
    if current is None:
        return {}
    grids, names = contents(current, None, words), ("cohort_grids", "groupings", "grids_of", "rfm_grid")
    return {"score_beside": current, **{name: grids[name] for name in names}}


def _said(text: str, words: Words) -> dict[str, str]:
    """Tell a sentence of a run, and the attribute that says it is in English where no pattern of the language fits."""
    told = sentence(text, words)
    return {"text": text if told is None else told, "tag": Markup("") if told is not None else Markup(' lang="en"')}


def content_policy(style: str) -> str:
    """Give the Content-Security-Policy of a page whose only style is this one: nothing else may load or run."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return (
        f"default-src 'none'; style-src 'sha256-{digest}'; img-src 'none'; script-src 'none'; "
        "base-uri 'none'; form-action 'none'"
    )


class _Pictures(dict[str, Markup]):
    """Pictures by name; one that the figures do not allow is empty."""

    def __missing__(self, name: str) -> Markup:
        return Markup("")


@lru_cache
def read_style() -> str:
    """Read the style of the page."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


@lru_cache
def environment(language: Language, *own: Path) -> Environment:
    """Give the environment of templates in a language; those of other folders come before those of the page."""
    environment = Environment(
        loader=FileSystemLoader([*own, TEMPLATES]),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.install_gettext_translations(Words(language).catalogue, newstyle=True)  # type: ignore[attr-defined]
    return environment
