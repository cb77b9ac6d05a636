"""What stands for a topic: its most telling words as people wrote them, and a few of its comments."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from models.segments.topics.factorisation import FEWEST_TOGETHER
from models.segments.topics.function_words import NEGATIONS
from models.segments.topics.masking import masked
from models.segments.topics.words import WordCounts

NAME_PARTS = 3
EXAMPLES = 3
LONGEST_EXAMPLE = 160
FEWEST_EXAMPLE_WORDS = 4
# Two examples that share more of their words than this say the same.
ALIKE = 0.5
# A pair of words stands in a name for its rarer word where it is found with at least this share of it.
USUAL_PAIR = 0.5


def topic_name(
    texts: Sequence[str],
    counts: WordCounts,
    members: NDArray[np.int64],
    weights: NDArray[np.float64],
    small_words: frozenset[str],
) -> str:
    """Name a topic by its most telling words and pairs of words.

    Parameters
    ----------
    texts
        All comments of one language, of `plain_words`.
    counts
        Their words.
    members
        Rows of the comments of the topic.
    weights
        (n_words,) log odds of the words in the topic.
    small_words
        Words of the language that say nothing beside another, but for negations.

    Returns
    -------
    str
        Up to three, the most telling first: comments of the topic with the word times its log odds. Each stands in the
        form that is most frequent in the topic, and with the word beside it where they usually come as a
        pair, such as "не работает".
    """
    own = [texts[row] for row in members]
    value = np.asarray(counts.comments[members].sum(axis=0)).ravel() * weights
    order = np.lexsort((counts.families, -value))
    forms, found = _ngrams(own, 1)
    pairs, together = _ngrams(own, 2)
    family = np.array([counts.family_of.get(form, -1) for form in forms])
    parts: list[str] = []
    named: set[int] = set()
    for word in order[value[order] > 0]:
        if len(parts) == NAME_PARTS:
            break
        if int(word) in named:
            continue
        of_word = family == word
        written = forms[of_word][np.lexsort((forms[of_word], -found[of_word]))[0]]
        said = {form for form, number in counts.family_of.items() if number in named}
        with_word = np.array([_joins(pair, written, small_words, said) for pair in pairs], dtype=bool)
        best = max(zip(together[with_word], pairs[with_word], strict=True), default=(0, ""), key=lambda pair: pair[0])
        is_pair = best[0] >= max(USUAL_PAIR * found[forms == written][0], FEWEST_TOGETHER)
        parts.append(str(best[1]) if is_pair else str(written))
        named |= {counts.family_of.get(each, -1) for each in parts[-1].split()}
    return ", ".join(parts)


def topic_examples(
    comments: Sequence[str], counts: WordCounts, rows: NDArray[np.int64], weight: NDArray[np.float64]
) -> tuple[str, ...]:
    """Choose comments that are typical of a topic, short, and not alike.

    Parameters
    ----------
    comments
        As they were written, all of one language.
    counts
        Their words.
    rows
        The comments of the topic.
    weight
        (n_rows,) how much the words of each weigh for the topic.

    Returns
    -------
    tuple of str
        Up to three, the one with the most weight for its length first, with personal data masked.
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


def _joins(pair: str, word: str, small_words: frozenset[str], said: set[str]) -> bool:
    """Say whether a pair of words holds a word beside one that says more, or after a negation."""
    first, second = pair.split()
    if word not in (first, second):
        return False
    other = second if first == word else first
    if other in small_words:
        return other == first and first in NEGATIONS
    return other not in said


def _ngrams(texts: Sequence[str], length: int) -> tuple[NDArray[np.str_], NDArray[np.int64]]:
    """Give the n-grams of words of texts, in the order of the alphabet, and in how many texts each stands."""
    counter = CountVectorizer(
        tokenizer=str.split, token_pattern=None, lowercase=False, ngram_range=(length, length), binary=True
    )
    try:
        counted = counter.fit_transform(texts)
    except ValueError:  # no text is as long
        return np.array([], dtype=str), np.array([], dtype=np.int64)
    return counter.get_feature_names_out().astype(str), np.asarray(counted.sum(axis=0)).ravel()


def _shortened(comment: str) -> str:
    if len(comment) <= LONGEST_EXAMPLE:
        return comment
    return comment[: LONGEST_EXAMPLE - 1].rsplit(" ", 1)[0] + "…"
