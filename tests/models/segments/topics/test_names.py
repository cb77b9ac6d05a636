import numpy as np

from models.segments.topics.names import topic_examples, topic_name
from models.segments.topics.words import count_words, plain_words

SMALL = frozenset({"не", "на", "и", "в"})
COMMENTS = [
    *["Сайт не работает!", "сайт не работает и оплата не проходит", "Опять не работает оплата на сайте"] * 4,
    *["доставка быстрая", "быстрая доставка и вежливый курьер", "в магазине вежливый продавец"] * 4,
]


def counted():
    texts = plain_words(COMMENTS)
    return texts, count_words(texts, SMALL)


def weights_of(counts, **weight):
    return np.array([weight.get(str(family), 0.0) for family in counts.families])


def test_a_topic_is_named_by_its_most_telling_words_as_people_write_them():
    texts, counts = counted()
    members = np.arange(12)
    # Comments with the word x log odds: сайт 12 x 2 = 24, работает 12 x 1.9 = 22.8, оплата 8 x 2 = 16, опять 4 x 2.
    weights = weights_of(counts, сайт=2.0, работает=1.9, оплата=2.0, опять=2.0)
    assert topic_name(texts, counts, members, weights, SMALL) == "сайт, не работает, оплата"
    # Forms are one word, and stand as they are written most: "сайт" 8 times, "сайте" 4 times.
    assert counts.family_of["сайте"] == counts.family_of["сайт"]
    # "оплата не" is as frequent as "работает оплата", and says nothing.
    assert topic_name(texts, counts, members, weights_of(counts, оплата=2.0), SMALL) == "работает оплата"
    assert topic_name(texts, counts, members, weights_of(counts, проходит=2.0), SMALL) == "не проходит"


def test_two_words_that_usually_come_together_are_one_part_of_the_name():
    texts, counts = counted()
    weights = weights_of(counts, вежливый=2.0, доставка=1.9, быстрая=1.8, курьер=0.5)
    # "вежливый курьер" and "вежливый продавец" are four of the eight each.
    name = topic_name(texts, counts, np.arange(12, 24), weights, SMALL)
    assert name.split(", ")[0] in {"вежливый курьер", "вежливый продавец"}
    assert topic_name(texts, counts, np.arange(12, 24), weights, SMALL) == name
    assert sum("быстрая" in part for part in name.split(", ")) == 1


def test_comments_of_one_word_have_names_of_one_word():
    texts = ["дорого"] * 3 + ["доставка"] * 3
    counts = count_words(texts)
    assert topic_name(texts, counts, np.arange(3), weights_of(counts, дорого=2.0), SMALL) == "дорого"


def test_examples_are_typical_short_different_and_masked():
    comments = [
        "site down",
        "site down again",
        "payment failed on the site, write to me@shop.example or +49 170 1234567",
        "site " + "and so much that has nothing to do with it " * 5,
        "payment page is slow",
        "payment page is slow!",
        "payment",
    ]
    counts = count_words(plain_words(comments) * 2)
    weights = np.array([{"site": 3.0, "payment": 2.9, "down": 2.0}.get(word, 0.0) for word in counts.families])
    weight = np.asarray(counts.comments[: len(comments)] @ weights)
    examples = topic_examples(comments, counts, np.arange(len(comments)), weight)
    assert len(examples) == 3
    assert examples[0] == "site down"  # 5 for at least four words
    assert "payment failed on the site, write to [e-mail] or [number]" in examples
    assert not {"site down again", comments[3]} & set(examples)
    assert len({"payment page is slow", "payment page is slow!"} & set(examples)) <= 1


def test_a_long_comment_is_cut_at_a_word_where_there_is_no_shorter_one():
    comments = ["late delivery " * 20]
    counts = count_words(plain_words(comments) * 2)
    (example,) = topic_examples(comments, counts, np.array([0]), np.array([1.0]))
    assert len(example) <= 160
    assert example.endswith(("late…", "delivery…"))
