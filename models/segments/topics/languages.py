"""In which language comments are, as far as their topics need it: words of two languages must not be compared."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer

from models.segments.topics.function_words import FUNCTION_WORDS

# Pseudo-words of all languages together that each language has been seen with: a word seen once says little.
PRIOR_WORDS = 100.0


def languages(texts: Sequence[str], fewest: int) -> NDArray[np.str_]:
    """Say in which language each comment is.

    A comment is in the language of its writing that has the most of its small words. One with none, or as many of
    two languages, goes by its other words: naive Bayes on those that are known.

    Parameters
    ----------
    texts
        Of `models.segments.topics.words.plain_words`.
    fewest
        Comments that a language must have; those of a rarer one are given to the others of its writing.

    Returns
    -------
    ndarray
        (n_texts,) code of the language (a key of `FUNCTION_WORDS`), else the name of the writing, such as "GREEK";
        "" where there are no words.
    """
    found = np.array([_writing(text) for text in texts], dtype="<U24")
    for writing in np.unique(found[found != ""]):
        rows = np.flatnonzero(found == writing)
        found[rows] = _of_one_writing([texts[row] for row in rows.tolist()], str(writing), fewest)
    return found


def _writing(text: str) -> str:
    """Name the writing of a text by that of most of the first letters of its words."""
    initials = [word[0] for word in text.split()]
    if not initials:
        return ""
    writings = [unicodedata.name(initial, "OTHER").split()[0] for initial in initials]
    return max(sorted(set(writings)), key=writings.count)


def _of_one_writing(texts: Sequence[str], writing: str, fewest: int) -> NDArray[np.str_]:
    candidates = [code for code, words in FUNCTION_WORDS.items() if _writing(" ".join(words)) == writing]
    small_words = sorted(set().union(*(FUNCTION_WORDS[code] for code in candidates)))
    if not small_words:
        return np.full(len(texts), writing, dtype="<U24")
    counted = CountVectorizer(analyzer=str.split, vocabulary=small_words).transform(texts)
    listed = np.array([[word in FUNCTION_WORDS[code] for code in candidates] for word in small_words], dtype=float)
    hits = counted @ listed
    while True:
        known = _clearly(hits)
        size = np.bincount(known[known >= 0], minlength=len(candidates))
        rare = (size < fewest) & (hits.max(axis=0, initial=0) > 0)
        if not rare.any():
            break
        hits[:, np.argmin(np.where(rare, size, len(texts) + 1))] = 0
    kept = np.flatnonzero(size)
    if len(kept) == 0:
        return np.full(len(texts), writing, dtype="<U24")
    number = _by_all_words(texts, np.searchsorted(kept, known), known >= 0, len(kept)) if len(kept) > 1 else 0
    return np.array([candidates[kept[language]] for language in np.broadcast_to(number, len(texts))], dtype="<U24")


def _clearly(hits: NDArray[np.float64]) -> NDArray[np.int64]:
    """Column with the most hits of each row, -1 where there are none or as many in another."""
    most = hits.max(axis=1, initial=0)
    is_clear = (most > 0) & ((hits == most[:, None]).sum(axis=1) == 1)
    return np.where(is_clear, hits.argmax(axis=1), -1)


def _by_all_words(
    texts: Sequence[str], known: NDArray[np.int64], is_known: NDArray[np.bool_], number: int
) -> NDArray[np.int64]:
    counted = CountVectorizer(analyzer=str.split, binary=True).fit_transform(texts)
    overall = np.asarray(counted.sum(axis=0)).ravel()
    overall = overall / overall.sum()
    says = np.zeros((number, counted.shape[1]))
    share = np.zeros(number)
    for language in range(number):
        rows = np.flatnonzero(is_known & (known == language))
        seen = np.asarray(counted[rows].sum(axis=0)).ravel()
        says[language] = np.log((seen + PRIOR_WORDS * overall) / (seen.sum() + PRIOR_WORDS))
        share[language] = np.log(len(rows) / is_known.sum())
    best = np.asarray(counted @ says.T + share).argmax(axis=1)
    return np.where(is_known, known, best)
