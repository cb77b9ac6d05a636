"""Probability samples: which invitations belong to them, and the design weights of their customers.

A sample drawn by `revealed sample` records each customer's inclusion probability. An answer then represents
1 / (inclusion probability x probability of answering when invited) customers, and no covariate-shift weight has to be
estimated (Horvitz & Thompson 1952, JASA 47; response as a second phase of the draw: Sarndal, Swensson & Wretman 1992,
ch. 15).
"""

from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stats.normal import NORMAL_95
from models.stats.typing import Flags, Floats, Integers
from models.survey.frame import Survey, clipped_by_part, newest_per_customer

# An invitation belongs to a sample that was drawn at most so many days before it.
LONGEST_FIELDWORK_DAYS = 60
# Answers outside the samples count as biased if their mean residual differs from that of the samples by more than
# `NORMAL_95` standard errors, provided that the samples have so many effective answers.
FEWEST_EFFECTIVE_ANSWERS = 20.0
SAMPLE_COLUMNS = ["drawn_on", "inclusion_probability", "quiet_days"]


def check_probability_samples(
    probability_samples: pd.DataFrame, before: date, since: date | None = None
) -> pd.DataFrame:
    """Give the customers of the samples drawn in a period, typed and in order of sample and customer.

    Parameters
    ----------
    probability_samples
        customer_id, drawn_on (the as_of of the sample, which identifies it), inclusion_probability, and optionally
        quiet_days: customers asked in so many days before could not be drawn (0 where it is missing).
    before, since
        Midnights; exclusive and inclusive.

    Raises
    ------
    ValueError
        If a column is missing, a probability is not in (0, 1], or a customer is twice in a sample.
    """
    given = probability_samples
    missing = [name for name in ("customer_id", *SAMPLE_COLUMNS[:2]) if name not in given]
    if missing:
        raise ValueError(
            f"probability_samples must have customer_id, drawn_on and inclusion_probability, lacks {', '.join(missing)}"
        )
    samples = pd.DataFrame(
        {
            "customer_id": given["customer_id"].astype("str"),
            "drawn_on": pd.to_datetime(given["drawn_on"]).astype("datetime64[us]"),
            "inclusion_probability": given["inclusion_probability"].astype(float),
            "quiet_days": given["quiet_days"].astype(int) if "quiet_days" in given else 0,
        }
    )
    if not samples["inclusion_probability"].between(0.0, 1.0, inclusive="right").all():
        raise ValueError("inclusion_probability must be above 0 and at most 1, for every customer of a sample")
    if samples.duplicated(["customer_id", "drawn_on"]).any():
        raise ValueError("a customer is twice in the sample of one day")
    in_period = samples["drawn_on"] < pd.Timestamp(before)
    if since is not None:
        in_period &= samples["drawn_on"] >= pd.Timestamp(since)
    return samples[in_period].sort_values(["drawn_on", "customer_id"], ignore_index=True)


