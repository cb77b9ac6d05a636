"""Repeat purchases of a base week by week, before a cutoff and after it: expected and actual."""

from datetime import timedelta

import numpy as np
import pandas as pd

from features.outcomes import everyones_purchases_by_day
from features.tables import Tables
from models.release.rolling import CutoffResult
from models.scoring.bg_nbd import new_customer_expected_purchases
from models.scoring.clock.clock import Clock
from models.scoring.parameters import PurchaseParameters


def weekly_repeat_purchases(tables: Tables, result: CutoffResult) -> pd.DataFrame:
    """Count the repeat purchases of the cutoff's customers, and what the fitted models expect of new customers.

    The expectation until day d is the sum over customers of E[X(d - 1 - first purchase)] (Fader, Hardie & Lee 2005,
    eq. 9), before the cutoff and after it: it does not use what they did after their first purchase.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    result : CutoffResult
        The cutoff, its customers and fitted purchase models.

    Returns
    -------
    pandas.DataFrame
        One row per week, from the first purchase to the last full week of the horizon; weeks end at the cutoff, so the
        first one may be shorter. until (the day after the week), actual, and a column per purchase model.
    """
    first = result.customers["first_purchase"].to_numpy("datetime64[D]")
    cutoff = np.datetime64(result.cutoff, "D")
    days_before = int((cutoff - first.min()).astype(int))
    until = cutoff + 7 * np.arange(1 - -(-days_before // 7), result.horizon // 7 + 1)
    columns = {"until": until.astype("datetime64[s]"), "actual": _actual(tables, result, until)}
    first_days, customers = np.unique(first, return_counts=True)
    ages = np.maximum((until[:, None] - 1 - first_days).astype(int), 0)
    for name, fit in result.fits.items():
        if fit.purchases is None:
            continue
        if fit.clock is not None:
            columns[name] = _by_clock(Clock(fit.clock), until, first_days, customers, fit.purchases)
            continue
        by_age = new_customer_expected_purchases(np.arange(ages.max() + 1.0), fit.purchases)
        columns[name] = np.diff(by_age[ages] @ customers, prepend=0.0)
    return pd.DataFrame(columns)


def _actual(tables: Tables, result: CutoffResult, until: np.ndarray) -> np.ndarray:
    known_before = result.cutoff + timedelta(days=result.horizon)
    by_day = everyones_purchases_by_day(tables, result.cutoff, known_before)
    # Dates come in order, so the running total before a date is that of the rows before it.
    rows = np.searchsorted(by_day["date"].to_numpy("datetime64[D]"), until, side="left")
    total = np.concatenate([[0.0], np.cumsum(by_day["repeat_purchases"].to_numpy(float))])
    return np.diff(total[rows], prepend=0.0)


def _by_clock(
    clock: Clock, until: np.ndarray, first_days: np.ndarray, customers: np.ndarray, parameters: PurchaseParameters
) -> np.ndarray:
    """Return expected purchases by week where ages are by the clock: read from a table of the expectation by age."""
    passed = clock.at(until.astype("datetime64[D]").astype(np.int64) - 1)
    ages = np.maximum(passed[:, None] - clock.at(first_days.astype("datetime64[D]").astype(np.int64)), 0.0)
    grid = np.linspace(0.0, ages.max() + 1.0, 2000)
    expected = np.interp(ages, grid, new_customer_expected_purchases(grid, parameters))
    return np.diff(expected @ customers, prepend=0.0)
