"""The gate between a freshly fitted scorer and the alias ``champion``.

The champion was trained on most of any holdout, so versions are not compared directly. Each has a holdout refit, its
twin: the same recipe, fitted only on what was available before a cutoff. The twins of challenger and champion are
compared on what happened after the challenger's cutoff.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.release.parameters import ReleaseParameters
from models.release.release import Release
from models.release.revenue_gate import check_revenue, is_far, revenue_deviances
from models.scoring.columns import ENDS_OF_INTERVALS, PURCHASE_COLUMNS
from models.scoring.scorer import Scorer
from models.stats.metrics import clustered_standard_error, log_losses, ranked_probability_scores
from models.stats.normal import ONE_SIDED_95
from models.stats.typing import Floats

# Worse means more than 1 % higher, with a one-sided 95 % bound of the paired difference above 0.
MAX_RATIO = 1.01
MIN_ANSWERS = 200
MIN_PURCHASES = 30
# Customers whose intervals are looked at, beside those at the edges of what is known of customers.
EVENLY_SPACED = 30


@dataclass(frozen=True)
class Holdout:
    """What happened between the cutoff of the challenger's twin and the challenger's as_of.

    Attributes
    ----------
    customers : pandas.DataFrame
        One row per customer with a purchase before the cutoff: customer_id, the columns that the scorer's purchase
        forecast reads as of the cutoff, and the realised ``purchases`` and ``revenue``. Of a large base a sample.
    answers : pandas.DataFrame or None
        One row per answer asked for within the holdout: customer_id, category and the features at that time.
    base : int or None
        Customers with a purchase before the cutoff; None where these are all of them.
    """

    customers: pd.DataFrame
    answers: pd.DataFrame | None = None
    base: int | None = None

    @property
    def weight(self) -> float:
        """Customers whom each one stands for."""
        return (self.base or len(self.customers)) / max(len(self.customers), 1)


@dataclass(frozen=True)
class Verdict:
    """The decision of the gate: whether to promote, the reason in one sentence, and the figures."""

    promote: bool
    reason: str
    metrics: dict[str, float] = field(default_factory=dict)


def judge(
    challenger: Release | None,
    champion: Release | None,
    holdout: Holdout | None,
    champion_holdout: Holdout | None = None,
) -> Verdict:
    """Compare a challenger with the champion by their holdout refits.

    Parameters
    ----------
    challenger, champion : Release or None
        The twins; None where there is none (a first version, or a history shorter than the horizon).
    holdout : Holdout or None
        Described with the challenger's vocabulary; None where there is no twin.
    champion_holdout : Holdout, optional
        The same customers and answers, row for row, described for the champion; as for the challenger by default.

    Returns
    -------
    Verdict
        A refusal only where the challenger fails an absolute check or is worse than the champion.
    """
    if challenger is None or holdout is None or holdout.customers.empty:
        return Verdict(True, "not comparable: the history before as_of is shorter than the horizon")
    metrics, fault, note = _check_alone(challenger.scorer, holdout)
    if fault:
        return Verdict(False, fault, metrics)
    also = f"; {note}" if note else ""
    if champion is None:
        why = f"not comparable: there is no champion with a twin; absolute checks passed{also}"
        return Verdict(True, why, metrics)
    changed = _changed(challenger.parameters, champion.parameters)
    if changed:
        return Verdict(True, f"not comparable: {', '.join(changed)} changed; absolute checks passed{also}", metrics)
    theirs_of = champion_holdout or holdout
    worse, sentences = False, list[str]()
    if challenger.scorer.has_forecast and champion.scorer.has_forecast:
        (ours, our_revenue), (theirs, their_revenue) = (
            _losses(challenger.scorer, holdout),
            _losses(champion.scorer, theirs_of),
        )
        ids = holdout.customers["customer_id"]
        worse, sentence = _compare("log loss of p_purchase", ours, theirs, ids, metrics, "log_loss")
        worse_revenue, of_revenue = _compare("deviance of revenue", our_revenue, their_revenue, ids, metrics, "revenue")
        worse, sentences = worse or worse_revenue, [sentence, of_revenue, *([note] if note else [])]
    answers, their_answers = holdout.answers, theirs_of.answers
    if answers is not None and their_answers is not None and _can_judge_answers(challenger, champion, answers):
        ours, theirs = _category_losses(challenger.scorer, answers), _category_losses(champion.scorer, their_answers)
        worse_rps, sentence = _compare("RPS of the NPS category", ours, theirs, answers["customer_id"], metrics, "rps")
        worse, sentences = worse or worse_rps, [*sentences, sentence]
    if not sentences:
        return Verdict(True, "not comparable: the twins have no forecast and no NPS model in common", metrics)
    return Verdict(not worse, "; ".join(sentences), metrics)


def _changed(ours: ReleaseParameters, theirs: ReleaseParameters) -> list[str]:
    """Name what keeps two releases from being compared; a value that is not given, as a currency may be, does not."""
    pairs = {
        "format": (ours.format, theirs.format),
        "horizon": (ours.horizon, theirs.horizon),
        "currency": (ours.currency, theirs.currency),
        "returns_policy": (ours.returns_policy, theirs.returns_policy),
    }
    return [name for name, (own, other) in pairs.items() if own is not None and other is not None and own != other]


def _check_alone(scorer: Scorer, holdout: Holdout) -> tuple[dict[str, float], str | None, str | None]:
    """Absolute checks: every score finite, purchases and revenue in all not off by more than a factor of three.

    Returns
    -------
    tuple
        The figures, why it is refused (None where it is not), and what is to be told in any case.
    """
    if not scorer.has_forecast:
        return {}, None, None
    scores = scorer.score_purchases(holdout.customers, with_intervals=False)
    predicted, actual = float(scores["expected_purchases"].sum()), float(holdout.customers["purchases"].sum())
    metrics = {"purchases_expected": predicted, "purchases_actual": actual}
    # p_alive is null where the model cannot judge a customer.
    numbers = scores.assign(p_alive=scores["p_alive"].fillna(1.0)).drop(columns=list(ENDS_OF_INTERVALS))
    ends = scorer.score_purchases(_at_the_edges(holdout.customers))[list(ENDS_OF_INTERVALS)]
    strange = [str(name) for each in (numbers, ends) for name in each if not np.isfinite(each[name]).all()]
    if strange:
        return metrics, f"refused: the twin's scores are not finite: {', '.join(strange)}", None
    revenue = check_revenue(scorer, holdout.customers, scores)
    metrics |= {"revenue_expected": revenue.expected, "revenue_actual": revenue.actual}
    if max(actual, predicted) < MIN_PURCHASES:
        return metrics, None, None
    if is_far(predicted, actual):
        reason = f"refused: the twin expected {predicted:,.0f} purchases in the holdout, {actual:,.0f} came"
        return metrics, reason, None
    return metrics, revenue.fault, revenue.note


def _at_the_edges(customers: pd.DataFrame) -> pd.DataFrame:
    """Choose the customers with the least and the greatest value of each purchase column, and some in between.

    Intervals are simulated, which takes longer than all else; where they are not finite they are so at an edge.
    """
    places = [np.linspace(0, len(customers) - 1, EVENLY_SPACED).astype(np.int64)]
    for name in PURCHASE_COLUMNS:
        values = customers[name].to_numpy(float)
        places.append(np.array([values.argmin(), values.argmax()]))
    return customers.iloc[np.unique(np.concatenate(places))]


def _losses(scorer: Scorer, holdout: Holdout) -> tuple[Floats, Floats]:
    """Return each customer's log loss of p_purchase and deviance of the expected revenue."""
    predicted, came = scorer.predict_horizon(holdout.customers), holdout.customers
    buys = log_losses(came["purchases"] > 0, predicted["p_purchase"])
    revenue = predicted["expected_revenue"].to_numpy(float)
    return buys, revenue_deviances(came["revenue"].to_numpy(float), revenue)


