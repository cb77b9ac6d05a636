"""How likely each customer is to answer if asked today, from past invitations; and who was asked recently."""

from dataclasses import dataclass
from datetime import date, timedelta

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
import scipy
from scipy.special import expit, logit

from data.errors import InputError
from features.describe import feature_names
from features.spine import midnight
from features.tables import Tables
from models.release.release import Release
from models.stats.folds import last_wave
from models.stats.typing import Floats
from models.survey.frame import LARGEST_WEIGHT_RATIO
from models.survey.response.asked import FEWEST_UNANSWERED, SMALLEST_UNANSWERED_SHARE, describe_asked
from models.survey.response.propensity import fit_response

# Customers who were invited fewer days ago may still answer.
DAYS_TO_ANSWER = 14
# Fewer of the newest invitations do not tell their response rate from that of the older ones.
FEWEST_NEWEST = 30


@dataclass(frozen=True)
class ResponseRates:
    """Probability of answering of each customer, if asked today.

    Attributes
    ----------
    response
        (M,) in (0, 1], in the order of the customers given.
    why
        One sentence: what the probabilities are based on.
    """

    response: Floats
    why: str


def response_rates(
    tables: Tables,
    release: Release,
    as_of: date,
    described: pd.DataFrame,
    expected: float | None = None,
    probability_samples: pd.DataFrame | None = None,
) -> ResponseRates:
    """Predict who would answer if asked today, by a model of past invitations, each described as of its own date.

    A constant is added to the log odds, so that their mean probability is the share that answered the newest
    invitations (of the last wave, or of the newest fifth of the days), or the `expected` one. Only invitations that had
    `DAYS_TO_ANSWER` days to be answered count, and only answers with a recorded invitation. No probability is below
    `least_response`: the estimator clips the weight of an answer, so more invitations to customers who hardly ever
    answer would not help.

    Parameters
    ----------
    tables
        The shop's checked tables.
    release
        Names the question and the features.
    as_of
        Exclusive.
    described
        (M rows) the features of customers as of now.
    expected
        Mean probability of answering, in (0, 1], to use in place of the observed share.
    probability_samples
        Earlier samples, as `models.survey.probability_samples.check_probability_samples` takes them. Once a sample has
        an answer, all its customers count as asked on the day it was drawn: the tables may hold the answers only.

    Raises
    ------
    InputError
        If `expected` is no such share, or there are no unanswered invitations to learn from and it is not given.
    """
    if expected is not None and not 0.0 < expected <= 1.0:
        raise InputError(f"The response rate must be a share above 0 and at most 1, e.g. 0.2, got {expected}")
    asked = _past_invitations(tables, release, as_of, probability_samples)
    answered = np.zeros(0, dtype=bool) if asked is None else asked["answered"].to_numpy(bool)
    non_respondents = int(np.sum(~answered))
    if (
        asked is None
        or non_respondents < max(FEWEST_UNANSWERED, SMALLEST_UNANSWERED_SHARE * len(answered))
        or not answered.any()
    ):
        if expected is None:
            raise InputError(_why_unknown(non_respondents, int(answered.sum())))
        everyone = np.full(len(described), expected)
        return ResponseRates(everyone, f"{_percent(expected)} are expected to answer, everyone alike: {_NO_RECORD}.")

    names = feature_names(release.vocabulary)
    model = fit_response(asked[names], answered, asked["customer_id"], release.parameters.seed)
    response = model.predict(described)
    if expected is not None:
        response = _shifted(response, response, expected)
        why = f"{_percent(expected)} are expected to answer; how that differs by behaviour is learned from invitations."
    else:
        newest = last_wave(asked["as_of"])
        if newest.sum() < FEWEST_NEWEST:
            newest = np.ones(len(asked), dtype=bool)
        share = (answered[newest].sum() + 0.5) / (newest.sum() + 1.0)
        response = _shifted(response, model.predict(asked[newest]), share)
        first = asked.loc[newest, "as_of"].min() + timedelta(days=release.parameters.label_gap_days)
        why = (
            f"Of {newest.sum():,} invitations since {first:%Y-%m-%d} {_percent(answered[newest].mean())} were answered."
        )
    return ResponseRates(np.maximum(response, least_response(response)), why)


