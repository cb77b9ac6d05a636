"""Topics from counts of words: groups of words that share comments more often than by chance, stable under resampling.

A topic is learned in two steps. A non-negative factorisation of the associations of words (how much more often than by
chance two words share a comment) gives groups of words. Then the weight of a word for a topic is its log odds in the
topic against elsewhere, and a comment has the topic with the largest sum of weights of its words, or none.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import chdtri
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from models.stats.typing import Floats, Integers

NO_TOPIC = -1
MOST_TOPICS = 10
# The NPS of a topic in so few comments has a margin of error of some 40 points.
FEWEST_COMMENTS = 10
# Topics are fitted on so many resamples, each of this share of the comments. Hennig calls a cluster valid and stable
# where its mean Jaccard coefficient over resamples is .75 or more.
RESAMPLES = 10
RESAMPLED_SHARE = 0.8
STABLE = 0.75
# Least clearness (`_clearness`) of a topic against all others; parts of one topic, which share its main words, have
# about .5.
SEPARATE = 0.8
# A word identifies a topic where its odds there are this many times those elsewhere, beyond chance. Words with smaller
# odds are used too when topics are checked for being parts of one.
TELLING_ODDS = 5.0
LEANING_ODDS = 2.0
TELLING_CHI_SQUARE = 10.83  # one degree of freedom, .001
# Chance that any pair of words counts as associated where all words are independent.
FALSE_PAIR = 0.01
FEWEST_TOGETHER = 3
WORDS_FACTORED = 1000
ROUNDS = 3


@dataclass(frozen=True)
class WordTopics:
    """Topics as weights of words.

    Parameters
    ----------
    weights
        (n_topics, n_words) log odds of a word in the topic against elsewhere, 0 where the word does not identify it.
    stability
        (n_topics,) mean Jaccard coefficient of the comments of the topic over the fits on resamples.
    """

    weights: Floats
    stability: Floats


def learn_topics(comments: sparse.csr_matrix, seed: int) -> WordTopics:
    """Find topics in the words of comments, and their number.

    For each number up to `MOST_TOPICS` topics are learned on all comments and on resamples of them. A topic is valid
    where it is stable (`STABLE`), separate from the others (`SEPARATE`) and large enough (`FEWEST_COMMENTS`). The
    number with the largest sum of square roots of the shares of its valid topics is chosen, the smaller of equals: the
    sum grows with the comments covered and with the number of topics. Topics that are not valid are left out.

    Parameters
    ----------
    comments
        (n_comments, n_words) matrix of 0 and 1.
    seed
        Seed of the resamples.

    Returns
    -------
    WordTopics
        Without topics where no words are associated, or no group of words is stable.

    References
    ----------
    Yan, X., Guo, J., Liu, S., Cheng, X. & Wang, Y. (2013). Learning topics in short texts by non-negative matrix
    factorization on term correlation matrix. SIAM International Conference on Data Mining: the matrix of words is
    factorised, since a short comment alone says too little. Hennig, C. (2007). Cluster-wise assessment of cluster
    stability. Computational Statistics & Data Analysis 52, 258-271: subsetting, the Jaccard coefficient and its
    reading.
    """
    best = WordTopics(np.zeros((0, comments.shape[1])), np.zeros(0))
    most, n = 0.0, comments.shape[0]
    generator = np.random.default_rng(seed)
    resamples = [generator.permutation(n)[: int(RESAMPLED_SHARE * n)] for _ in range(RESAMPLES)]
    whole = _Associations.of(comments)
    parts = [_Associations.of(comments[np.sort(rows)]) for rows in resamples]
    for number in range(1, MOST_TOPICS + 1):
        weights = whole.fit(number)
        if weights is None:
            break
        labels = assign(comments, weights)
        size = np.bincount(labels[labels >= 0], minlength=number)
        stability = np.zeros(number)
        for part in parts:
            part_weights = part.fit(number)
            if part_weights is not None:
                stability += _jaccard(labels, assign(comments, part_weights), number) / RESAMPLES
        clearness = _clearness(comments, labels, number)
        valid = (stability >= STABLE) & (clearness >= SEPARATE) & (size >= FEWEST_COMMENTS)
        coverage = float(np.sqrt(size[valid] / n).sum())
        if coverage > most:
            most, best = coverage, WordTopics(weights[valid], stability[valid])
    return best


def assign(comments: sparse.csr_matrix, weights: Floats) -> Integers:
    """Assign each comment to the topic with the largest sum of weights of its words.

    Parameters
    ----------
    comments
        (n_comments, n_words) matrix of 0 and 1.
    weights
        (n_topics, n_words) weights as in `WordTopics`.

    Returns
    -------
    ndarray
        (n_comments,) number of the topic, the first of equals; `NO_TOPIC` where no word has a weight for any.
    """
    if len(weights) == 0:
        return np.full(comments.shape[0], NO_TOPIC, dtype=np.int64)
    weight = np.asarray(comments @ weights.T)
    return np.where(weight.max(axis=1) > 0, weight.argmax(axis=1), NO_TOPIC).astype(np.int64)


@dataclass(frozen=True)
class _Associations:
    """How much more often than by chance two words share a comment."""

    comments: sparse.csr_matrix
    words: Integers  # those that are associated with another word
    together: Floats  # (n_words, n_words)

    @classmethod
    def of(cls, comments: sparse.csr_matrix) -> "_Associations":
        """Compare the comments that two words share with those that independent words would share.

        For comments of the given lengths f_i f_j sum(L (L - 1)) / (sum L)^2 are expected, f the number of comments with
        a word and L the number of words of a comment: long comments hold many pairs of words. A pair is associated
        where Dunning's (1993) likelihood ratio in its Poisson form is beyond chance.
        """
        frequency = np.asarray(comments.sum(axis=0)).ravel()
        words = np.sort(np.argsort(-frequency, kind="stable")[:WORDS_FACTORED])
        words = words[frequency[words] >= FEWEST_TOGETHER]
        f = frequency[words]
        length = np.asarray(comments.sum(axis=1)).ravel()
        shared = (comments[:, words].T @ comments[:, words]).toarray()
        expected = np.outer(f, f) * (length @ (length - 1)) / max(length.sum(), 1.0) ** 2
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = 2 * (shared * np.log(shared / expected) - (shared - expected))
        pairs = max(len(words) * (len(words) - 1) / 2, 1)
        beyond_chance = (shared > expected) & (ratio > chdtri(1, 2 * FALSE_PAIR / pairs)) & (shared >= FEWEST_TOGETHER)
        np.fill_diagonal(beyond_chance, False)
        kept = np.flatnonzero(beyond_chance.any(axis=1))
        surplus = ((shared - expected) / np.sqrt(np.outer(f, f)))[np.ix_(kept, kept)].clip(min=0)
        # A word shares all its comments with itself, so the diagonal is set to the largest value of the row.
        np.fill_diagonal(surplus, 0)
        np.fill_diagonal(surplus, surplus.max(axis=1, initial=0))
        return cls(comments, words[kept], surplus)

    def fit(self, number: int) -> Floats | None:
        """Return (number, n_words) weights of so many topics; None with fewer than twice as many associated words."""
        if len(self.words) < 2 * number:
            return None
        factors = NMF(number, init="nndsvda", max_iter=200, tol=1e-3, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # it is only a start for the rounds below
            groups = factors.fit_transform(self.together)
        groups /= np.maximum(groups.max(axis=0), 1e-12)
        start = self.comments[:, self.words] @ groups
        labels = np.where(start.max(axis=1) > 0.3, start.argmax(axis=1), NO_TOPIC)
        weights = np.zeros((number, self.comments.shape[1]))
        for _ in range(ROUNDS):
            weights = _log_odds(self.comments, labels, number, TELLING_ODDS)
            labels = assign(self.comments, weights)
        return weights


def _log_odds(comments: sparse.csr_matrix, labels: Integers, number: int, least: float) -> Floats:
    """Return smoothed log odds of words in each topic against elsewhere, 0 where they do not identify it."""
    n = comments.shape[0]
    members = _members(labels, number)
    size = np.asarray(members.sum(axis=1))
    inside = np.asarray((members @ comments).toarray())
    frequency = np.asarray(comments.sum(axis=0))
    expected = size * frequency / n
    odds = ((inside + 0.5) / (size + 1)) / ((frequency - inside + 0.5) / (n - size + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 2 * (inside * np.log(inside / expected) - (inside - expected))
    identifies = (odds >= least) & (ratio > TELLING_CHI_SQUARE) & (inside >= FEWEST_TOGETHER)
    return np.where(identifies, np.log(odds), 0.0)


def _clearness(comments: sparse.csr_matrix, labels: Integers, number: int) -> Floats:
    """Return the mean over comments of 1 - weight for the next best topic / weight for their own, for each topic."""
    weight = np.asarray(comments @ _log_odds(comments, labels, number, LEANING_ODDS).T)
    has_topic = np.flatnonzero(labels >= 0)
    own = weight[has_topic, labels[has_topic]]
    weight[has_topic, labels[has_topic]] = 0
    other = weight[has_topic].max(axis=1, initial=0)
    clearness = np.clip(np.divide(own - other, own, out=np.zeros_like(own), where=own > 0), 0, None)
    size = np.bincount(labels[has_topic], minlength=number)
    return np.bincount(labels[has_topic], clearness, number) / np.maximum(size, 1)


def _members(labels: Integers, number: int) -> sparse.csr_matrix:
    """Return the (number, n_comments) matrix of 0 and 1 of the comments of each topic."""
    rows = np.flatnonzero(labels >= 0)
    return sparse.csr_matrix((np.ones(len(rows)), (labels[rows], rows)), shape=(number, len(labels)))


def _jaccard(labels: Integers, others: Integers, number: int) -> Floats:
    """Return the Jaccard coefficient of each topic's comments with those of the most similar topic of another fit."""
    first, second = _members(labels, number), _members(others, number)
    both = (first @ second.T).toarray()
    either = np.asarray(first.sum(axis=1)) + np.asarray(second.sum(axis=1)).T - both
    return np.asarray(np.divide(both, either, out=np.zeros_like(both), where=either > 0).max(axis=1))
