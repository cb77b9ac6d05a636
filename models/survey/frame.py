"""A survey as the estimators see it: who was asked, who answered what, and the base the answers are to speak for."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stats.typing import Flags, Floats

# Answer's contribution to NPS by category: detractor, passive, promoter.
POINTS = np.array([-100.0, 0.0, 100.0])
# No answer counts for more than this many typical answers: a few extreme weights cost more variance than they repair
# bias.
LARGEST_WEIGHT_RATIO = 10.0
NO_ANSWER = -1


@dataclass(frozen=True)
class Survey:
    """Who was asked (the frame), who of them answered what, and everyone (the base), all of them predicted.

    The frame has one row per customer, described at the time of asking, and one more for each list on which a customer
    was drawn with a recorded probability; the base has one row per customer, described now. N rows are in the frame, n
    of them answered, M are in the base. No prediction has seen an answer of its own customer (Chernozhukov et al. 2018,
    Econometrics Journal 21: cross-fitting).

    Attributes
    ----------
    customer
        (N,) ids of the frame.
    features
        (N, k) of the frame, doubles, NaN where undefined.
    answered
        (N,) whether the customer answered.
    category
        (N,) 0 detractor, 1 passive, 2 promoter; -1 where not answered.
    probabilities
        (N, 3) of the three categories.
    propensity
        (N,) in (0, 1]: probability of answering given behaviour.
    base_customer, base_features, base_probabilities
        (M,), (M, k), (M, 3) of the base.
    fold_points
        (K, n) points m = 100 (p_promoter - p_detractor) of those who answered, in the order of the frame, by the model
        that was trained without fold k; K is 0 where the model has no folds (it is the prior).
    fold_base_points
        (K, S) the same of the customers at `base_sample`.
    base_sample
        (S,) positions in the base: all of a small one, a sample of a large one.
    frame
        "invited" (customers who were asked) or "customers" (all: hardly any unanswered invitations are in the data).
    mix
        (N,) how many customers of the base there are for one of the frame that behaves so, up to a constant factor;
        None where the frame is the base. 0 for rows of a list.
    unlike_share
        Share of today's customers less like those who answered (or were drawn) than all but 1 % of them are; None where
        not measured.
    drawn
        (N,) whether the row is of a list drawn with recorded probabilities; None where none is.
    known
        (N,) how many customers of the base one of the frame stands for by recorded probabilities, on the scale of
        `mix`, see `models.survey.probability_samples.join_lists`; None where there are none.
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
    mix: Floats | None = None
    unlike_share: float | None = None
    drawn: Flags | None = None
    known: Floats | None = None

    @property
    def weights(self) -> Floats:
        """How many customers of the base each answer stands for, (n,), up to a constant factor.

        mix / propensity, clipped; with recorded probabilities known / propensity in addition.
        """
        if self.known is None:
            return clipped_weights(self.mix_of_answers / self.propensity[self.answered])
        return self.weights_if(1.0 / self.propensity[self.answered])

    def weights_if(self, asked: Floats) -> Floats:
        """`weights`, if each answer stood for so many of those asked, (n,).

        What is guessed is clipped, among rows of lists and among the others apart; what is recorded is not.
        """
        if self.known is None or self.drawn is None:
            return clipped_weights(self.mix_of_answers * asked)
        part = self.drawn[self.answered]
        guessed = clipped_by_part(self.mix_of_answers * asked, part)
        return guessed + self.known[self.answered] * clipped_by_part(asked, part)

    @property
    def designed_share(self) -> float:
        """Share of the answers whose customers were drawn with a recorded probability."""
        return 0.0 if self.drawn is None else float(self.drawn[self.answered].mean())

    @property
    def designed_weight(self) -> float:
        """Share of those answers in the weight of all."""
        return 0.0 if self.drawn is None else float(self.weights[self.drawn[self.answered]].sum() / self.weights.sum())

    @property
    def mix_of_answers(self) -> Floats:
        """`mix` of those who answered, (n,); ones where there is none."""
        return np.ones(int(self.answered.sum())) if self.mix is None else self.mix[self.answered]

    @property
    def answers(self) -> Floats:
        """Points t of the answers, (n,): -100, 0 or 100."""
        return np.asarray(POINTS[self.category[self.answered]])

    @property
    def residuals(self) -> Floats:
        """Points t - m of those who answered, (n,): what the prediction misses."""
        return np.asarray(self.answers - self.probabilities[self.answered] @ POINTS)


def clipped_weights(weights: Floats) -> Floats:
    """Weights of the answers, none above `LARGEST_WEIGHT_RATIO` medians."""
    return np.minimum(weights, LARGEST_WEIGHT_RATIO * np.median(weights))


def clipped_by_part(weights: Floats, part: Flags) -> Floats:
    """`clipped_weights` of those in a part and of those outside it, apart, (n,)."""
    found = weights.copy()
    for here in (part, ~part):
        if here.any():
            found[here] = clipped_weights(weights[here])
    return found
