"""How likely each customer is to answer if asked today, from the invitations of the past; and who was asked lately."""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import ibis.expr.types as ir
import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.optimize import brentq
from scipy.special import expit, logit

from data.errors import InputError
from features.describe import feature_names
from features.spine import midnight
from features.tables import Tables
from models.release.release import Release
from models.stats.folds import last_wave
from models.stats.typing import Floats
from models.survey.base import FEWEST_UNANSWERED, SMALLEST_UNANSWERED_SHARE, describe_asked
from models.survey.frame import LARGEST_WEIGHT_RATIO
from models.survey.propensity import fit_response

# Who was invited later than so many days ago may still answer.
DAYS_TO_ANSWER = 14
# Fewer of the newest invitations do not tell a rate from that of the others.
FEWEST_NEWEST = 30


@dataclass(frozen=True)
class ResponseRates:
    """Probability of answering of each customer, if asked today.

    Attributes
    ----------
    response
        (M,) in (0, 1], in the order of the customers given.
    why
        One sentence: what they stand on.
    """

    response: Floats
    why: str


def response_rates(
    tables: Tables,
    release: Release,
    as_of: date,
    described: pd.DataFrame,
    expected: float | None = None,
    drawn: pd.DataFrame | None = None,
) -> ResponseRates:
    """Predict who answers from those who were asked before, each described as of then.

    The log odds are moved by a constant, so that they give the share seen among the newest invitations (those of the
    last wave, or the newest fifth of their days), or the mean that is expected. Only invitations that had
    `DAYS_TO_ANSWER` days to be answered count, and only answers whose invitation is known. Nobody is taken to be less
    likely to answer than a tenth of the median of those who will, for the estimator counts no answer for more than ten
    typical ones: asking those who hardly ever answer so often that they are heard would be in vain.

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
        Mean probability of answering, in (0, 1], that is expected instead of the share seen.
    drawn
        Earlier samples, as `models.survey.probability_samples.check_probability_samples` takes them: whoever is on a
        list that was answered was asked when it was drawn, though the tables may hold the answers only.

    Raises
    ------
    InputError
        If `expected` is no such share, or there are no unanswered invitations to learn from and it is not given.
    """
    if expected is not None and not 0.0 < expected <= 1.0:
        raise InputError(f"The response rate must be a share above 0 and at most 1, e.g. 0.2, got {expected}")
    asked = _past_invitations(tables, release, as_of, drawn)
    answered = np.zeros(0, dtype=bool) if asked is None else asked["answered"].to_numpy(bool)
    silent = int(np.sum(~answered))
    if (
        asked is None
        or silent < max(FEWEST_UNANSWERED, SMALLEST_UNANSWERED_SHARE * len(answered))
        or not answered.any()
    ):
        if expected is None:
            raise InputError(_why_unknown(silent, int(answered.sum())))
        everyone = np.full(len(described), expected)
        return ResponseRates(everyone, f"{_percent(expected)} are expected to answer, everyone alike: {_NO_RECORD}.")

    names = feature_names(release.vocabulary)
    model = fit_response(asked[names], answered, asked["customer_id"], release.parameters["seed"])
    response = model.predict(described)
    if expected is not None:
        response = _moved(response, response, expected)
        why = f"{_percent(expected)} are expected to answer, as past invitations differ by behaviour."
    else:
        newest = last_wave(asked["as_of"])
        if newest.sum() < FEWEST_NEWEST:
            newest = np.ones(len(asked), dtype=bool)
        share = (answered[newest].sum() + 0.5) / (newest.sum() + 1.0)
        response = _moved(response, model.predict(asked[newest]), share)
        first = asked.loc[newest, "as_of"].min() + timedelta(days=release.parameters["label_gap_days"])
        why = (
            f"Of {newest.sum():,} invitations since {first:%Y-%m-%d} {_percent(answered[newest].mean())} were answered."
        )
    return ResponseRates(np.maximum(response, least_response(response)), why)