def least_response(response: Floats) -> float:
    """Give the least probability of answering that the estimator's clipped weights allow for.

    It is the median probability of those who will answer, divided by `LARGEST_WEIGHT_RATIO`.

    Parameters
    ----------
    response
        (M,) probabilities of answering. The median is weighted by them, since they say who will answer.
    """
    ordered = np.sort(response)
    answers = np.cumsum(ordered)
    return float(ordered[np.searchsorted(answers, answers[-1] / 2.0)] / LARGEST_WEIGHT_RATIO)


def recently_asked(
    answers: ir.Table | None, as_of: date, quiet_days: int, probability_samples: pd.DataFrame | None = None
) -> npt.NDArray[np.str_]:
    """Ids of customers who were asked anything, answered or were in a sample in the `quiet_days` before as_of.

    Parameters
    ----------
    answers
        Clean answers and invitations, of any question.
    as_of
        Exclusive: as_of - quiet_days is the first day that counts.
    quiet_days
        0 or more.
    probability_samples
        customer_id and drawn_on (date) of earlier samples. Their customers count as asked before any table says so.

    Returns
    -------
    numpy.ndarray
        Distinct ids, ascending.

    Raises
    ------
    InputError
        If `quiet_days` is negative.
    """
    if quiet_days < 0:
        raise InputError(f"quiet_days must be 0 or more, got {quiet_days}")
    since, customers = as_of - timedelta(days=quiet_days), [np.zeros(0, dtype=str)]
    if answers is not None:
        for at in (answers.invited_at, answers.answered_at):
            rows = answers.filter(at >= midnight(since), at < midnight(as_of)).select("customer_id").distinct()
            customers.append(rows.to_pyarrow()["customer_id"].to_numpy(zero_copy_only=False).astype(str))
    if probability_samples is not None and len(probability_samples):
        on = pd.to_datetime(probability_samples["drawn_on"])
        recent = (on >= pd.Timestamp(since)) & (on < pd.Timestamp(as_of))
        customers.append(probability_samples.loc[recent, "customer_id"].to_numpy(str))
    return np.unique(np.concatenate(customers))


_NO_RECORD = "the answers hold no record of who was asked and did not answer"


def _past_invitations(
    tables: Tables, release: Release, as_of: date, probability_samples: pd.DataFrame | None
) -> pd.DataFrame | None:
    """Return the invitations that had time to be answered, with the features as of then; None without answers."""
    if tables.answers is None:
        return None
    now = release.as_seen_at(as_of)
    found = describe_asked(tables, now, None, probability_samples)
    invited, sampled = found.invited, found.of_samples
    latest = pd.Timestamp(as_of) - pd.Timedelta(days=DAYS_TO_ANSWER)
    outside_samples = invited["drawn_on"].isna() if len(sampled) else np.ones(len(invited), dtype=bool)
    asked = invited[outside_samples & (invited["invited_at"] < latest)]
    if sampled.empty:
        return asked.reset_index(drop=True)
    # Some customers of a sample have no recorded invitation, so all of them get the date of the sample.
    day = sampled["drawn_on"] - pd.Timedelta(days=release.parameters.label_gap_days)
    sampled = sampled.assign(as_of=day.astype(asked["as_of"].dtype))[sampled["drawn_on"] < latest]
    columns = ["customer_id", "as_of", "answered", *feature_names(release.vocabulary)]
    return pd.concat([asked[columns], sampled[columns]], ignore_index=True)


def _shifted(response: Floats, reference: Floats, share: float) -> Floats:
    """Add a constant to the log odds of `response`: the one that gives `reference` the mean probability `share`."""
    if share >= 1.0:
        return np.ones(len(response))
    odds = logit(reference)
    # With these two shifts every probability is below, or above, the share: the root lies between them.
    low, high = logit(share) - odds.max() - 1.0, logit(share) - odds.min() + 1.0
    shift = scipy.optimize.brentq(lambda by: float(expit(odds + by).mean()) - share, low, high, xtol=1e-12)
    return np.asarray(expit(logit(response) + shift))


def _why_unknown(unanswered: int, answered: int) -> str:
    counts = f"{unanswered:,} unanswered invitations and {answered:,} answered ones"
    invitations = counts if unanswered else "no unanswered invitations"
    return (
        f"The response rate is not known: the answers hold {invitations} that had {DAYS_TO_ANSWER} days to be answered "
        "(rows with invited_at and no score). Add them to the answers, or name the response rate you expect with "
        "--response-rate, e.g. 0.2."
    )


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"
