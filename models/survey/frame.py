"""A survey as the estimators see it: who was asked, who answered what, and the base that is to be estimated."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stats.typing import Flags, Floats

# Answer's contribution to NPS by category: detractor, passive, promoter.
POINTS = np.array([-100.0, 0.0, 100.0])
# No weight is above this many median weights: a few extreme weights add more variance than they remove bias.
LARGEST_WEIGHT_RATIO = 10.0
NO_ANSWER = -1


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
        (M, k) features of the base, doubles, NaN where undefined.
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
    """

    customer: npt.NDArray[np.str_]
    features: pd.DataFrame
    answered: Flags
    category: npt.NDArray[np.int64]
    probabilities: Floats
    propensity: Floats
    base_customer: npt.NDArray[np.str_]
    base_features: pd.DataFrame
    base_probabilities: Floats
    fold_points: Floats
    fold_base_points: Floats
    base_sample: npt.NDArray[np.int64]
    frame: str = "invited"
    shift_weight: Floats | None = None
    unlike_share: float | None = None
    in_probability_sample: Flags | None = None
    design_weight: Floats | None = None

    @property
    def weights(self) -> Floats:
        """Customers of the base that each answer represents, (n,), up to a constant factor.

        shift_weight / propensity, clipped; with probability samples plus design_weight / propensity.
        """
        if self.design_weight is None:
            return clipped_weights(self.shift_weight_of_answers / self.propensity[self.answered])
        return self.weights_if(1.0 / self.propensity[self.answered])

    def weights_if(self, asked_per_answer: Floats) -> Floats:
        """`weights`, if each answer represented so many of those asked, (n,), instead of 1 / propensity.

        Estimated factors are clipped, separately within the probability samples and outside them. Design weights are
        not: they are recorded, not estimated.
        """
        if self.design_weight is None or self.in_probability_sample is None:
            return clipped_weights(self.shift_weight_of_answers * asked_per_answer)
        in_sample = self.in_probability_sample[self.answered]
        shifted = clipped_by_part(self.shift_weight_of_answers * asked_per_answer, in_sample)
        return shifted + self.design_weight[self.answered] * clipped_by_part(asked_per_answer, in_sample)

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