def least_response(response: Floats) -> float:
    """Give the least probability of answering that the estimator's weights tell apart.

    Parameters
    ----------
    response
        (M,) probabilities of answering; their median among those who will answer is taken, weighed by themselves.
    """
    ordered = np.sort(response)
    answers = np.cumsum(ordered)
    return float(ordered[np.searchsorted(answers, answers[-1] / 2.0)] / LARGEST_WEIGHT_RATIO)


def lately_asked(
    answers: ir.Table | None, as_of: date, quiet_days: int, drawn: pd.DataFrame | None = None
) -> npt.NDArray[np.str_]:
    """Ids of those who were asked anything, answered or were drawn to be asked in the `quiet_days` before as_of.

    Parameters
    ----------
    answers
        Clean answers and invitations, of whatever question.
    as_of
        Exclusive: as_of - quiet_days is the first day that counts.
    quiet_days
        0 or more.
    drawn
        customer_id and drawn_on (date) of earlier samples: who is in them is asked, though no table says so yet.

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
    since, found = as_of - timedelta(days=quiet_days), [np.zeros(0, dtype=str)]
    if answers is not None:
        for at in (answers.invited_at, answers.answered_at):
            rows = answers.filter(at >= midnight(since), at < midnight(as_of)).select("customer_id").distinct()
            found.append(rows.to_pyarrow()["customer_id"].to_numpy(zero_copy_only=False).astype(str))
    if drawn is not None and len(drawn):
        on = pd.to_datetime(drawn["drawn_on"])
        recent = (on >= pd.Timestamp(since)) & (on < pd.Timestamp(as_of))
        found.append(drawn.loc[recent, "customer_id"].to_numpy(str))
    return np.unique(np.concatenate(found))


_NO_RECORD = "the answers hold no record of who was asked and did not answer"


def _past_invitations(tables: Tables, release: Release, as_of: date, drawn: pd.DataFrame | None) -> pd.DataFrame | None:
    """Return the invitations that had time to be answered, with the features as of then; None without answers."""
    if tables.answers is None:
        return None
    now = replace(release, parameters=release.parameters | {"as_of": as_of.isoformat()})
    invited, _, listed = describe_asked(tables, now, None, drawn)
    ripe = pd.Timestamp(as_of) - pd.Timedelta(days=DAYS_TO_ANSWER)
    of_none = invited["drawn_on"].isna() if len(listed) else np.ones(len(invited), dtype=bool)
    asked = invited[of_none & (invited["invited_at"] < ripe)]
    if listed.empty:
        return asked.reset_index(drop=True)
    # Some of a list may have no date but that of the list: so all of it has that.
    day = listed["drawn_on"] - pd.Timedelta(days=release.parameters["label_gap_days"])
    listed = listed.assign(as_of=day.astype(asked["as_of"].dtype))[listed["drawn_on"] < ripe]
    columns = ["customer_id", "as_of", "answered", *feature_names(release.vocabulary)]
    return pd.concat([asked[columns], listed[columns]], ignore_index=True)


def _moved(response: Floats, where: Floats, share: float) -> Floats:
    """Move the log odds of `response` by what gives `where` the mean `share`."""
    if share >= 1.0:
        return np.ones(len(response))
    odds = logit(where)
    # Moved by so much, even the least and the most likely pass the share.
    low, high = logit(share) - odds.max() - 1.0, logit(share) - odds.min() + 1.0
    shift = brentq(lambda by: float(expit(odds + by).mean()) - share, low, high, xtol=1e-12)
    return np.asarray(expit(logit(response) + shift))


def _why_unknown(silent: int, answered: int) -> str:
    held = (
        f"{silent:,} unanswered invitations and {answered:,} answered ones" if silent else "no unanswered invitations"
    )
    return (
        f"How many answer is not known: the answers hold {held} that had {DAYS_TO_ANSWER} days to be answered (rows "
        "with invited_at and no score). Add them to the answers, or say the response rate you expect with "
        "--response-rate, e.g. 0.2."
    )


def _percent(share: float) -> str:
    return f"{100.0 * share:.1f} %"
