"""Customers who were drawn with a recorded probability: whose invitations these are, and what answers stand for.

A list drawn by `revealed sample` says of each customer on it how likely they were to be on it, so their answers need no
guess of whom they stand for: 1 / (inclusion probability x probability of answering when invited) customers each
(Horvitz & Thompson 1952, JASA 47; response as a second phase of the draw: Sarndal, Swensson & Wretman 1992, ch. 15).
"""

from dataclasses import replace
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from models.stats.typing import Flags, Floats, Integers
from models.survey.aipw import newest_per_customer
from models.survey.frame import Survey, clipped_by_part

# An invitation belongs to a list where the customer was drawn so many days before it at most.
LONGEST_FIELDWORK_DAYS = 60
# The guess is held to be wrong where its residuals differ from those of lists by more standard errors, and not by fewer
# effective answers of lists than tell anything.
CONTRADICTION = 1.959963984540054
FEWEST_EFFECTIVE_ANSWERS = 20.0
DRAWN = ["drawn_on", "inclusion_probability", "quiet_days"]


def check_probability_samples(drawn: pd.DataFrame, before: date, since: date | None = None) -> pd.DataFrame:
    """Give the customers drawn before a date (and not before another), typed and in order of list and customer.

    Parameters
    ----------
    drawn
        customer_id, drawn_on (the as_of of the list), inclusion_probability; where known quiet_days, the period in
        which whoever was asked could not be drawn (else 0). A list is told by its date.
    before, since
        Midnights; exclusive and inclusive.

    Raises
    ------
    ValueError
        If a column is missing, a probability is not in (0, 1], or a customer is twice on a list.
    """
    missing = [name for name in ("customer_id", *DRAWN[:2]) if name not in drawn]
    if missing:
        raise ValueError(f"drawn must have customer_id, drawn_on and inclusion_probability, lacks {', '.join(missing)}")
    table = pd.DataFrame(
        {
            "customer_id": drawn["customer_id"].astype("str"),
            "drawn_on": pd.to_datetime(drawn["drawn_on"]).astype("datetime64[us]"),
            "inclusion_probability": drawn["inclusion_probability"].astype(float),
            "quiet_days": drawn["quiet_days"].astype(int) if "quiet_days" in drawn else 0,
        }
    )
    chance = table["inclusion_probability"]
    if not chance.between(0.0, 1.0, inclusive="right").all():
        raise ValueError("inclusion_probability must be above 0 and at most 1, for every customer drawn")
    if table.duplicated(["customer_id", "drawn_on"]).any():
        raise ValueError("a customer is twice on the list of one day")
    seen = table["drawn_on"] < pd.Timestamp(before)
    if since is not None:
        seen &= table["drawn_on"] >= pd.Timestamp(since)
    return table[seen].sort_values(["drawn_on", "customer_id"], ignore_index=True)


