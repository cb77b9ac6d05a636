"""The words of comments: plain, without personal data, counted together with their inflected forms."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from models.segments.topics.masking import without_personal
from models.stats.typing import Integers, Strings

# Two words are forms of one word from this Dice coefficient of their trigrams on: "доставка" and "доставили" .67,
# "delivery" and "delivered" .77, "staff" and "start" .50.
SAME_WORD = 0.6
# Most frequent words that are compared pairwise; rarer ones cannot identify a topic.
MOST_WORDS = 20_000


@dataclass(frozen=True)
class WordCounts:
    """Which words occur in which comments.

    Parameters
    ----------
    comments
        (n_comments, n_families) matrix of 0 and 1: a form of the word occurs in the comment.
    families
        (n_families,) most frequent form of each word.
    family_of
        Form of a word -> its column.
    """

    comments: sparse.csr_matrix
    families: Strings
    family_of: dict[str, int]


def plain_words(comments: Sequence[str]) -> list[str]:
    """Reduce comments to words: lower case, one space between, no personal data, markup, digits or signs.

    Parameters
    ----------
    comments
        As they were written.

    Returns
    -------
    list of str
        The words of each comment in their order; an empty text where there are none.
    """
    hidden = [without_personal(comment).lower() for comment in comments]
    characters = set().union(*map(set, hidden))
    # Combining marks belong to the letter before them: in many Indian scripts they are vowels. Emoji have marks too.
    marks = {sign for sign in characters if unicodedata.category(sign)[0] == "M"}
    of_emoji = {sign for sign in marks if unicodedata.category(sign) == "Me" or "\ufe00" <= sign <= "\ufe0f"}
    signs = {sign for sign in characters if unicodedata.category(sign)[0] not in "LM"} | of_emoji
    table, alone = dict.fromkeys(map(ord, signs), " "), "".join(sorted(marks))
    words = ([word.lstrip(alone) for word in text.translate(table).split()] for text in hidden)
    return [unicodedata.normalize("NFC", " ".join(filter(None, each))) for each in words]


def count_words(texts: Sequence[str], without: frozenset[str] = frozenset()) -> WordCounts:
    """Count the words of comments, all forms of a word together.

    Forms are joined by their character n-grams, which needs no dictionary and fits any language that inflects word
    endings. From the most frequent form to the rarest, each form joins the most similar one before it where the Dice
    coefficient of their trigrams is at least `SAME_WORD`; else it is a word of its own.

    Parameters
    ----------
    texts
        Texts from `plain_words`. Words of one letter, words in only one text, and words beyond the `MOST_WORDS` most
        frequent ones are left out.
    without
        Words that are not counted.

    Returns
    -------
    WordCounts
        Its rows are in the order of the texts, which affects nothing else.

    References
    ----------
    Adamson, G. W. & Boreham, J. (1974). The use of an association measure based on character structure to identify
    semantically related pairs of words and document titles. Information Storage and Retrieval 10, 253-260: the Dice
    coefficient of shared n-grams (theirs are digrams).
    """

    def counted_words(text: str) -> list[str]:
        return [word for word in text.split() if len(word) > 1 and word not in without]

    counter = CountVectorizer(analyzer=counted_words, binary=True, dtype=np.float64)
    try:
        counted = counter.fit_transform(texts).tocsc()
    except ValueError:  # scikit-learn finds no word in any text
        return WordCounts(sparse.csr_matrix((len(texts), 0)), np.array([], dtype=str), {})
    forms = counter.get_feature_names_out().astype(str)
    texts_with = counted.getnnz(axis=0)
    order = np.lexsort((forms, -texts_with))
    order = order[texts_with[order] >= 2][:MOST_WORDS]
    forms = forms[order]
    heads, family = np.unique(_most_alike(forms), return_inverse=True)
    shape = (len(forms), len(heads))
    joined = counted[:, order] @ sparse.csr_matrix((np.ones(len(forms)), (np.arange(len(forms)), family)), shape=shape)
    joined = joined.tocsr()
    joined.sort_indices()
    joined.data[:] = 1.0
    return WordCounts(joined, forms[heads], dict(zip(forms.tolist(), family.tolist(), strict=True)))


def _most_alike(forms: Strings) -> Integers:
    """Return for each form, in descending order of frequency, the index of the form that represents it."""
    if len(forms) == 0:
        return np.array([], dtype=np.int64)
    trigrams = CountVectorizer(analyzer=_trigrams, binary=True, dtype=np.float32).fit_transform(forms)
    size = trigrams.getnnz(axis=1)
    shared = (trigrams @ trigrams.T).tocoo()
    dice = 2 * shared.data / (size[shared.row] + size[shared.col])
    alike = (dice >= SAME_WORD) & (shared.col < shared.row)
    row, col, dice = shared.row[alike], shared.col[alike], dice[alike]
    best_first = np.lexsort((col, -dice, row))
    row, col = row[best_first], col[best_first]
    starts = np.searchsorted(row, np.arange(len(forms) + 1))
    head = np.arange(len(forms))
    for form in np.flatnonzero(np.diff(starts)):
        candidates = col[starts[form] : starts[form + 1]]
        heads = candidates[head[candidates] == candidates]
        if len(heads):
            head[form] = heads[0]
    return head


def _trigrams(word: str) -> list[str]:
    """Return the trigrams of a word with a blank before it, which gives its beginning more weight than its end."""
    # Accents are removed, and ё becomes е: people write both.
    letters = unicodedata.normalize("NFKD", word.casefold())
    start = " " + "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f")
    return [start[place : place + 3] for place in range(max(1, len(start) - 2))]
