"""How many customers to ask, and which: the fewest invitations that give an NPS the wanted margin of error.

The answers are evaluated by `models.survey.aipw.estimate_nps`: mean(m) + sum w (t - m) / sum w, with answers t and
weights w = 1 / (inclusion probability pi x probability of answering r). This module plans its variance:

    V = (1/N^2) sum_h (N_h / n_h) sum_{i in h} s_i^2 / r_i  +  var(m) / M

with N customers who may be asked, N_h of them and n_h invitations in stratum h, s_i^2 the predicted variance of an
answer and M customers in the base. The first term is the variance of the weighted answers: N_h / n_h = 1 / pi, and
E[w^2 (t - m)^2 | asked, answering] sums to it. It has no finite population correction, because an answer is one draw
from what the customer might say. The second term does not depend on who is asked: the base counts as a sample, as it
does in the estimator's own interval. Estimating r increases the first term (`models.survey.response.weight_noise`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from data.errors import InputError
from models.stats.typing import Floats, Integers
from models.survey.allocation import Allocations
from models.survey.response.weight_noise import ResponseNoise

# Strata cross so many groups by the standard deviation of a weighted answer with so many by the predicted answer.
GROUPS = 5
# A segment has fewer groups if a stratum would otherwise hold fewer customers, on average.
CUSTOMERS_PER_STRATUM = 40
EVERYONE = "everyone"
# An NPS lies within so many points of 0, so a wider margin of error says nothing.
WIDEST_MARGIN = 100.0


@dataclass(frozen=True)
class Design:
    """How many to ask in each stratum.

    Attributes
    ----------
    customers
        One row for each customer who may be asked, in the order of customer_id: customer_id, segment, stratum.
    strata
        One row per stratum: stratum, segment, eligible (N_h), invitations (n_h), expected_answers,
        inclusion_probability (n_h / N_h), mean_nps (predicted, points), response_rate (mean probability of answering).
    segments
        One row per segment, in the order of names: segment, customers (of the base), eligible, invitations,
        expected_answers, inclusion_probability (mean over the eligible), margin (expected margin of error, points; NaN
        if nobody may be asked), reached (whether that is at most the wanted one), invitations_at_random (what a simple
        random sample of the segment would need; NaN if even asking all would not do).
    margin
        Expected margin of error of the whole base, points.
    """

    customers: pd.DataFrame
    strata: pd.DataFrame
    segments: pd.DataFrame
    margin: float


def design_sample(base: pd.DataFrame, margin: float, noise: ResponseNoise | None = None) -> Design:
    """Find the fewest invitations with which each segment's NPS has the wanted margin of error.

    Strata are formed within segments: by the standard deviation s / sqrt(r) of a weighted answer, in groups of equal
    sums, so that the tail is finely divided (Cochran 1977, Sampling Techniques, section 5A.7), and by the predicted
    answer m. Invitations are allocated by Neyman's rule n_h ~ N_h sqrt(mean s^2/r) for equal costs (1934, J. Royal
    Statistical Society 97), exactly for whole numbers within bounds (Wright 2012, The American Statistician 66): the
    next one goes to the stratum with the largest N_h sqrt(mean s^2/r) / sqrt(n (n + 1)).

    Parameters
    ----------
    base
        One row per customer: customer_id; segment; points (predicted NPS of the customer m, -100 to 100); variance (of
        the answer around it, points squared); response (probability of answering if asked, above 0); eligible (whether
        the customer may be asked). Rows in any order give the same design.
    margin
        Wanted margin of error, the half width of the 95 % interval, points.
    noise
        How estimating r widens the interval; None if r is known.

    Returns
    -------
    Design
        In a segment that cannot have the margin all are asked, and its margin is the one that this gives.

    Raises
    ------
    InputError
        If the margin is not a number above 0, nobody may be asked, or no segment can have the margin; the message then
        names the smallest possible one.
    """
    if not 0.0 < margin < np.inf:
        raise InputError(f"margin must be a number of points above 0, e.g. 3, got {margin}")
    base = base.sort_values("customer_id", kind="stable").reset_index(drop=True)
    base["segment"] = base["segment"].astype(str)
    may = base["eligible"].to_numpy(bool)
    if not may.any():
        raise InputError(f"None of the {len(base):,} customers may be asked: all were within the quiet period.")
    people = base.loc[may, ["customer_id", "segment", "points", "variance", "response"]].reset_index(drop=True)
    people["stratum"] = _stratify(people)
    invited = np.zeros(int(people["stratum"].max()) + 1, dtype=np.int64)
    # One model of who answers learns from all segments, and each segment has about the same number of answers.
    among = None if noise is None else noise.among(base["segment"].nunique())
    rows = []
    for name, of_base in base.groupby("segment", sort=True):
        here = people[people["segment"] == name]
        fixed = _variance_of_mean(of_base["points"])
        allocations, at_random = (Allocations.of(of, fixed, among) for of in (here, here.assign(stratum=0)))
        steps, random_steps = allocations.steps_to(margin), at_random.steps_to(margin)
        strata = np.unique(here["stratum"])
        invited[strata] = allocations.after(allocations.steps if steps is None else steps)
        rows.append(
            {
                "segment": name,
                "customers": len(of_base),
                "eligible": len(here),
                "invitations": int(invited[strata].sum()),
                "margin": allocations.margin(invited[strata]),
                "reached": steps is not None,
                "invitations_at_random": np.nan if random_steps is None else at_random.after(random_steps).sum(),
            }
        )
    segments = pd.DataFrame(rows)
    if not segments["reached"].any():
        raise InputError(_why_impossible(segments, margin))
    strata_table = _strata_table(people, invited)
    answers = strata_table.groupby("segment")["expected_answers"].sum()
    segments.insert(4, "expected_answers", segments["segment"].map(answers).fillna(0.0))
    segments.insert(5, "inclusion_probability", segments["invitations"] / segments["eligible"].replace(0, np.nan))
    whole = Allocations.of(people, _variance_of_mean(base["points"]), noise)
    return Design(people[["customer_id", "segment", "stratum"]], strata_table, segments, whole.margin(invited))


def draw(design: Design, seed: int | Sequence[int]) -> pd.DataFrame:
    """Draw a simple random sample of fixed size from each stratum.

    Parameters
    ----------
    design
        As `design_sample` gives it.
    seed
        One number or several. The same seed draws the same customers, and nearly the same from a base that has changed
        little: independent samples need different seeds.

    Returns
    -------
    pandas.DataFrame
        One row per customer to be asked, in the order of customer_id: customer_id, segment, stratum,
        inclusion_probability (exactly invitations / eligible of the stratum).
    """
    stratum = design.customers["stratum"].to_numpy()
    order = np.lexsort((np.random.default_rng(seed).random(len(stratum)), stratum))
    eligible, invited = (design.strata[name].to_numpy() for name in ("eligible", "invitations"))
    rank = np.arange(len(stratum)) - np.repeat(np.cumsum(eligible) - eligible, eligible)
    asked = np.sort(order[rank < invited[stratum[order]]])
    drawn = design.customers.iloc[asked].reset_index(drop=True)
    probability = design.strata["inclusion_probability"].to_numpy()
    return drawn.assign(inclusion_probability=probability[drawn["stratum"]])


def _stratify(people: pd.DataFrame) -> Integers:
    """Give the number of the stratum of each customer who may be asked, (N,); no two segments share a number."""
    stratum = np.empty(len(people), dtype=np.int64)
    first = 0
    size = np.sqrt(people["variance"].to_numpy(float) / people["response"].to_numpy(float))
    points = people["points"].to_numpy()
    segment = people["segment"].to_numpy(str)
    for name in np.unique(segment):
        rows = np.flatnonzero(segment == name)
        groups = int(np.clip(np.sqrt(len(rows) / CUSTOMERS_PER_STRATUM), 1, GROUPS))
        by_size = _groups(size[rows], size[rows], groups)
        cell = np.zeros(len(rows), dtype=np.int64)
        for k in range(groups):
            here = by_size == k
            cell[here] = k * groups + _groups(points[rows][here], np.ones(here.sum()), groups)
        numbers = np.unique(cell, return_inverse=True)[1]
        stratum[rows] = first + numbers
        first += numbers.max() + 1
    return stratum


def _groups(value: Floats, weight: Floats, groups: int) -> Integers:
    """Group 0..groups-1 of each value, with about equal total weight; equal values are in one group."""
    if not len(value):
        return np.empty(0, dtype=np.int64)
    order = np.lexsort((weight, value))
    below = np.cumsum(weight[order])
    at = np.searchsorted(below, below[-1] * np.arange(1, groups) / groups)
    return np.searchsorted(np.unique(value[order][at]), value, side="left")


def _variance_of_mean(points: pd.Series) -> float:
    return float(np.var(points.to_numpy(float))) / len(points)


def _strata_table(people: pd.DataFrame, invited: Integers) -> pd.DataFrame:
    """One row per stratum, with the columns of `Design.strata`."""
    by = people.groupby("stratum", sort=True)
    table = by.agg(segment=("segment", "first"), eligible=("points", "size")).reset_index()
    table["invitations"] = invited
    table["inclusion_probability"] = invited / table["eligible"]
    table["response_rate"] = by["response"].mean().to_numpy()
    table["expected_answers"] = table["invitations"] * table["response_rate"]
    table["mean_nps"] = by["points"].mean().to_numpy()
    order = ["stratum", "segment", "eligible", "invitations", "expected_answers", "inclusion_probability"]
    return table[[*order, "mean_nps", "response_rate"]]


def _why_impossible(segments: pd.DataFrame, margin: float) -> str:
    """Say which margin of error is the smallest possible one."""
    best = segments.nsmallest(1, "margin").to_dict("records")[0]
    least = np.ceil(best["margin"] * 10.0) / 10.0
    segment = "" if len(segments) == 1 else f" of {best['segment']}"
    asking_all = (
        f"A margin of {margin:g} points is not possible: asking all {best['eligible']:,} customers{segment} who may be "
        "asked"
    )
    if least > WIDEST_MARGIN:
        return f"{asking_all} would say nothing about the NPS, because too few of them will answer."
    return f"{asking_all} gives ±{least:.1f}. Name a margin of {least:.1f} or more."
