"""Nothing in a comment tells who wrote it, whatever its length, and markup is not what it says."""

from time import perf_counter

import pytest

from models.segments.topics.masking import masked, without_personal
from models.segments.topics.words import plain_words


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Пишите: ivan.petrov+shop@mail.example.ru!", "Пишите: [e-mail]!"),
        ("me(at)example.com or me @ example.com", "[e-mail] or [e-mail]"),
        ("I am @ivan_petrov, see t.me/ivan", "I am [name], see [link]"),
        ("see https://shop.example/o?id=77&k=a1 or www.example.com/me", "see [link] or [link]"),
        ("звоните +7 (912) 345-67-89 вечером", "звоните [number] вечером"),
        ("12-34-56 is my number", "[number] is my number"),
        ("ligue 11 98765-4321", "ligue [number]"),
        ("card 4111 1111 1111 1111, 4111_1111_1111_1111, 4111‑1111‑1111‑1111", "card [number], [number], [number]"),
        ("Bestellung 4029357733", "Bestellung [number]"),
        ("order no.12345, 3 items for 1499", "order no.[number], 3 items for 1499"),
        (
            "order #482 and №4822, Заказ 4823, order no. 4824",
            "order [number] and [number], Заказ [number], order no. [number]",
        ),
        ("parcel AB-4821 or A1B2C3D4", "parcel [number] or [number]"),
        ("2 of 3 in 2023 for 1500, no 500, 5/5", "2 of 3 in 2023 for 1500, no 500, 5/5"),
        ("\x1b[2Jlate\x00 &#27;[31mand \u202erude", "[2Jlate [31mand rude"),
        ("two\n\n lines\tof it", "two lines of it"),
        ("call 555 1234 567 or mail a@b.com", "call [number] or mail [e-mail]"),
        ('<p class="x"><b>Fast</b>&nbsp;&amp; good<br/><3</p>', "Fast & good <3"),
    ],
)
def test_personal_data_and_markup_are_hidden(written, shown):
    assert masked(written) == shown
    left = without_personal(written)
    assert not any(name in left for name in ("petrov", "ivan", "4111", "4821", "482", "98765", "class"))


@pytest.mark.parametrize(
    "long", ["a" * 20_000, "." * 20_000, "<" * 20_000, "1a" * 10_000, "a@" * 10_000, "a." * 10_000]
)
def test_a_long_comment_without_spaces_takes_no_time(long):
    begun = perf_counter()
    masked(long)
    plain_words([long])
    assert perf_counter() - begun < 0.5


def test_emoji_markup_and_accounts_are_no_words():
    assert plain_words(["❤️ good", "1️⃣ ☀️", "<br/>late&nbsp;<b>again</b>", "@ivan_petrov AB-4821 helped"]) == [
        "good",
        "",
        "late again",
        "helped",
    ]
