"""Pseudonyms: HMAC-SHA-256 by the test cases of RFC 4231, and ids written as the intake writes them."""

import pytest

from data.pseudonyms import BYTES, CustomerKey, Protection, clean_id, is_pseudonym, make_key


@pytest.mark.parametrize(
    ("secret", "text", "digest"),
    [
        (b"\x0b" * 20, "Hi There", "b0344c61d8db38535ca8afceaf0bf12b"),
        (b"Jefe", "what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c7"),
    ],
)
def test_a_pseudonym_is_the_keyed_hash_of_rfc_4231(secret, text, digest):
    assert CustomerKey(secret).pseudonym(text) == f"p{digest}"


def test_the_pseudonym_of_a_pseudonym_is_itself_and_that_of_another_key_is_another():
    first, second = make_key(), make_key()
    assert len(first.secret) == BYTES
    pseudonym = first.pseudonym("C1")
    assert is_pseudonym(pseudonym)
    assert second.pseudonym(pseudonym) == pseudonym
    assert second.pseudonym("C1") != pseudonym
    assert first.fingerprint != second.fingerprint
    assert not is_pseudonym("C1")


def test_a_key_is_shown_nowhere():
    key = make_key()
    shown = f"{key} {key!r} {Protection(key)!r} {Protection(key).state}"
    assert key.secret.hex() not in shown
    assert repr(key.secret) not in shown


@pytest.mark.parametrize(
    ("text", "settings", "clean"),
    [
        ("\u00a0 C1\t", {}, "C1"),
        ("e\u0301", {}, "é"),
        ("AB", {"id_case": "fold"}, "ab"),
        ("1001.0", {"id_point_zero": "drop"}, "1001"),
        ("1001.0", {}, "1001.0"),
    ],
)
def test_an_id_is_cleaned_as_the_settings_say(text, settings, clean):
    assert clean_id(text, **settings) == clean
