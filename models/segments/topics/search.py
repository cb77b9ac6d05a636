"""Themes in counts of words: groups of words that come together more often than chance, as many as stay on resampling.

A theme is learned in two steps. A non-negative factorisation of how much more often than by chance two words share a
comment gives groups of words; then every word weighs for a theme by its log odds there against elsewhere, and a
comment belongs to the theme that its words weigh most for, or to none.
"""

import warnings
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from scipy.stats import chi2
from sklearn.decomposition import NMF
from sklearn.exceptions import ConvergenceWarning

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

NO_THEME = -1
MOST_THEMES = 10
# The NPS of a theme in so few comments is known to some 40 points either way.
FEWEST_COMMENTS = 10
# Of each of these resamples a fit is made, on this share of the comments. Hennig calls a cluster valid and stable
# where its mean Jaccard coefficient over resamples is .75 or more.
RESAMPLES = 10
RESAMPLED_SHARE = 0.8
STABLE = 0.75
# The comments of a theme must speak of it this much more clearly than of any other; parts of one theme, which share
# its main words, have some .5.
SEPARATE = 0.8
# A word tells of a theme where it is this many times as likely there as elsewhere, and that is not by chance. To see
# whether themes are parts of one, words that only lean to a theme are looked at too.
TELLING_ODDS = 5.0
LEANING_ODDS = 2.0
TELLING_CHI_SQUARE = 10.83  # one degree of freedom, .001
# Words together: the chance that one pair of all pairs passes where all words are independent.
FALSE_PAIR = 0.01
FEWEST_TOGETHER = 3
WORDS_FACTORED = 1000
ROUNDS = 3


@dataclass(frozen=True)
class WordThemes:
    """Themes by what each word weighs for them.

    Parameters
    ----------
    weights
        (n_themes, n_words) log odds of a word in the theme against elsewhere, 0 where the word tells nothing.
    stability
        (n_themes,) mean Jaccard coefficient of the comments of the theme over fits to resamples.
    """

    weights: Array
    stability: Array


def learn_themes(comments: sparse.csr_matrix, seed: int) -> WordThemes:
    """Find themes in the words of comments; the number of them is found too.

    For each number up to `MOST_THEMES` themes are learned on all comments and on resamples of them. A theme counts
    where it is stable (`STABLE`), separate from the others (`SEPARATE`) and not tiny (`FEWEST_COMMENTS`); the number
    whose themes of that kind cover most is taken, by the sum of the square roots of their shares, which grows with
    the comments covered and with the number of themes; the smaller of equals. Other themes are left out.

    Parameters
    ----------
    comments
        (n_comments, n_words) matrix of 0 and 1.
    seed
        For the resamples.

    Returns
    -------
    WordThemes
        Without a theme where no words come together, or no group of them stays.

    References
    ----------
    Yan, X., Guo, J., Liu, S., Cheng, X. & Wang, Y. (2013). Learning topics in short texts by non-negative matrix
    factorization on term correlation matrix. SIAM International Conference on Data Mining: words are factored, since
    a short comment alone says too little. Hennig, C. (2007). Cluster-wise assessment of cluster stability.
    Computational Statistics & Data Analysis 52, 258-271: subsetting, the Jaccard coefficient and its reading.
    """
    best = WordThemes(np.zeros((0, comments.shape[1])), np.zeros(0))
    most, n = 0.0, comments.shape[0]
    generator = np.random.default_rng(seed)
    drawn = [generator.permutation(n)[: int(RESAMPLED_SHARE * n)] for _ in range(RESAMPLES)]
    whole = _Associations.of(comments)
    parts = [_Associations.of(comments[np.sort(rows)]) for rows in drawn]
    for number in range(1, MOST_THEMES + 1):
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
            most, best = covers, WordThemes(weights[good], stability[good])
    return best


def assign(comments: sparse.csr_matrix, weights: Array) -> tuple[Labels, Array]:
    """Give each comment the theme its words weigh most for.

    Parameters
    ----------
    comments
        (n_comments, n_words) matrix of 0 and 1.
    weights
        (n_themes, n_words) of `WordThemes`.

    Returns
    -------
    tuple
        (n_comments,) number of the theme, the first of equals, `NO_THEME` where no word tells of one, and
        (n_comments,) how clear that is: 1 - weight for the second theme / weight for the first, 0 without a theme.
    """
    n, themes = comments.shape[0], weights.shape[0]
    if themes == 0:
        return np.full(n, NO_THEME, dtype=np.int64), np.zeros(n)
    weight = np.asarray(comments @ weights.T)
    label = weight.argmax(axis=1)
    first = weight[np.arange(n), label]
    second = np.partition(weight, -2, axis=1)[:, -2] if themes > 1 else np.zeros(n)
    has_theme = first > 0
    clearness = np.divide(first - second, first, out=np.zeros(n), where=has_theme)
    return np.where(has_theme, label, NO_THEME).astype(np.int64), clearness


@dataclass(frozen=True)
class _Associations:
    """How much more often than by chance each two words share a comment."""

    comments: sparse.csr_matrix
    words: Labels  # those that share comments with another word more often than chance allows
    together: Array  # (n_words, n_words)

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

    def fit(self, number: int) -> Array | None:
        """Weights of words for this many themes; None where fewer words than twice that come together."""
        if len(self.words) < 2 * number:
            return None
        factors = NMF(number, init="nndsvda", max_iter=200, tol=1e-3, random_state=0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # a start for the rounds that follow
            groups = factors.fit_transform(self.together)
        groups /= np.maximum(groups.max(axis=0), 1e-12)
        start = self.comments[:, self.words] @ groups
        labels = np.where(start.max(axis=1) > 0.3, start.argmax(axis=1), NO_THEME)
        weights = np.zeros((number, self.comments.shape[1]))
        for _ in range(ROUNDS):
            weights = _log_odds(self.comments, labels, number, TELLING_ODDS)
            labels, _ = assign(self.comments, weights)
        return weights


def _log_odds(comments: sparse.csr_matrix, labels: Labels, number: int, least: float) -> Array:
    """Weigh words by their smoothed log odds in a theme against elsewhere, 0 where they do not tell of it."""
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


def _clearness(comments: sparse.csr_matrix, labels: Labels, number: int) -> Array:
    """Say how clear each theme is: the mean of 1 - weight for the most similar other theme / weight for it."""
    weight = np.asarray(comments @ _log_odds(comments, labels, number, LEANING_ODDS).T)
    has_theme = np.flatnonzero(labels >= 0)
    own = weight[has_theme, labels[has_theme]]
    weight[has_theme, labels[has_theme]] = 0
    other = weight[has_theme].max(axis=1, initial=0)
    clear = np.clip(np.divide(own - other, own, out=np.zeros_like(own), where=own > 0), 0, None)
    size = np.bincount(labels[has_theme], minlength=number)
    return np.bincount(labels[has_theme], clear, number) / np.maximum(size, 1)


def _members(labels: Labels, number: int) -> sparse.csr_matrix:
    rows = np.flatnonzero(labels >= 0)
    return sparse.csr_matrix((np.ones(len(rows)), (labels[rows], rows)), shape=(number, len(labels)))


def _jaccard(labels: Labels, others: Labels, number: int) -> Array:
    """Jaccard coefficient of each theme's comments with those of the most similar theme of another fit."""
    mine, theirs = _members(labels, number), _members(others, number)
    both = (mine @ theirs.T).toarray()
    either = np.asarray(mine.sum(axis=1)) + np.asarray(theirs.sum(axis=1)).T - both
    return np.asarray(np.divide(both, either, out=np.zeros_like(both), where=either > 0).max(axis=1))
