"""A secret anywhere in a URL is not shown, however the URL is written; what names the place is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from data.intake.sources import redact
from data.redaction import HIDDEN, ShownUrl, shown_url
from models.registry.location import secret_words, without_secrets

SIGNS = st.text("/#@?:[]%&= .", max_size=3)
WORDS = st.sampled_from(["Zq9sesame", "kX7wonder", "Pw4open"])
# A secret of words between signs that mean something in a URL.
SECRETS = st.builds("{}{}{}{}".format, WORDS, SIGNS, WORDS, SIGNS)
SCHEMES = st.sampled_from(["http", "https", "postgresql", "postgresql+psycopg2", "mysql", "s3", "carrier-pigeon"])
PLACES = st.sampled_from(["db.example", "db.example:5432", "127.0.0.1", "[::1]:80", "a.example,b.example:5433"])
FORMS = st.sampled_from(
    [
        "{scheme}://me:{secret}@{place}/shop",
        "{scheme}://{secret}:pw@{place}/shop",
        "{scheme}://{secret}@{place}",
        "{scheme}://{place}/shop?token={secret}",
        "{scheme}://{place}?user=me&password={secret}",
        "{scheme}://{place}/shop#{secret}",
        "{scheme}://me:{secret}@{place}/shop?sslmode=require#top",
        "me:{secret}@{place}/shop",
        "me:{secret}@{scheme}://{place}",
    ]
)


@given(FORMS, SCHEMES, PLACES, SECRETS)
def test_no_word_of_a_secret_is_shown(form, scheme, place, secret):
    url = form.format(scheme=scheme, place=place, secret=secret)
    for shown in (redact(url), without_secrets(url)):
        assert not [word for word in ("Zq9sesame", "kX7wonder", "Pw4open") if word in shown]
    assert any(word in each for each in secret_words(url) for word in ("Zq9sesame", "kX7wonder", "Pw4open"))


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("https://u:p@h.example:81/a/b.csv?token=x#y", ShownUrl("https", "h.example:81/a/b.csv", True, True)),
        ("postgresql://me:a/b@db/shop", ShownUrl("postgresql", "db/shop", True)),
        ("postgresql://me:a#b@db/shop", ShownUrl("postgresql", HIDDEN, True, True)),
        ("sqlite:////srv/a@b/mlflow.db", ShownUrl("sqlite", "//srv/a@b/mlflow.db")),
        ("http://me:sesame", ShownUrl("http", HIDDEN)),
        ("postgresql:///shop", ShownUrl("postgresql", "/shop")),
        ("/srv/mlruns", ShownUrl("", "/srv/mlruns")),
    ],
)
def test_what_names_the_place_is_shown(url, shown):
    assert shown_url(url) == shown
