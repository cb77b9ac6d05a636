"""The languages: every message has a translation, and no English message is left in a translated page."""

import re
from pathlib import Path

import pytest
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po

import flows.app
from features.entries import ENTRIES
from features.measures.engagement import EVENT_MEASURES
from features.measures.repurchase import PURCHASE_MEASURES
from features.measures.survey import answer_measures
from flows.reports.page.language import CATALOGUES, Words
from flows.reports.page.readings import NPS_READINGS
from flows.reports.page.rendering import write_page
from flows.reports.page.sentences.telling import sentence
from models.scoring.columns import CATEGORIES
from models.segments.segment_names import SEGMENTS
from tests.flows.reports.page.test_rendering import Page

ROOMS = (CATALOGUES.parent, Path(flows.app.__file__).parent)
METHODS = [("templates/**.html", "jinja2.ext:babel_extract"), ("**.py", "python")]
OPTIONS = {"templates/**.html": {"trimmed": "true", "silent": "false"}}
# What is the same in every language.
SAME = {"NPS", "MAE", "AUC", "PSI", "gamma"}


def messages() -> set[str]:
    found = (extract_from_dir(room, method_map=METHODS, options_map=OPTIONS) for room in ROOMS)
    return {message for of_room in found for _, _, message, _, _ in of_room}


def names() -> set[str]:
    """Names of the figures that the page shows and the project itself gives."""
    measures = (*answer_measures("nps", "csat"), *PURCHASE_MEASURES, *EVENT_MEASURES)
    uses = [entry.persona for entry in ENTRIES if entry.persona is not None]
    words = {word for use in uses for word in (use.much, use.little) if word and "{" not in word}
    readings = {reading for _, reading in NPS_READINGS} | {"needs improvement"}
    groups = {entry.group for entry in ENTRIES if entry.group}
    return {measure.title for measure in measures} | words | readings | groups | set(SEGMENTS) | set(CATEGORIES)


@pytest.mark.parametrize("language", ["ru", "zh"])
def test_every_message_and_every_name_has_a_translation_with_the_same_places(language):
    with Path(CATALOGUES / f"{language}.po").open("rb") as file:
        translated = {entry.id: entry for entry in read_po(file) if entry.id}
    assert messages() | names() <= set(translated)
    assert len(messages()) > 200
    for message, entry in translated.items():
        assert entry.string
        assert not entry.fuzzy
        assert sorted(re.findall(r"%\(\w+\)s|%%", message)) == sorted(re.findall(r"%\(\w+\)s|%%", entry.string))


@pytest.mark.parametrize(("language", "letters"), [("ru", "[а-яё]"), ("zh", "[\u4e00-\u9fff]")])
def test_a_translated_page_shows_no_message_in_english(figures, language, letters):
    score, retrain = figures()
    page, english = (Page(write_page(score, retrain, each)) for each in (language, "en"))
    told = Words(language).catalogue
    known = {message for message in messages() | names() if "%" not in message and told.gettext(message) != message}
    assert known & set(page.texts) == set()
    assert len(known & set(english.texts)) > 120
    labels = [attributes["aria-label"] for _, attributes in page.tags if "aria-label" in attributes]
    assert all(re.search(letters, label) or label in SAME for label in labels)
    tag = dict(page.tags)["html"]["lang"]
    assert tag.startswith(language)


# Sentences of runs as they are kept with them, in each of which something else is told.
WRITTEN = (Path(__file__).parent / "sentences.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("language", ["ru", "zh"])
def test_sentences_that_runs_write_are_told_in_the_language(figures, language):
    words = Words(language, "EUR")
    assert [text for text in WRITTEN if sentence(text, words) is None] == []
    assert sentence("transactions: something that no catalogue holds", words) is None
    score, retrain = figures()
    page, of_retrain = Page(write_page(score, retrain, language)), Page(write_page(None, retrain, language, score))
    for shown in (page, of_retrain):
        assert [name for name, attributes in shown.tags if attributes.get("lang") == "en"] == []
    assert score["cohort_groups"][0]["rows"]
    sections = {attributes.get("id") for name, attributes in of_retrain.tags if name == "details"}
    assert {"cohorts", "rfm", "actions"} <= sections


def test_numbers_in_sentences_are_written_as_the_language_does():
    russian = sentence("1,956.91 bought so far", Words("ru"))
    assert russian == "куплено на 1\u00a0956,91"


def test_numbers_dates_and_money_are_written_as_the_language_does():
    english, russian, chinese = (Words(language, "EUR") for language in ("en", "ru", "zh"))
    assert english.number(1234.56, 1) == "1,234.6"
    assert russian.number(1234.56, 1) == "1\u00a0234,6"
    assert (english.number(-0.04, 1), english.signed(0.04), english.signed(-2.0)) == ("0.0", "0.0", "−2.0")
    assert (english.percent(0.123), russian.percent(0.123), chinese.percent(0.123)) == (
        "12.3\u00a0%",
        "12,3\u00a0%",
        "12.3%",
    )
    assert english.money(99999.7) == "100,000\u00a0EUR"
    assert (english.day("2024-03-01"), chinese.day("2024-03-01")) == ("Mar 1, 2024", "2024年3月1日")
    assert russian.day("2024-03-01") == "1 мар. 2024"
    months = [each.month("2024-03") for each in (english, russian, chinese)]
    assert months == ["Mar 2024", "март 2024", "2024年3月"]
    assert english.number(None) == english.interval(None, 1.0) == "–"
    assert russian.persona("frequent, low spending") == "частые, малые траты"
    assert russian.told("my own name") == "my own name"
