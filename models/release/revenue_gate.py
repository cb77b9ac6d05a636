"""What the gate says of revenue: whether the total is right, and which of two twins is nearer customer by customer.

A few accounts may bring most of a shop's revenue. So whatever is refused here is refused without the largest of them,
too, and chance is what it is under the twin's own predictions, heavy tail and all.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.scoring.scorer import Scorer
from models.stats.typing import Floats

MAX_BIAS = 3.0
_DRAWS = 400
_LEVEL = 0.99


@dataclass(frozen=True)
class RevenueCheck:
    """What was expected and came, a sentence where it is refused, and one where a single account makes it look wrong.

    Attributes
    ----------
    expected, actual : float
        Revenue of all customers in the holdout.
    fault, note : str or None
    """

    expected: float
    actual: float
    fault: str | None = None
    note: str | None = None


def check_revenue(scorer: Scorer, customers: pd.DataFrame, predicted: pd.DataFrame, seed: int = 0) -> RevenueCheck:
    """Compare the revenue of the holdout with what a twin expected of it.

    The statistic is the revenue of all accounts but the largest. It is refused where it is off by more than a factor of
    `MAX_BIAS` from its median under the twin's predictions, and outside the central 99 % of them: with a heavy tail
    the mean itself is rarely reached, so neither the mean nor a standard error says what chance allows.

    Parameters
    ----------
    scorer : Scorer
        The twin's.
    customers : pandas.DataFrame
        The holdout's: customer_id, spend_frequency and the realised ``revenue``.
    predicted : pandas.DataFrame
        As the scorer predicts the horizon, row for row.
    seed : int
        Of the simulated totals; they are needed only where the total is far off.
    """
    actual, expected = customers["revenue"].to_numpy(float), predicted["expected_revenue"].to_numpy(float)
    check = RevenueCheck(float(expected.sum()), float(actual.sum()))
    if len(actual) < 2:
        return check
    largest = int(np.argmax(np.maximum(actual, expected)))
    name = customers["customer_id"].iloc[largest]
    rest = check.expected - float(expected[largest]), check.actual - float(actual[largest])
    if not (is_far(check.expected, check.actual) or is_far(*rest)):
        return check
    came = check.actual - float(actual.max())
    totals = simulate_totals(scorer, customers, predicted, seed)
    low, middle, high = np.quantile(totals, [0.5 * (1.0 - _LEVEL), 0.5, 0.5 * (1.0 + _LEVEL)])
    if is_far(middle, came) and not low <= came <= high:
        fault = (
            f"refused: without the largest account, the twin expected {middle:,.0f} of revenue in the holdout "
            f"({low:,.0f} to {high:,.0f} with {_LEVEL:.0%}), {came:,.0f} came"
        )
        return RevenueCheck(check.expected, check.actual, fault)
    note = f"revenue of the holdout: {check.expected:,.0f} expected, {check.actual:,.0f} came"
    if is_far(*rest):
        return RevenueCheck(
            check.expected, check.actual, note=f"{note}, which chance allows among so few large amounts"
        )
    without = f"without customer {name} {rest[0]:,.0f} and {rest[1]:,.0f}"
    return RevenueCheck(check.expected, check.actual, note=f"{note}; {without}")


def simulate_totals(
    scorer: Scorer, customers: pd.DataFrame, predicted: pd.DataFrame, seed: int = 0, draws: int = _DRAWS
) -> Floats:
    """Simulate the revenue of all accounts but the largest, as the scorer predicts it.

    A customer buys with p_purchase; who does buys a geometric number of times of the expected mean; values are Gamma(p,
    nu) with the customer's posterior nu ~ Gamma(q + p x, ...), whose mean gives expected_spend.

    Parameters
    ----------
    scorer : Scorer
        Its spend parameters say how much values vary.
    customers, predicted, seed
        As for `check_revenue`.
    draws : int
        Number of totals.

    Returns
    -------
    numpy.ndarray
        (draws,) totals.
    """
    spend = scorer.spend
    buys, count, value = (
        predicted[name].to_numpy(float) for name in ("p_purchase", "expected_purchases", "expected_spend")
    )
    known = customers["spend_frequency"].to_numpy(float) if spend.individual else np.zeros(len(customers))
    shape = spend.q + spend.p * known
    again = np.minimum(buys / np.maximum(count, np.finfo(float).tiny), 1.0)
    rng, totals = np.random.default_rng(seed), np.empty(draws)
    for draw in range(draws):
        rows = np.flatnonzero(rng.random(len(buys)) < buys)
        times = rng.geometric(again[rows])
        own = shape[rows]
        # Without a mean of its own (shape 1) a customer's value is the one expected of it.
        level = np.where(own > 1.0, (own - 1.0) / rng.standard_gamma(own), 1.0)
        amounts = value[rows] * level * rng.standard_gamma(spend.p * times) / spend.p
        totals[draw] = amounts.sum() - amounts.max(initial=0.0)
    return totals


def revenue_deviances(realised: Floats, expected: Floats) -> Floats:
    """Return the Tweedie deviance of power 1.5 of each customer's revenue, lowest in the mean where that is expected.

    4 (sqrt(y) - sqrt(mu))^2 / sqrt(mu): it suits sums of a random number of Gamma amounts, zero included (Jorgensen
    1987, JRSS B 49), and grows with the root of large amounts where a squared error would leave all to the largest.
    What is below 0, more returned than bought, counts in the term that is linear in y.

    Parameters
    ----------
    realised, expected : ndarray
        (n,) y and mu; mu below a millionth of the mean of y is taken to be that.
    """
    mu = np.maximum(expected, max(1e-6 * float(realised.mean()), 1e-12))
    root = np.sqrt(mu)
    return np.asarray(4.0 * (realised / root - 2.0 * np.sqrt(np.maximum(realised, 0.0)) + root))


def is_far(expected: float, actual: float) -> bool:
    """Whether one of two totals is more than `MAX_BIAS` times the other; what is below 0 counts as 0."""
    return not max(expected, actual) <= MAX_BIAS * max(min(expected, actual), 0.0)
