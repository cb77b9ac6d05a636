"""Topics in counts of words: groups of words that come together more often than chance, as many as stay on resampling.

A topic is learned in two steps. A non-negative factorisation of how much more often than by chance two words share a
comment gives groups of words; then every word weighs for a topic by its log odds there against elsewhere, and a
comment belongs to the topic that its words weigh most for, or to none.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.stats import chi2
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

from models.stats.typing import Floats, Integers

NO_TOPIC = -1
MOST_TOPICS = 10
# The NPS of a topic in so few comments is known to some 40 points either way.
FEWEST_COMMENTS = 10
# Of each of these resamples a fit is made, on this share of the comments. Hennig calls a cluster valid and stable
# where its mean Jaccard coefficient over resamples is .75 or more.
RESAMPLES = 10
RESAMPLED_SHARE = 0.8
STABLE = 0.75
# The comments of a topic must speak of it this much more clearly than of any other; parts of one topic, which share
# its main words, have some .5.
SEPARATE = 0.8
# A word tells of a topic where it is this many times as likely there as elsewhere, and that is not by chance. To see
# whether topics are parts of one, words that only lean to a topic are looked at too.
TELLING_ODDS = 5.0
LEANING_ODDS = 2.0
TELLING_CHI_SQUARE = 10.83  # one degree of freedom, .001
# Words together: the chance that one pair of all pairs passes where all words are independent.
FALSE_PAIR = 0.01
FEWEST_TOGETHER = 3
WORDS_FACTORED = 1000
ROUNDS = 3


@dataclass(frozen=True)
class WordTopics:
    """Topics by what each word weighs for them.

    Parameters
    ----------
    weights
        (n_topics, n_words) log odds of a word in the topic against elsewhere, 0 where the word tells nothing.
    stability
        (n_topics,) mean Jaccard coefficient of the comments of the topic over fits to resamples.
    """

    weights: Floats
    stability: Floats


def learn_topics(comments: sparse.csr_matrix, seed: int) -> WordTopics:
    """Find topics in the words of comments; the number of them is found too.

    For each number up to `MOST_TOPICS` topics are learned on all comments and on resamples of them. A topic counts
    where it is stable (`STABLE`), separate from the others (`SEPARATE`) and not tiny (`FEWEST_COMMENTS`); the number
    whose topics of that kind cover most is taken, by the sum of the square roots of their shares, which grows with
    the comments covered and with the number of topics; the smaller of equals. Other topics are left out.

    Parameters
    ----------
    comments
        (n_comments, n_words) matrix of 0 and 1.
    seed
        For the resamples.

    Returns
    -------
    WordTopics
        Without a topic where no words come together, or no group of them stays.

    References
    ----------
    Yan, X., Guo, J., Liu, S., Cheng, X. & Wang, Y. (2013). Learning topics in short texts by non-negative matrix
    factorization on term correlation matrix. SIAM International Conference on Data Mining: words are factored, since
    a short comment alone says too little. Hennig, C. (2007). Cluster-wise assessment of cluster stability.
    Computational Statistics & Data Analysis 52, 258-271: subsetting, the Jaccard coefficient and its reading.
    """
    best = WordTopics(np.zeros((0, comments.shape[1])), np.zeros(0))
    most, n = 0.0, comments.shape[0]
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(n)[: int(RESAMPLED_SHARE * n)] for _ in range(RESAMPLES)]
    whole = _Associations.of(comments)
    parts = [_Associations.of(comments[np.sort(rows)]) for rows in drawn]
    for number in range(1, MOST_TOPICS + 1):
        weights = whole.fit(number)
        if weights is None:
            break
        labels, _ = assign(comments, weights)
        size = np.bincount(labels[labels >= 0], minlength=number)
        stability = np.zeros(number)
        for part in parts:
            others = part.fit(number)
            if others is not None:
                stability += _jaccard(labels, assign(comments, others)[0], number) / RESAMPLES
        clear = _clearness(comments, labels, number)
        good = (stability >= STABLE) & (clear >= SEPARATE) & (size >= FEWEST_COMMENTS)
        covers = float(np.sqrt(size[good] / n).sum())
        if covers > most:
            most, best = covers, WordTopics(weights[good], stability[good])
    return best


def assign(comments: sparse.csr_matrix, weights: Floats) -> tuple[Integers, Floats]:
    """Give each comment the topic its words weigh most for.

    Parameters
    ----------
    comments
        (n_comments, n_words) matrix of 0 and 1.
    weights
        (n_topics, n_words) of `WordTopics`.

    Returns
    -------
    tuple
        (n_comments,) number of the topic, the first of equals, `NO_TOPIC` where no word tells of one, and
        (n_comments,) how clear that is: 1 - weight for the second topic / weight for the first, 0 without a topic.
    """
    n, topics = comments.shape[0], weights.shape[0]
    if topics == 0:
        return np.full(n, NO_TOPIC, dtype=np.int64), np.zeros(n)
    weight = np.asarray(comments @ weights.T)
    label = weight.argmax(axis=1)
    first = weight[np.arange(n), label]
    second = np.partition(weight, -2, axis=1)[:, -2] if topics > 1 else np.zeros(n)
    has_topic = first > 0
    clearness = np.divide(first - second, first, out=np.zeros(n), where=has_topic)
    return np.where(has_topic, label, NO_TOPIC).astype(np.int64), clearness


@dataclass(frozen=True)
class _Associations:
    """How much more often than by chance each two words share a comment."""

    comments: sparse.csr_matrix
    words: Integers  # those that share comments with another word more often than chance allows
    together: Floats  # (n_words, n_words)

    @classmethod
    def of(cls, comments: sparse.csr_matrix) -> "_Associations":
        """Compare the shared comments of words with those of independent ones in comments of the same lengths.

        Expected are f_i f_j sum(L (L - 1)) / (sum L)^2, f the comments with a word and L the words of a comment: long
        comments hold many pairs of words, whatever these mean. Pairs are told from chance by Dunning's (1993)
        likelihood ratio in its Poisson form.
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
        beyond_chance = (
            (shared > expected) & (ratio > chi2.isf(2 * FALSE_PAIR / pairs, 1)) & (shared >= FEWEST_TOGETHER)
        )
        np.fill_diagonal(beyond_chance, False)
        kept = np.flatnonzero(beyond_chance.any(axis=1))
        surplus = ((shared - expected) / np.sqrt(np.outer(f, f)))[np.ix_(kept, kept)].clip(min=0)
        # A word always shares its own comments: what stands on the diagonal must say nothing new.
        np.fill_diagonal(surplus, 0)
        np.fill_diagonal(surplus, surplus.max(axis=1, initial=0))
        return cls(comments, words[kept], surplus)

    def fit(self, number: int) -> Floats | None:
        """Weights of words for this many topics; None where fewer words than twice that come together."""
        if len(self.words) < 2 * number:
            return None
        factors = NMF(number, init="nndsvda", max_iter=200, tol=1e-3, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a start for the rounds that follow
            groups = factors.fit_transform(self.together)
        groups /= np.maximum(groups.max(axis=0), 1e-12)
        start = self.comments[:, self.words] @ groups
        labels = np.where(start.max(axis=1) > 0.3, start.argmax(axis=1), NO_TOPIC)
        weights = np.zeros((number, self.comments.shape[1]))
        for _ in range(ROUNDS):
            weights = _log_odds(self.comments, labels, number, TELLING_ODDS)
            labels, _ = assign(self.comments, weights)
        return weights


def _log_odds(comments: sparse.csr_matrix, labels: Integers, number: int, least: float) -> Floats:
    """Weigh words by their smoothed log odds in a topic against elsewhere, 0 where they do not tell of it."""
    n = comments.shape[0]
    members = _members(labels, number)
    size = np.asarray(members.sum(axis=1))
    inside = np.asarray((members @ comments).toarray())
    frequency = np.asarray(comments.sum(axis=0))
    expected = size * frequency / n
    odds = ((inside + 0.5) / (size + 1)) / ((frequency - inside + 0.5) / (n - size + 1))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = 2 * (inside * np.log(inside / expected) - (inside - expected))
    telling = (odds >= least) & (ratio > TELLING_CHI_SQUARE) & (inside >= FEWEST_TOGETHER)
    return np.where(telling, np.log(odds), 0.0)


def _clearness(comments: sparse.csr_matrix, labels: Integers, number: int) -> Floats:
    """Say how clear each topic is: the mean of 1 - weight for the most similar other topic / weight for it."""
    weight = np.asarray(comments @ _log_odds(comments, labels, number, LEANING_ODDS).T)
    has_topic = np.flatnonzero(labels >= 0)
    own = weight[has_topic, labels[has_topic]]
    weight[has_topic, labels[has_topic]] = 0
    other = weight[has_topic].max(axis=1, initial=0)
    clear = np.clip(np.divide(own - other, own, out=np.zeros_like(own), where=own > 0), 0, None)
    size = np.bincount(labels[has_topic], minlength=number)
    return np.bincount(labels[has_topic], clear, number) / np.maximum(size, 1)


def _members(labels: Integers, number: int) -> sparse.csr_matrix:
    rows = np.flatnonzero(labels >= 0)
    return sparse.csr_matrix((np.ones(len(rows)), (labels[rows], rows)), shape=(number, len(labels)))


def _jaccard(labels: Integers, others: Integers, number: int) -> Floats:
    """Jaccard coefficient of each topic's comments with those of the most similar topic of another fit."""
    mine, theirs = _members(labels, number), _members(others, number)
    both = (mine @ theirs.T).toarray()
    either = np.asarray(mine.sum(axis=1)) + np.asarray(theirs.sum(axis=1)).T - both
    return np.asarray(np.divide(both, either, out=np.zeros_like(both), where=either > 0).max(axis=1))
