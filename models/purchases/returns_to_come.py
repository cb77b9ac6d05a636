"""The share of what was sold that comes back, by the time since the sale: what is still to come back of recent sales.

What is sold now comes back later, so the newest sales look worth more than they will be. The share that comes back
within a lag is estimated as a survival curve of money (Kaplan & Meier 1958, Journal of the American Statistical
Association 53): at each lag the money that came back over the money that had not until then, of the sales that are old
enough to show it. So young sales tell of short lags and nothing of long ones.
"""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

import ibis.expr.types as ir
import numpy as np

from features.engine.compiled import compiled
from features.purchases import purchase_summary_with_first_value
from features.returns.kept import everyone_matched, everyone_read, tables_to_read
from features.returns.lags import repeat_value_by_age, returned_by_lag, sold_by_age
from features.returns.matching import NO_RETURNS
from features.tables import Tables
from models.scoring.gamma_gamma import to_come
from models.scoring.parameters import ReturnsToCome
from models.stats.typing import Floats

# With fewer returns than these the share that comes back is taken as none: nothing is known of its lags.
FEWEST_RETURNS = 20
# Lags are followed as long as at least this share of all money that was sold is old enough to show them.
SMALLEST_SHARE_SEEN = 0.05


def returns_to_come_at(tables: Tables, as_of: date) -> ReturnsToCome | None:
    """Estimate what still comes back from what was available before a date: once a run.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.

    Returns
    -------
    ReturnsToCome or None
        None where there are no returns, or fewer than `FEWEST_RETURNS`.
    """
    if NO_RETURNS in tables.transactions.columns:
        return None
    return tables.workspace.once(("returns to come", as_of), lambda: _estimate(tables, as_of))


def kept_by_age(tables: Tables, as_of: date) -> Mapping[int, Decimal] | None:
    """Return the share of a sale's present net value that is expected to stay, by its age; None where all of it does.

    Parameters
    ----------
    tables, as_of
        As for `returns_to_come_at`.

    Returns
    -------
    Mapping of int to Decimal, or None
        Age in days (1 is the last day seen) -> the share, four decimals; 1 beyond the ages that are there.
    """
    returns = returns_to_come_at(tables, as_of)
    if returns is None:
        return None
    ages = np.arange(1, returns.lags[-1] + 1)
    kept = 1.0 - to_come(returns, ages)
    return {int(age): Decimal(f"{share:.4f}") for age, share in zip(ages, kept, strict=True)}


def _estimate(tables: Tables, as_of: date) -> ReturnsToCome | None:
    spine = everyone_matched(tables, as_of, with_lags=True)
    read = tables_to_read(tables.transactions, spine)
    by_age, by_lag = (compiled(_returned, read, [as_of], [by]).to_pyarrow().to_pydict() for by in ("age", "lag"))
    if sum(by_age["returns"]) < FEWEST_RETURNS:
        return None
    sold = compiled(_sold, read, [as_of]).to_pyarrow().to_pydict()
    curve = survival_of_money(
        *(np.array(sold[name], dtype=float) for name in ("age", "sold")),
        *(np.array(by_age[name], dtype=float) for name in ("age", "returned")),
        *(np.array(by_lag[name], dtype=float) for name in ("lag", "returned")),
    )
    drops = np.flatnonzero(np.diff(curve, prepend=1.0) < 0)
    if not drops.size:
        return None
    without_share = ReturnsToCome(tuple(drops.tolist()), tuple(curve[drops].tolist()), 0.0)
    with_summary = {**read, "summary": purchase_summary_with_first_value(tables, as_of)}
    repeats = compiled(_repeats, with_summary, [as_of]).to_pyarrow().to_pydict()
    age, net = (np.array(repeats[name], dtype=float) for name in ("age", "net"))
    share = float(net @ to_come(without_share, age) / net.sum()) if net.sum() > 0 else 0.0
    return ReturnsToCome(without_share.lags, without_share.kept, share)


def _returned(tables: Mapping[str, ir.Table], as_of: date, by: str) -> ir.Table:
    # Ages and lags apart are as many rows as there are days, their pairs as many as half of their square.
    returned = returned_by_lag(tables["transactions"], everyone_read(tables, as_of))
    return returned.group_by(by).agg(returned=returned.returned.sum(), returns=returned.returns.sum()).order_by(by)


def _sold(tables: Mapping[str, ir.Table], as_of: date) -> ir.Table:
    return sold_by_age(tables["transactions"], everyone_read(tables, as_of))


def _repeats(tables: Mapping[str, ir.Table], as_of: date) -> ir.Table:
    return repeat_value_by_age(tables["transactions"], everyone_read(tables, as_of), tables["summary"])


def survival_of_money(
    sold_age: Floats, sold: Floats, age: Floats, of_age: Floats, lag: Floats, at_lag: Floats
) -> Floats:
    """Return the share of what was sold that has not come back within each lag, from 0 days on.

    Parameters
    ----------
    sold_age, sold : numpy.ndarray, shape (n,)
        Ages of sales in days (1 is the last day seen) and the money sold at them.
    age, of_age : numpy.ndarray, shape (m,)
        Ages of sales of which something came back, and the money that did.
    lag, at_lag : numpy.ndarray, shape (k,)
        Days from a sale to its return, less than the age of the sale, and the money that came back after so many.

    Returns
    -------
    numpy.ndarray
        One share a lag, falling; as many as are seen on at least `SMALLEST_SHARE_SEEN` of the money sold.
    """
    longest = int(sold_age.max())
    # A sale of age A shows the lags 0 to A - 1; what came back at a lag is not at risk at later ones.
    at_risk, back = np.zeros(longest + 1), np.zeros(longest + 1)
    np.add.at(at_risk, np.zeros(len(sold), dtype=int), sold)
    np.add.at(at_risk, sold_age.astype(int), -sold)
    seen = np.cumsum(at_risk)
    np.add.at(at_risk, lag.astype(int) + 1, -at_lag)
    np.add.at(at_risk, age.astype(int), of_age)
    np.add.at(back, lag.astype(int), at_lag)
    lags = np.flatnonzero(seen >= SMALLEST_SHARE_SEEN * sold.sum())
    there = np.cumsum(at_risk)[lags]
    hazard = np.divide(back[lags], there, out=np.zeros(len(lags)), where=there > 0)
    return np.asarray(np.cumprod(1.0 - np.clip(hazard, 0.0, 1.0)), dtype=np.float64)
