"""The candidate models of the NPS category, each fitted without every fold in turn and on all rows."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from models.nps.answers import Answers
from models.nps.calibration import fit_dirichlet_map
from models.nps.proportional_odds import fit_proportional_odds, learn_columns
from models.nps.trees import FoldedRows, grow, grow_out_of_fold, ridits
from models.scoring.members import CumulativeTreesMember, Member, PriorMember, RiditTreesMember
from models.scoring.nps import cumulative_log_probabilities, latent_probabilities, latent_scores
from models.stats.typing import Floats, Integers

# A fold without rows: leaving it out leaves all rows in.
ON_ALL = -1


@dataclass(frozen=True)
class Fitted:
    """A member of the blend, which gives it its weight, and its LightGBM texts by name."""

    member: Member
    boosters: dict[str, str]


@dataclass(frozen=True)
class Candidate:
    """One model of the category.

    Attributes
    ----------
    name
        The name that metrics use.
    out_of_fold
        (n, 3) probabilities from fits without the row's fold, links and calibration maps included.
    without_fold
        (folds,) the fits without each fold.
    on_all
        Fits the model on all rows.
    """

    name: str
    out_of_fold: Floats
    without_fold: tuple[Fitted, ...]
    on_all: Callable[[], Fitted]


def candidates(answers: Answers) -> list[Candidate]:
    """Fit every candidate out of fold: proportional odds, trees on the ridit, two cumulative trees, the prior."""
    folded = FoldedRows(answers.X, answers.fold, answers.seed)
    return [
        _proportional_odds(answers),
        _ridit_trees(answers, folded),
        _cumulative_trees(answers, folded),
        _prior(answers),
    ]


def smoothed_shares(category: npt.NDArray[np.integer]) -> tuple[float, float, float]:
    """Return the shares of the three classes with one answer added to each (Laplace), so that none is 0."""
    shares = (np.bincount(category, minlength=3) + 1.0) / (len(category) + 3.0)
    return float(shares[0]), float(shares[1]), float(shares[2])


def _proportional_odds(answers: Answers) -> Candidate:
    fits = [_fit_odds(answers, k) for k in range(answers.folds)]
    return Candidate(
        "proportional_odds",
        _by_fold(answers, fits),
        tuple(fits),
        lambda: _fit_odds(answers, ON_ALL),
    )


def _fit_odds(answers: Answers, k: int) -> Fitted:
    rows = answers.fold != k
    columns = learn_columns(answers.X[rows])
    fit = fit_proportional_odds(columns.design(answers.X[rows]), answers.level[rows], answers.category_of_level)
    borders = np.flatnonzero(np.diff(answers.category_of_level))
    return Fitted(columns.member(fit.coefficients, fit.cuts[borders]), {})


def _by_fold(answers: Answers, fits: list[Fitted]) -> Floats:
    """Return the probabilities of each fold from the fit without it, for members without trees."""
    probabilities = np.empty((len(answers.X), 3))
    for k, fitted in enumerate(fits):
        held_out = answers.fold == k
        scores = latent_scores(fitted.member, {}, answers.X[held_out])
        probabilities[held_out] = latent_probabilities(fitted.member, scores)
    return probabilities


def _ridit_trees(answers: Answers, folded: FoldedRows) -> Candidate:
    ridit = ridits(answers.level)
    trees = grow_out_of_fold(folded, ridit, "regression")

    def member(k: int) -> Member:
        rows = answers.fold != k
        slope, cuts = ordinal_link(trees.raw_without(k)[rows], answers.category[rows])
        return RiditTreesMember("ridit", slope, cuts)

    out_of_fold, fits = np.empty((len(ridit), 3)), []
    for k in range(answers.folds):
        held_out = answers.fold == k
        fits.append(Fitted(member(k), {"ridit": trees.of_fold[k]}))
        out_of_fold[held_out] = latent_probabilities(fits[k].member, trees.raw[held_out])

    def on_all() -> Fitted:
        text = grow(answers.X, ridit, "regression", trees.rounds, answers.seed)
        return Fitted(member(ON_ALL), {"ridit": text})

    return Candidate("ridit_trees", out_of_fold, tuple(fits), on_all)


def ordinal_link(score: Floats, category: Integers) -> tuple[float, tuple[float, float]]:
    """Fit b and c_j of P(category <= j) = expit(c_j - b score), b >= 0, to scores predicted out of fold."""
    centre, spread = float(score.mean()), float(score.std())
    if spread > 0:
        fit = fit_proportional_odds(((score - centre) / spread)[:, None], category, np.arange(3), penalty=1.0)
        slope = float(fit.coefficients[0]) / spread
        if slope > 0:
            return slope, (float(fit.cuts[0]) + slope * centre, float(fit.cuts[1]) + slope * centre)
    fit = fit_proportional_odds(np.empty((len(score), 0)), category, np.arange(3))
    return 0.0, (float(fit.cuts[0]), float(fit.cuts[1]))


def _cumulative_trees(answers: Answers, folded: FoldedRows) -> Candidate:
    names = ("above_detractor", "above_passive")
    targets = [(answers.category > cut).astype(float) for cut in range(2)]
    both = [grow_out_of_fold(folded, target, "binary") for target in targets]
    raw = np.column_stack([trees.raw for trees in both])

    def member(k: int) -> Member:
        rows = answers.fold != k
        log_p = cumulative_log_probabilities(np.column_stack([trees.raw_without(k)[rows] for trees in both]))
        return CumulativeTreesMember(names, fit_dirichlet_map(log_p, answers.category[rows]))

    out_of_fold, fits = np.empty((len(raw), 3)), []
    for k in range(answers.folds):
        held_out = answers.fold == k
        texts = {name: trees.of_fold[k] for name, trees in zip(names, both, strict=True)}
        fits.append(Fitted(member(k), texts))
        out_of_fold[held_out] = latent_probabilities(fits[k].member, raw[held_out])

    def on_all() -> Fitted:
        texts = {
            name: grow(answers.X, target, "binary", trees.rounds, answers.seed)
            for name, target, trees in zip(names, targets, both, strict=True)
        }
        return Fitted(member(ON_ALL), texts)

    return Candidate("cumulative_trees", out_of_fold, tuple(fits), on_all)


def _prior(answers: Answers) -> Candidate:
    def fitted(category: Integers) -> Fitted:
        return Fitted(PriorMember(smoothed_shares(category)), {})

    fits = [fitted(answers.category[answers.fold != k]) for k in range(answers.folds)]
    return Candidate("prior", _by_fold(answers, fits), tuple(fits), lambda: fitted(answers.category))
