"""What a library complains of is told, unless it repeats a word of what may hold a secret."""

import pytest

from data.secrecy.reasons import reason_of

PLACE = "postgresql://ann:s3%63ret@db.example/shop?x-y-z"


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ("The disk is slow.\nDETAIL: nothing", "The disk is slow"),
        ('connection to server at "db.example" failed', 'connection to server at "db.example" failed'),
        ('FATAL: password authentication failed for user "ann"', "password authentication failed"),
        ('database "shop" does not exist', "what was named there does not exist"),
        ("invalid value s3cret", "ValueError"),
        ("invalid value s3cr", "ValueError"),
        ("invalid value xs3cretx", "ValueError"),
        ('no such value: "x-y-z"', "ValueError"),
        ("", "ValueError"),
    ],
)
def test_a_line_that_repeats_a_secret_is_not_told(message, told):
    assert reason_of(ValueError(message), [PLACE], ["db.example"]) == told


def test_a_secret_of_the_environment_is_not_repeated_either(monkeypatch):
    monkeypatch.setenv("SHOP_TOKEN", "sesame")
    assert reason_of("the header says sesame") == "an unknown fault"
