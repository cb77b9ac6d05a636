"""The words of comments in any spaced language: plain, free of personal data, and joined with their inflected forms."""

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer

from models.segments.topics.masking import without_personal

# Two words are forms of one where the trigrams of their beginnings and middles agree by at least this Dice
# coefficient: "доставка" and "доставили" .67, "delivery" and "delivered" .77, "staff" and "start" .50.
SAME_WORD = 0.6
# Rarer words than these many cannot tell a topic, and all pairs of them would have to be compared.
MOST_WORDS = 20_000


@dataclass(frozen=True)
class WordCounts:
    """Which words stand in which comments.

    Parameters
    ----------
    comments
        (n_comments, n_families) matrix of 0 and 1: a form of the word stands in the comment.
    families
        The most frequent form of each word.
    family_of
        Every form that was counted -> number of its word.
    """

    comments: sparse.csr_matrix
    families: NDArray[np.str_]
    family_of: dict[str, int]


def plain_words(comments: Sequence[str]) -> list[str]:
    """Leave the words of comments only: small letters, one space between, no personal data, markup, digits or signs.

    Parameters
    ----------
    comments
        As they were written.

    Returns
    -------
    list of str
        For each its words in their order; an empty text where there are none.
    """
    hidden = [without_personal(comment).lower() for comment in comments]
    characters = set().union(*map(set, hidden))
    # Marks belong to the letter before them: in many writings of India they are the vowels. Emoji have marks too.
    marks = {sign for sign in characters if unicodedata.category(sign)[0] == "M"}
    of_emoji = {sign for sign in marks if unicodedata.category(sign) == "Me" or "\ufe00" <= sign <= "\ufe0f"}
    signs = {sign for sign in characters if unicodedata.category(sign)[0] not in "LM"} | of_emoji
    table, alone = dict.fromkeys(map(ord, signs), " "), "".join(sorted(marks))
    words = ([word.lstrip(alone) for word in text.translate(table).split()] for text in hidden)
    return [unicodedata.normalize("NFC", " ".join(filter(None, each))) for each in words]


def count_words(texts: Sequence[str], without: frozenset[str] = frozenset()) -> WordCounts:
    """Count the words of comments, forms of one word together.

    Words are taken together by their character n-grams, which serves any language that inflects at the end and needs
    no dictionary: going from the most frequent form to the rarest, each joins the form before it that is most like
    it, where the Dice coefficient of their trigrams is at least `SAME_WORD`, else it is a word of its own.

    Parameters
    ----------
    texts
        Of `plain_words`; a word of one letter or in one text only is left out, and so is all beyond the `MOST_WORDS`
        most frequent.
    without
        Words that are not counted.

    Returns
    -------
    WordCounts
        The same whatever the order of the texts, but for that order itself.

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
    except ValueError:  # scikit-learn's word for texts without any word
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


def _most_alike(forms: NDArray[np.str_]) -> NDArray[np.int64]:
    """Give for each form, the most frequent first, the number of the form that stands for it."""
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
    """Give the trigrams of a word with a blank before it, which lets its beginning count for more than its end."""
    # Accents are left off, and ё is е: people write both.
    letters = unicodedata.normalize("NFKD", word.casefold())
    start = " " + "".join(letter for letter in letters if not "\u0300" <= letter <= "\u036f")
    return [start[place : place + 3] for place in range(max(1, len(start) - 2))]
