"""A secret anywhere in a URL, a path or a value is not shown, however it is written; what names the place is."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from data.secrecy.location import Location
from data.secrecy.showing import ShownUrl, describe, looks_like_address, shown_location, shown_url
from models.registry.location import shown_uri

SIGNS = st.text("/#@?:[]%&= .;\\", max_size=3)
WORDS = st.sampled_from(["Zq9sesame", "kX7wonder", "Pw4open"])
# A secret of words between signs that mean something in a URL.
SECRETS = st.builds("{}{}{}{}".format, WORDS, SIGNS, WORDS, SIGNS)
SCHEMES = st.sampled_from(
    ["http", "https", "postgresql", "postgresql+psycopg2", "mysql", "s3", "sqlite", "sc", "pigeon"]
)
PLACES = st.sampled_from(["db.example", "db.example:5432", "127.0.0.1", "[::1]:80", "a.example,b.example:5433"])
WITH_SCHEME = (
    "{scheme}://me:{secret}@{place}/shop",
    "{scheme}://{secret}:pw@{place}/shop",
    "{scheme}://{secret}@{place}",
    "{scheme}://me:{secret}",
    "{scheme}://{place}/shop?token={secret}",
    "{scheme}://{place}?user=me&password={secret}",
    "{scheme}://{place}/shop#{secret}",
    "{scheme}://{place}/;token={secret}",
    "{scheme}://me:{secret}@{place}/shop?sslmode=require#top",
    "{scheme}:/me:{secret}@{place}/shop",
    "{scheme}:me:{secret}@{place}/shop",
    "{secret}://{place}",
)
WITHOUT_SCHEME = (
    "me:{secret}@{place}/shop",
    "{secret}@{place}/shop",
    "me:{secret}@{scheme}://{place}",
    "{place}/shop?token={secret}",
    "{place}#{secret}",
    "//me:{secret}@{place}/shop",
)
FORMS = st.sampled_from([*WITH_SCHEME, *WITHOUT_SCHEME])
URLS = st.builds(lambda form, **parts: form.format(**parts), FORMS, scheme=SCHEMES, place=PLACES, secret=SECRETS)


def words_in(text):
    return [word for word in ("Zq9sesame", "kX7wonder", "Pw4open") if word in text]


@given(URLS)
@example("postgresql://user:123?Zq9sesame@host")
@example("sqlite://user:Zq9sesame@host/x")
def test_no_word_of_a_secret_is_shown_of_a_url(url):
    location = Location(url)
    for shown in (shown_location(url), shown_uri(url), str(location), repr(location), f"{location}", describe(url)):
        assert words_in(shown) == []


@given(URLS)
def test_a_url_with_a_secret_looks_like_an_address(url):
    assert looks_like_address(url)


@pytest.mark.parametrize(
    "text", ["nps", "Order#No", "is it good?", "owner: Ann", "50 % off; see https://wiki.example/nps"]
)
def test_a_name_or_a_sentence_looks_like_none(text):
    assert not looks_like_address(text)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h.example:81/a/b.csv?token=x#y", ShownUrl("https", "h.example:81/***/b.csv", True, True)),
        ("https://h.example/b.csv.gz", ShownUrl("https", "h.example/b.csv.gz")),
        ("postgresql://me@db:5432/shop", ShownUrl("postgresql", "db:5432/***", True)),
        ("postgresql://me:a/b@db/shop", ShownUrl("postgresql", "***", True)),
        ("postgresql://me:a#b@db/shop", ShownUrl("postgresql", "***", True, True)),
        ("postgresql://me:123?45@db", ShownUrl("postgresql", "***", True, True)),
        ("http://me:sesame", ShownUrl("http", "***")),
        ("postgresql:///shop", ShownUrl("postgresql", "/***")),
        ("sc://h:15002/;token=abc", ShownUrl("sc", "h:15002/***")),
        ("gopher://h/x", ShownUrl("***", "***")),
    ],
)
def test_of_a_url_known_parts_are_shown(url, shown):
    assert shown_url(url) == shown


def test_of_a_server_that_answers_the_path_is_shown():
    assert shown_url("http://h:5000/base", is_known=True).place == "h:5000/base"
    assert shown_url("http://h:5000/base;x", is_known=True).place == "h:5000/***"


def test_of_a_path_is_shown_what_is_there_and_the_name_of_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "till@home.db").touch()
    for path, shown in (
        ("till@home.db/orders", "till@home.db/***"),
        (f"sqlite:///{tmp_path}/till@home.db", f"sqlite:///{tmp_path}/till@home.db"),
        (f"{tmp_path}/sales/*.csv", f"{tmp_path}/***/*.csv"),
        ("sales.csv", "sales.csv"),
        ("sesame", "***"),
        ("a/b/c/sesame", "***"),
        ("sesame\0.csv", "***"),
    ):
        assert shown_location(path) == shown


@pytest.mark.parametrize(
    ("value", "told"),
    [
        (0, "0"),
        ("1.5", "'1.5'"),
        (True, "true"),
        ("ninty", "a text of 5 characters"),
        ("x", "a text of 1 character"),
        (12345678, "a number of 8 characters"),
        pytest.param(10**5000, "a number of thousands of digits", id="huge"),
        ("12345678", "a text of 8 characters"),
        (["sesame"], "a list of 1"),
        ({"sesame": 1}, "a section of 1"),
    ],
)
def test_of_a_wrong_value_its_kind_is_told(value, told):
    assert describe(value) == told