def find_lists(asked: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """Say of each invitation to which list it belongs.

    It is the newest on which the customer was drawn, at most `LONGEST_FIELDWORK_DAYS` before being invited (before
    answering, where only that is known). A list that nobody has answered yet counts as if it were not there.

    Parameters
    ----------
    asked
        (n rows) customer_id, invited_at, answered_at, answered.
    drawn
        As `check_probability_samples` gives it.

    Returns
    -------
    pandas.DataFrame
        (n rows) drawn_on, inclusion_probability and quiet_days, NaT, NaN and 0 where it belongs to none.
    """
    asked_on = asked["invited_at"].fillna(asked["answered_at"]).dt.normalize()
    left = pd.DataFrame(
        {"customer_id": asked["customer_id"].astype("str"), "asked_on": asked_on, "row": np.arange(len(asked))}
    )
    found = pd.merge_asof(
        left.sort_values(["asked_on", "row"]),
        drawn,
        left_on="asked_on",
        right_on="drawn_on",
        by="customer_id",
        tolerance=pd.Timedelta(days=LONGEST_FIELDWORK_DAYS),
    ).sort_values("row")
    found = found[DRAWN].set_index(asked.index)
    answered = found["drawn_on"][asked["answered"].astype(bool)].dropna().unique()
    found = found.where(found["drawn_on"].isin(answered))
    return found.astype({"drawn_on": "datetime64[us]"}).fillna({"quiet_days": 0})


def customers_of_lists(invited: pd.DataFrame, drawn: pd.DataFrame) -> pd.DataFrame:
    """Give one row per customer of each list that was answered: the newest answer to it, or the newest invitation.

    Of whom neither is known was asked and is silent: survey tools often give the answers only.

    Parameters
    ----------
    invited
        Invitations: customer_id, as_of, invited_at, answered_at, answered, and what `find_lists` gives.
    drawn
        As `check_probability_samples` gives it.

    Returns
    -------
    pandas.DataFrame
        The columns of `drawn`, as_of, invited_at, answered_at and answered, in the order of `drawn`.
    """
    of_lists = invited[invited["drawn_on"].notna()]
    newest = [of_lists.iloc[:0]]
    for _, some in of_lists.groupby("drawn_on"):
        newest.append(some.iloc[newest_per_customer(some["customer_id"], some["as_of"], some["answered"])])
    known = pd.concat(newest)[["customer_id", "drawn_on", "as_of", "invited_at", "answered_at", "answered"]]
    in_use = drawn[drawn["drawn_on"].isin(known["drawn_on"])]
    listed = in_use.merge(known, on=["customer_id", "drawn_on"], how="left")
    # Null where no invitation is known.
    return listed.assign(answered=listed["answered"].eq(True))


def centred_log_probability(frame: pd.DataFrame) -> Floats:
    """Log inclusion probability less its mean over the list, (N,): what the design knew of a customer.

    It belongs into the model of who answers, rather than as a weight (Little & Vartivarian 2003, Statistics in Medicine
    22): the draw may have followed what no feature tells. Lists of other sizes must not pass for other customers.
    """
    log = np.log(frame["inclusion_probability"])
    centred: Floats = (log - log.groupby(frame["drawn_on"]).transform("mean")).to_numpy(float)
    return centred


def customers_stood_for(frame: pd.DataFrame, asked: pd.DataFrame, *, tells_who_was_asked: bool) -> Floats:
    """Count the customers of the base that each row of the frame stands for on each list, (L, N), for L lists.

    1 / inclusion probability of those on the list. Whoever was asked shortly before could not be drawn: of them all are
    in the frame by that other invitation, so each stands for themselves, 1; 0 for all others. So each list with those
    who were left in peace is the base of its day.

    Parameters
    ----------
    frame
        (N rows) customer_id, drawn_on (NaT where not of a list), inclusion_probability, quiet_days.
    asked
        All invitations, whether in the frame or not: customer_id, invited_at, answered_at.
    tells_who_was_asked
        Whether rows of no list are customers who were asked; else they speak for nobody who was left in peace.
    """
    day, customer = frame["drawn_on"].to_numpy("datetime64[us]"), frame["customer_id"].to_numpy(str)
    drawn = ~np.isnat(day)
    lists, first = np.unique(day[drawn], return_index=True)
    quiet_days = frame["quiet_days"].to_numpy(float)[drawn][first]
    contacts = asked.melt("customer_id", ["invited_at", "answered_at"], value_name="at").dropna()
    whom, at = contacts["customer_id"].to_numpy(str), contacts["at"].to_numpy("datetime64[us]")
    found = np.zeros((len(lists), len(frame)))
    for row, list_day, days in zip(found, lists, quiet_days, strict=True):
        own = day == list_day
        row[own] = 1.0 / frame["inclusion_probability"].to_numpy(float)[own]
        start = list_day - np.timedelta64(int(days), "D")
        lately = np.r_[whom[(at >= start) & (at < list_day)], customer[drawn & (day >= start) & (day < list_day)]]
        may_speak = (drawn & (day < list_day)) | (~drawn & tells_who_was_asked)
        quiet = may_speak & np.isin(customer, lately) & ~np.isin(customer, customer[own])
        row[_one_each(np.flatnonzero(quiet), customer, day)] = 1.0
    return found


def _one_each(rows: npt.NDArray[np.intp], customer: npt.NDArray[np.str_], day: npt.NDArray[np.datetime64]) -> Integers:
    """One of several rows of a customer: that of no list, else that of the newest. Whether they answered is no matter.

    (Else those who answered would be chosen, and stand for themselves and the silent.)
    """
    newest = np.where(np.isnat(day), np.datetime64("9999-12-31", "us"), day)[rows].astype(np.int64)
    order = rows[np.lexsort((-newest, customer[rows]))]
    return order[np.unique(customer[order], return_index=True)[1]].astype(np.int64)


def join_lists(survey: Survey, drawn: Flags, mix: Floats, stood_for: Floats) -> Survey:
    """Let answers of lists and other answers speak for the base together.

    Each list (with those it left in peace) represents the base by its recorded probabilities, all other invitations
    represent it by the guessed mix. Each of these groups has a mean residual whose variance falls with its effective
    number of answers, (sum w)^2 / sum w^2 (Kish 1965), so the total weight of a group's answers is made that number:
    the combination of least variance where answers scatter alike. Where the lists contradict the guess its weight is
    cut as `_trust` says.

    Parameters
    ----------
    survey
        The frame: rows of lists and rows of other invitations, with the propensity of each.
    drawn
        (N,) whether a row is of a list.
    mix
        (N,) guessed customers of the base for one of the frame, up to a constant; rows of lists do not count.
    stood_for
        (L, N) as `customers_stood_for` gives it.

    Returns
    -------
    Survey
        With `drawn`, `mix` and `known`.
    """
    R = survey.answered
    part, asked = drawn[R], 1.0 / survey.propensity[R]
    capped = clipped_by_part(asked, part)
    scales = np.array([_scale(of_list[R] * capped) for of_list in stood_for])
    known: Floats = scales @ stood_for
    guessed = np.where(drawn, 0.0, mix)
    of_guess = clipped_by_part(guessed[R] * asked, part)
    guessed *= _scale(of_guess) * _trust(survey.residuals, known[R] * capped, of_guess)
    return replace(survey, drawn=drawn, mix=guessed, known=known)


def _scale(w: Floats) -> float:
    """Give the factor that makes the sum of a group's weights its effective number of answers; 0 where it has none."""
    return float(w.sum() / (w @ w)) if w.any() else 0.0


def _trust(residual: Floats, of_lists: Floats, of_guess: Floats) -> float:
    """Factor on the weight of guessed answers, 1 unless the lists contradict them.

    The lists are right on average, the guess may be off by some bias b, and the combination of least mean squared error
    weighs it by 1 / (V + b^2) in place of 1 / V (Elliott & Haviland 2007, Survey Methodology 33). With d the difference
    of the two mean residuals, V and V' their variances, b^2 is estimated by d^2 - V - V' where d is no matter of chance
    (beyond `CONTRADICTION` standard errors, from `FEWEST_EFFECTIVE_ANSWERS` of the lists on), and is 0 otherwise.
    """
    if not of_lists.any() or not of_guess.any():
        return 1.0
    h, g = of_lists / of_lists.sum(), of_guess / of_guess.sum()
    spread = float(residual.var())
    of_list, variance = spread * float(h @ h), spread * float(g @ g)
    squared = float(h @ residual - g @ residual) ** 2
    few = 1.0 / float(h @ h) < FEWEST_EFFECTIVE_ANSWERS
    if few or squared <= CONTRADICTION**2 * (of_list + variance):
        return 1.0
    return variance / (squared - of_list)
