"""The blend of the candidate models of the NPS category: a linear pool with the least out-of-fold RPS."""

from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from models.nps.answers import Answers
from models.nps.candidates import Candidate, Fitted, candidates
from models.scoring.members import Member
from models.stats.typing import Floats

# Keeps the weights unique where two candidates predict the same: they share the weight.
_TIE = 1e-9


@dataclass(frozen=True)
class Members:
    """The members of a blend with their weights, and their LightGBM texts by name."""

    members: tuple[Member, ...]
    boosters: dict[str, str]


@dataclass(frozen=True)
class Blend:
    """Candidates and their weights.

    Attributes
    ----------
    answers
        The answers it was learned from.
    candidates
        The candidate models.
    weights
        (candidates,) weights learned on all rows.
    fold_weights
        (folds, candidates) weights learned on the rows of the other folds.
    out_of_fold
        (n, 3) probabilities from candidates and weights that were both learned without the row's fold.
    """

    answers: Answers
    candidates: tuple[Candidate, ...]
    weights: Floats
    fold_weights: Floats
    out_of_fold: Floats

    def of(self, name: str) -> Candidate:
        """Return the candidate with the given name."""
        return next(candidate for candidate in self.candidates if candidate.name == name)

    def diluted(self, strength: float) -> "Blend":
        """Return the blend with a share `strength` of its weights kept and the rest given to the prior."""
        prior = np.array([candidate.name == "prior" for candidate in self.candidates], dtype=float)
        return replace(
            self,
            weights=strength * self.weights + (1.0 - strength) * prior,
            fold_weights=strength * self.fold_weights + (1.0 - strength) * prior,
            out_of_fold=strength * self.out_of_fold + (1.0 - strength) * self.of("prior").out_of_fold,
        )

    def on_all(self) -> Members:
        """Fit the members on all rows."""
        return _weighed(
            [c.on_all() if w > 0 else None for c, w in zip(self.candidates, self.weights, strict=True)], self.weights
        )

    def without_fold(self, k: int) -> Members:
        """Return the members as they were fitted without fold k."""
        return _weighed([candidate.without_fold[k] for candidate in self.candidates], self.fold_weights[k])


def blend(answers: Answers) -> Blend:
    """Fit the candidates out of fold and learn their weights."""
    models = tuple(candidates(answers))
    each = np.array([candidate.out_of_fold for candidate in models])
    fold, category = answers.fold, answers.category
    fold_weights = np.array([blend_weights(each[:, fold != k], category[fold != k]) for k in range(answers.folds)])
    out_of_fold = np.sum(fold_weights[fold].T[:, :, None] * each, axis=0)
    return Blend(answers, models, blend_weights(each, category), fold_weights, out_of_fold)


def blend_weights(probabilities: Floats, category: npt.NDArray[np.integer]) -> Floats:
    """Find the weights of a linear pool with the least RPS.

    Parameters
    ----------
    probabilities
        (candidates, n, 3) out of fold.
    category
        (n,) 0, 1 or 2.

    Returns
    -------
    numpy.ndarray
        (candidates,) weights, not negative, with sum 1. The RPS is quadratic in them, so the minimum on the plane of
        each face of the simplex solves a linear system. With four candidates there are 15 faces; the minimum over the
        simplex is the least of the solutions without negative weights.
    """
    above = np.cumsum(probabilities, axis=2)[:, :, :2] - (np.asarray(category)[:, None] <= np.arange(2))
    flat = above.reshape(len(above), -1)
    gram = flat @ flat.T / max(flat.shape[1], 1)
    gram += _TIE * np.trace(gram) * np.eye(len(gram))
    best, least = np.full(len(gram), np.nan), np.inf
    for size in range(1, len(gram) + 1):
        for face in map(list, combinations(range(len(gram)), size)):
            # On the simplex the mean squared distance is w' G w. It is least where G w is constant over the face.
            weights = np.linalg.solve(gram[np.ix_(face, face)], np.ones(size))
            weights /= weights.sum()
            value = float(weights @ gram[np.ix_(face, face)] @ weights)
            if weights.min() >= 0 and value < least:
                best, least = np.zeros(len(gram)), value
                best[face] = weights
    return best


def _weighed(fitted: list[Fitted | None], weights: Floats) -> Members:
    """Return the members with a weight above 0, and their LightGBM texts."""
    members: list[Member] = []
    boosters: dict[str, str] = {}
    for fit, weight in zip(fitted, weights, strict=True):
        if fit is not None and weight > 0:
            members.append(replace(fit.member, weight=float(weight)))
            boosters.update(fit.boosters)
    return Members(tuple(members), boosters)