def _can_judge_answers(challenger: Release, champion: Release, answers: pd.DataFrame) -> bool:
    have_models = all(release.parameters.nps.source is not None for release in (challenger, champion))
    same_question = challenger.parameters.nps_question == champion.parameters.nps_question
    return same_question and have_models and len(answers) >= MIN_ANSWERS


def _category_losses(scorer: Scorer, answers: pd.DataFrame) -> Floats:
    return ranked_probability_scores(answers["category"].to_numpy(int), scorer.category_probabilities(answers))


def _compare(
    what: str, ours: Floats, theirs: Floats, clusters: Any, metrics: dict[str, float], name: str
) -> tuple[bool, str]:
    """Say whether our mean loss is worse than theirs on the same rows, with both figures in a sentence.

    One account does not decide: it must be worse without the one that makes the largest difference, too.
    """
    of_row = np.unique(np.asarray(clusters), return_inverse=True)[1]
    others = of_row != np.argmax(np.bincount(of_row, weights=ours - theirs))
    bound = _bound(ours, theirs, of_row)
    mean_ours, mean_theirs = float(ours.mean()), float(theirs.mean())
    metrics |= {f"{name}_challenger": mean_ours, f"{name}_champion": mean_theirs, f"{name}_bound": bound}
    worse = all(
        ours[rows].mean() > MAX_RATIO * theirs[rows].mean() and _bound(ours[rows], theirs[rows], of_row[rows]) > 0
        for rows in (np.full(len(ours), True), others)
    )
    verdict = "worse" if worse else "not worse"
    return worse, f"{what} {mean_ours:.4f} against the champion's {mean_theirs:.4f}: {verdict}"


def _bound(ours: Floats, theirs: Floats, clusters: npt.NDArray[np.intp]) -> float:
    """Return the one-sided 95 % lower bound of the mean difference."""
    difference = ours - theirs
    return float(difference.mean()) - ONE_SIDED_95 * clustered_standard_error(difference, clusters)
