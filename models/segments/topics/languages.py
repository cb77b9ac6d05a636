"""The language of each comment, as far as topics need it: words of two languages must not be compared."""

import unicodedata
from collections.abc import Sequence

import numpy as np
from sklearn.feature_extraction.text import CountVectorizer

from models.segments.topics.function_words import FUNCTION_WORDS
from models.stats.typing import Flags, Floats, Integers, Strings

# Pseudo-count, in words, of the overall word frequencies in each language: a word that occurred once says little.
PRIOR_WORDS = 100.0


def languages(texts: Sequence[str], fewest: int) -> Strings:
    """Identify the language of each comment.

    A comment is in the language of its script with the most of its function words. A comment without function words, or
    with as many of two languages, is classified by all its words: naive Bayes trained on the clear comments.

    Parameters
    ----------
    texts
        Texts from `models.segments.topics.words.plain_words`.
    fewest
        Fewest comments of a language; those of a rarer one are given to the other languages of its script.

    Returns
    -------
    ndarray
        (n_texts,) code of the language (a key of `FUNCTION_WORDS`), else the name of the script, such as "GREEK"; ""
        where a text has no words.
    """
    language = np.array([_script(text) for text in texts], dtype="<U24")
    for script in np.unique(language[language != ""]):
        rows = np.flatnonzero(language == script)
        language[rows] = _of_one_script([texts[row] for row in rows.tolist()], str(script), fewest)
    return language


def _script(text: str) -> str:
    """Return the script of a text: that of most of the first letters of its words."""
    initials = [word[0] for word in text.split()]
    if not initials:
        return ""
    scripts = [unicodedata.name(initial, "OTHER").split()[0] for initial in initials]
    return max(sorted(set(scripts)), key=scripts.count)


def _of_one_script(texts: Sequence[str], script: str, fewest: int) -> Strings:
    """Identify the language of comments that share a script."""
    candidates = [code for code, words in FUNCTION_WORDS.items() if _script(" ".join(words)) == script]
    function_words = sorted(set().union(*(FUNCTION_WORDS[code] for code in candidates)))
    if not function_words:
        return np.full(len(texts), script, dtype="<U24")
    counted = CountVectorizer(analyzer=str.split, vocabulary=function_words).transform(texts)
    listed = np.array([[word in FUNCTION_WORDS[code] for code in candidates] for word in function_words], dtype=float)
    hits = counted @ listed
    while True:
        clear = _clear_language(hits)
        size = np.bincount(clear[clear >= 0], minlength=len(candidates))
        rare = (size < fewest) & (hits.max(axis=0, initial=0) > 0)
        if not rare.any():
            break
        hits[:, np.argmin(np.where(rare, size, len(texts) + 1))] = 0
    kept = np.flatnonzero(size)
    if len(kept) == 0:
        return np.full(len(texts), script, dtype="<U24")
    number = _by_all_words(texts, np.searchsorted(kept, clear), clear >= 0, len(kept)) if len(kept) > 1 else 0
    return np.array([candidates[kept[language]] for language in np.broadcast_to(number, len(texts))], dtype="<U24")


def _clear_language(hits: Floats) -> Integers:
    """Return the column with the most hits of each row, -1 where there are no hits or as many in another column."""
    most = hits.max(axis=1, initial=0)
    is_clear = (most > 0) & ((hits == most[:, None]).sum(axis=1) == 1)
    return np.where(is_clear, hits.argmax(axis=1), -1)


def _by_all_words(texts: Sequence[str], clear: Integers, is_clear: Flags, number: int) -> Integers:
    """Classify the other comments by naive Bayes, trained on the comments whose language is clear."""
    counted = CountVectorizer(analyzer=str.split, binary=True).fit_transform(texts)
    overall = np.asarray(counted.sum(axis=0)).ravel()
    overall = overall / overall.sum()
    log_likelihood = np.zeros((number, counted.shape[1]))
    log_prior = np.zeros(number)
    for language in range(number):
        rows = np.flatnonzero(is_clear & (clear == language))
        of_word = np.asarray(counted[rows].sum(axis=0)).ravel()
        log_likelihood[language] = np.log((of_word + PRIOR_WORDS * overall) / (of_word.sum() + PRIOR_WORDS))
        log_prior[language] = np.log(len(rows) / is_clear.sum())
    best = np.asarray(counted @ log_likelihood.T + log_prior).argmax(axis=1)
    return np.where(is_clear, clear, best)
