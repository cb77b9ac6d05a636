import numpy as np

from models.segments.topics.function_words import FUNCTION_WORDS, NEGATIONS
from models.segments.topics.languages import languages

EN = ["the parcel was late and nobody told me", "it is a good shop with low prices", "i will not order from you again"]
DE = [
    "das paket war zu spät und niemand hat es mir gesagt",
    "es ist ein guter laden",
    "ich bestelle nicht mehr bei euch",
]
PT = ["o produto não chegou até agora", "muito bom e com preço justo", "recomendo a loja para todos"]
RU = ["посылка опоздала и мне не сказали", "это хороший магазин", "я больше не буду заказывать это уже слишком"]
UK = ["посилка запізнилася і мені не сказали", "це дуже гарний магазин", "це вже не той магазин що був"]
EL = ["το δέμα άργησε", "καλό μαγαζί"]


def test_comments_are_told_apart_by_their_small_words_and_their_writing():
    texts = [*EN, *DE, *PT, *RU, *UK, *EL, ""]
    expected = ["en"] * 3 + ["de"] * 3 + ["pt"] * 3 + ["ru"] * 3 + ["uk"] * 3 + ["GREEK"] * 2 + [""]
    assert languages(texts, fewest=2).tolist() == expected


def test_a_comment_without_small_words_goes_by_its_other_words():
    texts = EN * 20 + DE * 20 + ["late parcel", "paket spät", "good shop", "guter laden"]
    assert languages(texts, fewest=10)[-4:].tolist() == ["en", "de", "en", "de"]
    # Of words nobody has seen, the language most comments are in is the best guess.
    assert languages([*EN * 20, *DE * 30, "xyzzy"], fewest=10)[-1] == "de"


def test_a_rare_language_is_given_to_the_others_of_its_writing():
    assert set(languages([*EN * 20, *DE], fewest=10)) == {"en"}
    assert set(languages([*EN * 20, *DE * 4, *RU], fewest=10)) == {"en", "de", "CYRILLIC"}
    assert set(languages(["ok", "super", "xyzzy"], fewest=1)) == {"LATIN"}


def test_the_order_of_the_comments_changes_nothing_but_itself():
    texts = EN * 15 + DE * 12 + RU * 11 + ["late", "ok", ""]
    order = np.random.default_rng(0).permutation(len(texts))
    assert languages([texts[row] for row in order], 10).tolist() == languages(texts, 10)[order].tolist()


def test_every_list_is_of_one_writing_in_small_letters():
    for words in FUNCTION_WORDS.values():
        assert all(word == word.lower() and word.isalpha() for word in words)
        assert len({"а" <= word[0] <= "ї" for word in words}) == 1
    assert {"не", "not", "nicht", "não"} <= NEGATIONS