def match_samples(asked: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Find the sample that each invitation belongs to.

    It is the newest sample with this customer that was drawn at most `LONGEST_FIELDWORK_DAYS` before the invitation
    (before the answer, where the invitation is not recorded). A sample without any answer yet is left out.

    Parameters
    ----------
    asked
        (n rows) customer_id, invited_at, answered_at, answered.
    samples
        As `check_probability_samples` gives them.

    Returns
    -------
    pandas.DataFrame
        (n rows) drawn_on, inclusion_probability and quiet_days; NaT, NaN and 0 for an invitation outside the samples.
    """
    asked_on = asked["invited_at"].fillna(asked["answered_at"]).dt.normalize()
    left = pd.DataFrame(
        {"customer_id": asked["customer_id"].astype("str"), "asked_on": asked_on, "row": np.arange(len(asked))}
    )
    matched = pd.merge_asof(
        left.sort_values(["asked_on", "row"]),
        samples,
        left_on="asked_on",
        right_on="drawn_on",
        by="customer_id",
        tolerance=pd.Timedelta(days=LONGEST_FIELDWORK_DAYS),
    ).sort_values("row")
    matched = matched[SAMPLE_COLUMNS].set_index(asked.index)
    answered = matched["drawn_on"][asked["answered"].astype(bool)].dropna().unique()
    matched = matched.where(matched["drawn_on"].isin(answered))
    return matched.astype({"drawn_on": "datetime64[us]"}).fillna({"quiet_days": 0})


def customers_of_samples(invited: pd.DataFrame, samples: pd.DataFrame) -> pd.DataFrame:
    """Give one row per customer of each sample with answers: the newest answer, or else the newest invitation.

    A customer with neither an invitation nor an answer counts as a non-respondent: survey tools often export the
    answers only.

    Parameters
    ----------
    invited
        Invitations: customer_id, as_of, invited_at, answered_at, answered, category, and the columns of
        `match_samples`.
    samples
        As `check_probability_samples` gives them.

    Returns
    -------
    pandas.DataFrame
        The columns of `samples`, as_of, invited_at, answered_at, answered and category, in the order of `samples`.
    """
    matched = invited[invited["drawn_on"].notna()]
    newest = [matched.iloc[:0]]
    for _, of_sample in matched.groupby("drawn_on"):
        rows = newest_per_customer(of_sample["customer_id"], of_sample["as_of"], of_sample["answered"])
        newest.append(of_sample.iloc[rows])
    columns = ["customer_id", "drawn_on", "as_of", "invited_at", "answered_at", "answered", "category"]
    replies = pd.concat(newest)[columns]
    with_answers = samples[samples["drawn_on"].isin(replies["drawn_on"])]
    customers = with_answers.merge(replies, on=["customer_id", "drawn_on"], how="left")
    # Null where no invitation is recorded.
    return customers.assign(answered=customers["answered"].eq(True))


def centred_log_probability(frame: pd.DataFrame) -> Floats:
    """Log inclusion probability less its mean over the sample, (N,): a feature for the model of who answers.

    The draw may have depended on something that no feature shows. Such a variable belongs into the response model, not
    into its weights (Little & Vartivarian 2003, Statistics in Medicine 22). It is centred so that a larger sample does
    not look like other customers.
    """
    log = np.log(frame["inclusion_probability"])
    centred: Floats = (log - log.groupby(frame["drawn_on"]).transform("mean")).to_numpy(float)
    return centred


def design_weights(frame: pd.DataFrame, asked: pd.DataFrame, *, tells_who_was_asked: bool) -> Floats:
    """Give the design weight of each row of the frame in each sample, (L, N), for L samples.

    It is 1 / inclusion probability for a customer of the sample. Customers who had been asked within the quiet period
    could not be drawn, but all of them are in the frame by their earlier invitation, so each has the weight 1. All
    others have 0. With these weights each sample represents the base of its day.

    Parameters
    ----------
    frame
        (N rows) customer_id, drawn_on (NaT for rows outside the samples), inclusion_probability, quiet_days.
    asked
        All invitations, whether in the frame or not: customer_id, invited_at, answered_at.
    tells_who_was_asked
        Whether rows outside the samples are customers who were asked; otherwise they get no design weight.
    """
    day, customer = frame["drawn_on"].to_numpy("datetime64[us]"), frame["customer_id"].to_numpy(str)
    in_sample = ~np.isnat(day)
    sample_days, first = np.unique(day[in_sample], return_index=True)
    quiet_days = frame["quiet_days"].to_numpy(float)[in_sample][first]
    contacts = asked.melt("customer_id", ["invited_at", "answered_at"], value_name="at").dropna()
    contacted, at = contacts["customer_id"].to_numpy(str), contacts["at"].to_numpy("datetime64[us]")
    weights = np.zeros((len(sample_days), len(frame)))
    for row, sample_day, days in zip(weights, sample_days, quiet_days, strict=True):
        own = day == sample_day
        row[own] = 1.0 / frame["inclusion_probability"].to_numpy(float)[own]
        start = sample_day - np.timedelta64(int(days), "D")
        sampled_recently = customer[in_sample & (day >= start) & (day < sample_day)]
        recently = np.r_[contacted[(at >= start) & (at < sample_day)], sampled_recently]
        asked_before = (in_sample & (day < sample_day)) | (~in_sample & tells_who_was_asked)
        quiet = asked_before & np.isin(customer, recently) & ~np.isin(customer, customer[own])
        row[_one_each(np.flatnonzero(quiet), customer, day)] = 1.0
    return weights


def _one_each(rows: npt.NDArray[np.intp], customer: npt.NDArray[np.str_], day: npt.NDArray[np.datetime64]) -> Integers:
    """Choose one row of each customer: the one outside the samples, or else the one of the newest sample.

    The choice must not depend on whether they answered: otherwise answers would represent non-respondents twice.
    """
    newest = np.where(np.isnat(day), np.datetime64("9999-12-31", "us"), day)[rows].astype(np.int64)
    order = rows[np.lexsort((-newest, customer[rows]))]
    return order[np.unique(customer[order], return_index=True)[1]].astype(np.int64)


def join_samples(survey: Survey, in_sample: Flags, shift_weight: Floats, weights: Floats) -> Survey:
    """Combine the answers of probability samples and all other answers in one survey.

    Each sample represents the base by its design weights, and all other invitations together represent it by their
    covariate-shift weights. The variance of a group's mean residual is inversely proportional to its effective number
    of answers, (sum w)^2 / sum w^2 (Kish 1965). So each group's weights are scaled to sum to that number: this is the
    combination of least variance if answers have the same variance in all groups. If the samples contradict the other
    answers, the weight of the latter is reduced, see `_bias_discount`.

    Parameters
    ----------
    survey
        The frame: rows of samples and rows of other invitations, with the propensity of each.
    in_sample
        (N,) whether a row belongs to a sample.
    shift_weight
        (N,) covariate-shift weights, up to a constant; those of rows in samples do not count.
    weights
        (L, N) as `design_weights` gives them.

    Returns
    -------
    Survey
        With `in_probability_sample`, `shift_weight` and `design_weight`.
    """
    R = survey.answered
    part, asked_per_answer = in_sample[R], 1.0 / survey.propensity[R]
    clipped = clipped_by_part(asked_per_answer, part)
    scales = np.array([_scale(of_sample[R] * clipped) for of_sample in weights])
    design_weight: Floats = scales @ weights
    shifted = np.where(in_sample, 0.0, shift_weight)
    of_others = clipped_by_part(shifted[R] * asked_per_answer, part)
    shifted *= _scale(of_others) * _bias_discount(survey.residuals, design_weight[R] * clipped, of_others)
    return replace(survey, in_probability_sample=in_sample, shift_weight=shifted, design_weight=design_weight)


def _scale(w: Floats) -> float:
    """Give the factor that makes a group's weights sum to its effective number of answers; 0 if all weights are 0."""
    return float(w.sum() / (w @ w)) if w.any() else 0.0


def _bias_discount(residual: Floats, of_samples: Floats, of_others: Floats) -> float:
    """Factor on the weight of answers outside the samples; 1 unless the samples contradict them.

    The samples are unbiased, the other answers may have some bias b. The combination of least mean squared error weighs
    the latter by 1 / (V + b^2) in place of 1 / V (Elliott & Haviland 2007, Survey Methodology 33). With d the
    difference of the two mean residuals and V, V' their variances, b^2 is estimated by d^2 - V - V' if d is significant
    (more than `NORMAL_95` standard errors, with `FEWEST_EFFECTIVE_ANSWERS` or more in the samples), else by 0.
    """
    if not of_samples.any() or not of_others.any():
        return 1.0
    h, g = of_samples / of_samples.sum(), of_others / of_others.sum()
    variance = float(residual.var())
    variance_samples, variance_others = variance * float(h @ h), variance * float(g @ g)
    squared_difference = float(h @ residual - g @ residual) ** 2
    few = 1.0 / float(h @ h) < FEWEST_EFFECTIVE_ANSWERS
    if few or squared_difference <= NORMAL_95**2 * (variance_samples + variance_others):
        return 1.0
    return variance_others / (squared_difference - variance_samples)
