"""The name of a topic, from its most telling words as people wrote them, and a few of its comments as examples."""

from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from models.segments.topics.factorisation import FEWEST_TOGETHER
from models.segments.topics.function_words import NEGATIONS
from models.segments.topics.masking import masked
from models.segments.topics.words import WordCounts
from models.stats.typing import Floats, Integers, Strings

NAME_PARTS = 3
EXAMPLES = 3
LONGEST_EXAMPLE = 160
FEWEST_EXAMPLE_WORDS = 4
# Two examples that share more than this part of their words say the same.
ALIKE = 0.5
# A pair of words replaces a word in a name where at least this share of the comments with the word has the pair.
USUAL_PAIR = 0.5


def topic_name(
    texts: Sequence[str],
    counts: WordCounts,
    members: Integers,
    weights: Floats,
    function_words: frozenset[str],
) -> str:
    """Name a topic by its most telling words and pairs of words.

    Parameters
    ----------
    texts
        All comments of one language, from `plain_words`.
    counts
        Their words.
    members
        Rows of the comments with the topic.
    weights
        (n_words,) log odds of the words in the topic.
    function_words
        Function words of the language; beside another word only a negation is named.

    Returns
    -------
    str
        Up to three words, in descending order of the number of comments in the topic with the word times its log odds.
        Each is written in its most frequent form in the topic, and together with its neighbour where they usually occur
        as a pair, such as "не работает".
    """
    own = [texts[row] for row in members]
    value = np.asarray(counts.comments[members].sum(axis=0)).ravel() * weights
    order = np.lexsort((counts.families, -value))
    forms, comments_with_form = _ngrams(own, 1)
    pairs, comments_with_pair = _ngrams(own, 2)
    family = np.array([counts.family_of.get(form, -1) for form in forms])
    parts: list[str] = []
    named: set[int] = set()
    for word in order[value[order] > 0]:
        if len(parts) == NAME_PARTS:
            break
        if int(word) in named:
            continue
        of_word = family == word
        written = forms[of_word][np.lexsort((forms[of_word], -comments_with_form[of_word]))[0]]
        named_forms = {form for form, number in counts.family_of.items() if number in named}
        with_word = np.array([_joins(pair, written, function_words, named_forms) for pair in pairs], dtype=bool)
        candidates = zip(comments_with_pair[with_word], pairs[with_word], strict=True)
        best = max(candidates, default=(0, ""), key=lambda pair: pair[0])
        is_pair = best[0] >= max(USUAL_PAIR * comments_with_form[forms == written][0], FEWEST_TOGETHER)
        parts.append(str(best[1]) if is_pair else str(written))
        named |= {counts.family_of.get(each, -1) for each in parts[-1].split()}
    return ", ".join(parts)


def topic_examples(comments: Sequence[str], counts: WordCounts, rows: Integers, weight: Floats) -> tuple[str, ...]:
    """Choose comments of a topic that are typical, short and unlike each other.

    Parameters
    ----------
    comments
        The comments of one language, as written.
    counts
        Their words.
    rows
        Rows of the comments with the topic.
    weight
        (n_rows,) sum of the log odds of each comment's words in the topic.

    Returns
    -------
    tuple of str
        Up to three, the one with the most weight for its length first; personal data are masked.
    """
    words = counts.comments[rows]
    length = np.array([max(len(comments[row].split()), FEWEST_EXAMPLE_WORDS) for row in rows])
    too_long = np.array([len(comments[row]) > LONGEST_EXAMPLE for row in rows])
    order = np.lexsort((np.arange(len(rows)), -weight / np.sqrt(length), too_long))
    chosen: list[int] = []
    for place in order:
        own = set(words[place].indices)
        others = (set(words[other].indices) for other in chosen)
        if all(len(own & other) <= ALIKE * len(own | other) for other in others):
            chosen.append(int(place))
        if len(chosen) == EXAMPLES:
            break
    return tuple(_shortened(masked(comments[rows[place]])) for place in chosen)


def _joins(pair: str, word: str, function_words: frozenset[str], named: set[str]) -> bool:
    """Say whether a pair holds the word beside one that adds to the name, or after a negation."""
    first, second = pair.split()
    if word not in (first, second):
        return False
    other = second if first == word else first
    if other in function_words:
        return other == first and first in NEGATIONS
    return other not in named


def _ngrams(texts: Sequence[str], length: int) -> tuple[Strings, Integers]:
    """Return the word n-grams of texts in alphabetical order, and the number of texts with each."""
    counter = CountVectorizer(
        tokenizer=str.split, token_pattern=None, lowercase=False, ngram_range=(length, length), binary=True
    )
    try:
        counted = counter.fit_transform(texts)
    except ValueError:  # no text is long enough
        return np.array([], dtype=str), np.array([], dtype=np.int64)
    return counter.get_feature_names_out().astype(str), np.asarray(counted.sum(axis=0)).ravel()


def _shortened(comment: str) -> str:
    if len(comment) <= LONGEST_EXAMPLE:
        return comment
    return comment[: LONGEST_EXAMPLE - 1].rsplit(" ", 1)[0] + "…"
