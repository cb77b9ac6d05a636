import numpy as np

from models.segments.topics.words import SAME_WORD, count_words, plain_words


def test_only_words_are_left_in_any_writing():
    assert plain_words(
        ["Don't — ХОРОШО!! Ёлка №5, naïve", "हिन्दी में", "Größe: XL", "a@b.com 8-800-555-35-35", "?!"]
    ) == [
        "don t хорошо ёлка naïve",
        "हिन्दी में",
        "größe xl",
        "",
        "",
    ]
    # The same letter written as one sign or as two is one letter.
    assert plain_words(["re\u0301sume\u0301"]) == plain_words(["résumé"]) == ["résumé"]


def dice(one, other):
    grams = [{f" {word}"[place : place + 3] for place in range(len(word) - 1)} for word in (one, other)]
    return 2 * len(grams[0] & grams[1]) / (len(grams[0]) + len(grams[1]))


FORMS = [
    ("доставка", "доставку", "доставкой", "доставили"),
    ("курьер", "курьера", "курьером"),
    ("delivery", "deliveries", "delivered"),
    ("quality",),
    ("quantity",),
    ("lieferung", "lieferungen"),
    ("entrega", "entregue", "entregaram"),
    ("staff",),
    ("start",),
]


def test_forms_of_a_word_are_counted_together():
    texts = [f"{form} {form}" for forms in FORMS for times, form in enumerate(reversed(forms), 2) for _ in range(times)]
    counts = count_words(texts)
    assert set(counts.families) == {forms[0] for forms in FORMS}
    for forms in FORMS:
        assert len({counts.family_of[form] for form in forms}) == 1
        assert all(dice(forms[0], form) >= SAME_WORD for form in forms)
    assert dice("staff", "start") < SAME_WORD
    assert dice("quality", "quantity") < SAME_WORD


def test_the_counts_are_those_of_a_look_at_every_comment():
    texts = ["ёлка большая", "елка и ёлки", "большой стол", "столы столы", "", "одинокое слово", "и а"]
    counts = count_words(texts, without=frozenset({"и"}))
    # Words of one text only are left out, even where they are forms of one that is not; so are single letters.
    assert counts.families.tolist() == []
    counts = count_words(texts * 2, without=frozenset({"и"}))
    assert sorted(counts.families) == ["большая", "елка", "одинокое", "слово", "стол"]
    expected = {
        "елка": [1, 1, 0, 0, 0, 0, 0],
        "большая": [1, 0, 1, 0, 0, 0, 0],
        "стол": [0, 0, 1, 1, 0, 0, 0],
        "одинокое": [0, 0, 0, 0, 0, 1, 0],
        "слово": [0, 0, 0, 0, 0, 1, 0],
    }
    for column, word in enumerate(counts.families):
        assert counts.comments[:, column].toarray().ravel().tolist() == expected[word] * 2


def test_the_order_of_the_comments_changes_nothing_but_itself():
    texts = ["доставка опоздала", "опоздали с доставкой", "цена цены", "цены опоздания", "доставкой"] * 3
    order = np.random.default_rng(0).permutation(len(texts))
    one, other = count_words(texts), count_words([texts[row] for row in order])
    assert one.families.tolist() == other.families.tolist()
    assert one.family_of == other.family_of
    assert (one.comments[order] != other.comments).nnz == 0


def test_comments_without_words_have_no_words():
    counts = count_words(["", "", "я"])
    assert counts.comments.shape == (3, 0)
    assert counts.family_of == {}
