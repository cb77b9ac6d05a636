"""The surveys of a simulated shop: invitations, who answers them, and the answers."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit, logit

from data.simulation.answers import CSAT_SHARES, NPS_SHARES, Floats, Integers, draw_points
from data.simulation.customers import Customers, Flags, Orders
from data.simulation.settings import ShopSettings

# Invitations go out at ten in the morning; answers come within two weeks or not at all.
INVITATION_HOUR = 10 / 24
ANSWER_DAYS = (2.0, 14.0)


@dataclass(frozen=True)
class Problems:
    """Late deliveries, returns and contacts with support, by row and sorted by customer and time."""

    customer: Integers
    time: Floats  # when the shop knew of it, in days since the start


@dataclass(frozen=True)
class Answers:
    """Invitations by row; times are days since the start."""

    customer: Integers
    is_csat: Flags
    invited: Floats
    answered: Floats  # NaN where there is no answer
    score: Integers  # without meaning where there is no answer


def collect_problems(parts: list[tuple[Integers, Floats]]) -> Problems:
    """Put the problems of all kinds into one list, sorted by customer and time.

    Parameters
    ----------
    parts : list of (customer, time)
        One pair of arrays per kind of problem.

    Returns
    -------
    Problems
        All of them.
    """
    customer = np.concatenate([part[0] for part in parts])
    time = np.concatenate([part[1] for part in parts])
    order = np.lexsort((time, customer))
    return Problems(customer[order], time[order])


def response_probability(
    settings: ShopSettings,
    customers: Customers,
    orders: Orders,
    problems: Problems,
    customer: Integers,
    day: Floats,
) -> Floats:
    """Return the chance that customers answer an invitation of a day, from what happened before that day.

    Parameters
    ----------
    settings : ShopSettings
        The truth of the shop.
    customers, orders, problems
        What happened.
    customer : array of shape (n,)
        Positions of the customers asked.
    day : array of shape (n,)
        Midnights that begin the days of the invitations, in days since the start; each customer has an
        order before it.

    Returns
    -------
    array of shape (n,)
        ``expit(logit(response_rate) + response_behaviour * behaviour + response_satisfaction *
        satisfaction)``; behaviour grows with the orders and falls with the days since the last one and
        with the problems, and is near 0 on average.
    """
    begin, end = _rows_before(orders.customer, orders.time, customer, day)
    problem_begin, problem_end = _rows_before(problems.customer, problems.time, customer, day)
    days_since = day - orders.time[end - 1]
    behaviour = (
        0.5 * (np.log1p(end - begin) - 1.0)
        - 0.4 * np.log((days_since + 15.0) / 90.0)
        - 0.8 * (np.log1p(problem_end - problem_begin) - 0.5)
    )
    probability: Floats = expit(
        logit(settings.response_rate)
        + settings.response_behaviour * behaviour
        + settings.response_satisfaction * customers.satisfaction[customer]
    )
    return probability


def draw_answers(
    random: np.random.Generator,
    settings: ShopSettings,
    customers: Customers,
    orders: Orders,
    problems: Problems,
    days: int,
) -> Answers:
    """Draw the invitations of every wave and the answers to them.

    Parameters
    ----------
    random : numpy Generator
        The source of chance.
    settings : ShopSettings
        The truth of the shop.
    customers, orders, problems
        What happened.
    days : int
        Length of the simulation; an answer after its end does not count.

    Returns
    -------
    Answers
        One row per question asked.
    """
    waves = np.arange(settings.first_wave, days, settings.wave_every)
    shape = (len(customers), len(waves))
    invited = (random.random(shape) < settings.invited_share) & (customers.joined[:, None] < waves)
    customer, wave = np.nonzero(invited)
    day = waves[wave].astype(np.float64)
    responds = random.random(len(day)) < response_probability(settings, customers, orders, problems, customer, day)
    mean, limit = ANSWER_DAYS
    sent = day + INVITATION_HOUR
    answered = sent + np.minimum(random.standard_exponential(len(day)) * mean, limit)
    answered[~responds | (answered >= days)] = np.nan
    satisfaction = customers.satisfaction[customer]
    noise = random.standard_normal((2, len(day)))
    nps = draw_points(satisfaction, noise[0], settings.reliability, NPS_SHARES)
    csat = draw_points(satisfaction, noise[1], settings.reliability, CSAT_SHARES) + 1
    both = np.flatnonzero(random.random(len(day)) < settings.csat_share)
    return Answers(
        customer=np.concatenate([customer, customer[both]]),
        is_csat=np.repeat([False, True], [len(day), len(both)]),
        invited=np.concatenate([sent, sent[both]]),
        answered=np.concatenate([answered, answered[both]]),
        score=np.concatenate([nps, csat[both]]),
    )


def _rows_before(
    row_customer: Integers, row_time: Floats, customer: Integers, day: Floats
) -> tuple[Integers, Integers]:
    """Return the first row of each customer asked for, and the first row not before the day.

    Rows are sorted by customer and time, so customer and time together make one sorted key.
    """
    span = 1.0 + max(row_time.max(initial=0.0), day.max(initial=0.0))
    key = row_customer * span + row_time
    begin = np.searchsorted(row_customer, customer)
    return begin.astype(np.int64), np.searchsorted(key, customer * span + day).astype(np.int64)
