"""A survey as the estimators see it: who was asked, who answered what, and the base that is to be estimated."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import logit

from models.nps.out_of_fold import POINTS
from models.stats.calibrated_weights import calibrated
from models.stats.population_stability import Columns
from models.stats.typing import Flags, Floats

# No weight is above this many median weights: a few extreme weights add more variance than they remove bias.
LARGEST_WEIGHT_RATIO = 10.0
NO_ANSWER = -1
# Where a larger share of the base is unlike those who answered, their answers are not extrapolated to the base.
MOST_UNLIKE = 0.8
# What weights balance, by name: m and the log odds of answering.
BALANCED = ("predicted_answer", "log_odds")
# Weights of a few answers cannot balance anything.
FEWEST_TO_BALANCE = 20
# Predictions that differ by less are the same.
_SAME = 1e-9


@dataclass(frozen=True)
class Survey:
    """Who was asked (the frame), what those who answered said, and everyone (the base), all of them predicted.

    The frame has one row per customer, described at the time of asking, and one further row for each probability sample
    that the customer is in. The base has one row per customer, described now. The frame has N rows, n of them answered;
    the base has M rows. Every prediction is made by models that have not seen the customer's answers (Chernozhukov et
    al. 2018, Econometrics Journal 21: cross-fitting).

    Attributes
    ----------
    customer
        (N,) ids of the frame.
    features
        (N, k) features of the frame, doubles, NaN where undefined.
    answered
        (N,) whether the customer answered this invitation.
    category
        (N,) 0 detractor, 1 passive, 2 promoter; -1 where not answered.
    probabilities
        (N, 3) predicted probabilities of the three categories.
    propensity
        (N,) probability of answering given behaviour, in (0, 1].
    base_customer
        (M,) ids of the base.
    base_features
        (M rows) features of the base, by column, doubles, NaN where undefined.
    base_probabilities
        (M, 3) predicted probabilities of the three categories.
    fold_points
        (K, n) points m = 100 (p_promoter - p_detractor) of those who answered, in the order of the frame, predicted by
        the model that was trained without fold k. K is 0 if the model has no folds (it is the prior).
    fold_base_points
        (K, S) the same points of the customers at `base_sample`.
    base_sample
        (S,) positions in the base: all of a small base, a random sample of a large one.
    frame
        "invited" (customers who were asked) or "customers" (all: hardly any unanswered invitations are in the data).
    shift_weight
        (N,) covariate-shift weight: density of the base's features over that of the frame's, up to a constant factor.
        0 for rows of a probability sample. None if all are 1, as where the frame is the base.
    unlike_share
        Share of the base that is less like those who answered (or were sampled) than 99 % of them are, 0 to 1; None
        where it was not measured.
    in_probability_sample
        (N,) whether the row belongs to a probability sample; None without such samples.
    design_weight
        (N,) 1 / inclusion probability, summed over the samples that the row stands in, each sample scaled by its
        effective number of answers to the scale of `shift_weight` (`models.survey.probability_samples.join_samples`).
        0 for rows that no sample counts. None without samples.
    feature_groups
        Group of features by name, as `features.definition.Feature.group` gives it.
    represents
        (N,) customers of the frame that each row stands for: more than 1 where only a sample of the non-respondents is
        in the frame. None if all are 1.
    """

    customer: npt.NDArray[np.str_]
    features: pd.DataFrame
    answered: Flags
    category: npt.NDArray[np.int64]
    probabilities: Floats
    propensity: Floats
    base_customer: npt.NDArray[np.str_]
    base_features: Columns
    base_probabilities: Floats
    fold_points: Floats
    fold_base_points: Floats
    base_sample: npt.NDArray[np.int64]
    frame: str = "invited"
    shift_weight: Floats | None = None
    unlike_share: float | None = None
    in_probability_sample: Flags | None = None
    design_weight: Floats | None = None
    feature_groups: Mapping[str, str] = field(default_factory=dict)
    represents: Floats | None = None

    @property
    def speaks_for_asked_only(self) -> bool:
        """Whether the base is too unlike those who answered, so that it is the frame itself."""
        return self.unlike_share is not None and self.unlike_share > MOST_UNLIKE

    @property
    def group_of_features(self) -> list[str]:
        """Group of each feature, in the order of the columns; a feature without one is a group of its own."""
        return [self.feature_groups.get(str(name), str(name)) for name in self.features]

    @property
    def weights(self) -> Floats:
        """Customers of the base that each answer represents, (n,), up to a constant factor.

        shift_weight / propensity, clipped; with probability samples plus design_weight / propensity. Then calibrated,
        so that the weighted means of `balanced_columns` are those of `balance_target`.
        """
        return self.weights_if(1.0 / self.propensity[self.answered])

    def weights_if(self, asked_per_answer: Floats) -> Floats:
        """`weights`, if each answer represented so many of those asked, (n,), instead of 1 / propensity.

        Estimated factors are clipped, separately within the probability samples and outside them. Design weights are
        not: they are recorded, not estimated.
        """
        return calibrated(self._uncalibrated(asked_per_answer), self.balanced_columns, self.balance_target)

    def _uncalibrated(self, asked_per_answer: Floats) -> Floats:
        if self.design_weight is None or self.in_probability_sample is None:
            return clipped_weights(self.shift_weight_of_answers * asked_per_answer)
        in_sample = self.in_probability_sample[self.answered]
        shifted = clipped_by_part(self.shift_weight_of_answers * asked_per_answer, in_sample)
        return shifted + self.design_weight[self.answered] * clipped_by_part(asked_per_answer, in_sample)

    @cached_property
    def place_in_base(self) -> npt.NDArray[np.int64]:
        """Place in the base of each customer who answered, (n,); -1 where not in the base."""
        return pd.Index(self.base_customer).get_indexer(pd.Index(self.customer[self.answered]))

    @cached_property
    def balanced_columns(self) -> Floats:
        """What the weights balance, of those who answered, (n, 0 to 2): their predicted points m and log odds.

        m is there if the base's differ, the log odds if the frame's do. What answers and answering have in common
        acts through these two (Rosenbaum & Rubin 1983, Biometrika 70; Hansen 2008, Biometrika 95).
        """
        R = self.answered
        each = np.column_stack([self.probabilities[R] @ POINTS, self.log_odds[R]])
        return each[:, self._varying]

    @cached_property
    def balance_target(self) -> Floats:
        """What their weighted means are to be, (0 to 2,): of m the base's, of the log odds the frame's."""
        of_frame = self.frame_weight
        log_odds = of_frame @ self.log_odds / of_frame.sum()
        return np.array([(self.base_probabilities @ POINTS).mean(), log_odds])[self._varying]

    @cached_property
    def log_odds(self) -> Floats:
        """Log odds of answering, (N,)."""
        return np.asarray(logit(np.clip(self.propensity, 1e-9, 1.0 - 1e-9)))

    @property
    def frame_weight(self) -> Floats:
        """Customers of the base that each row of the frame represents, (N,), up to a constant factor."""
        shift = np.ones(len(self.answered)) if self.shift_weight is None else self.shift_weight
        each = shift if self.design_weight is None else shift + self.design_weight
        return each if self.represents is None else each * self.represents

    @property
    def mean_propensity(self) -> float:
        """Mean probability of answering over the frame."""
        return float(np.average(self.propensity, weights=self.represents))

    @property
    def frame_customers(self) -> int:
        """Customers in the frame, where it holds a sample of the non-respondents as that estimates it."""
        if self.represents is None:
            return int(pd.Series(self.customer).nunique())
        return round(float(pd.Series(self.represents).groupby(self.customer).max().sum()))

    @property
    def balanced(self) -> list[str]:
        """Names of the balanced columns, of `BALANCED`."""
        return [name for name, varies in zip(BALANCED, self._varying, strict=True) if varies]

    @cached_property
    def _varying(self) -> Flags:
        if self.answered.sum() < FEWEST_TO_BALANCE:
            return np.zeros(2, bool)
        m = self.base_probabilities @ POINTS
        # Where all have answered, nothing says who does.
        return np.array([np.ptp(m) > _SAME, not self.answered.all() and np.ptp(self.log_odds) > _SAME])

    @property
    def sampled_answer_share(self) -> float:
        """Share of the answers that come from probability samples, 0 to 1."""
        if self.in_probability_sample is None:
            return 0.0
        return float(self.in_probability_sample[self.answered].mean())

    @property
    def sampled_weight_share(self) -> float:
        """Share of the total weight that answers from probability samples have, 0 to 1."""
        if self.in_probability_sample is None:
            return 0.0
        return float(self.weights[self.in_probability_sample[self.answered]].sum() / self.weights.sum())

    @property
    def shift_weight_of_answers(self) -> Floats:
        """`shift_weight` of those who answered, (n,); ones where there is none."""
        return np.ones(int(self.answered.sum())) if self.shift_weight is None else self.shift_weight[self.answered]

    @property
    def answers(self) -> Floats:
        """Points t of the answers, (n,): -100, 0 or 100."""
        return np.asarray(POINTS[self.category[self.answered]])

    @property
    def residuals(self) -> Floats:
        """Residuals t - m of those who answered, (n,), points."""
        return np.asarray(self.answers - self.probabilities[self.answered] @ POINTS)


def newest_per_customer(customer: npt.ArrayLike, as_of: npt.ArrayLike, answered: npt.ArrayLike) -> npt.NDArray[np.intp]:
    """Positions of one row per customer: the newest answer, or the newest invitation of those who never answered.

    Parameters
    ----------
    customer, as_of, answered
        (n,) ids, dates and flags. Of rows with equal dates the first counts.

    Returns
    -------
    numpy.ndarray
        Positions in ascending order of customer id, one for each of the distinct customers.
    """
    who = np.unique(np.asarray(customer).astype(str), return_inverse=True)[1]
    day = np.asarray(as_of).astype("datetime64[us]").astype(np.int64)
    replied = np.asarray(answered).astype(bool)
    order = np.lexsort((np.arange(len(who)), -day, ~replied, who))
    return order[np.unique(who[order], return_index=True)[1]]


def clipped_weights(weights: Floats) -> Floats:
    """Weights (n,) with none above `LARGEST_WEIGHT_RATIO` times their median."""
    return np.minimum(weights, LARGEST_WEIGHT_RATIO * np.median(weights))


def clipped_by_part(weights: Floats, in_sample: Flags) -> Floats:
    """`clipped_weights`, (n,), separately for answers in probability samples and for the others."""
    clipped = weights.copy()
    for part in (in_sample, ~in_sample):
        if part.any():
            clipped[part] = clipped_weights(weights[part])
    return clipped
