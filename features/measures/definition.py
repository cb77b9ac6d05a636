"""What a measure is, and the one shape in which every measure gives its figures."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ParamSpec, TypeVar

import numpy as np
import pandas as pd

from features.measures.windows import EVERYONE_NAME, Grouping, Windows
from features.tables import Tables

FIGURES = ("window", "group", "value", "low", "high", "n", "why")
P = ParamSpec("P")
R = TypeVar("R")
_SHARED: ContextVar[dict[Any, Any] | None] = ContextVar("results of shared queries", default=None)


@dataclass(frozen=True)
class MeasureOptions:
    """The settings of measures.

    Parameters
    ----------
    inactivity_days
        Days without a purchase after which a customer counts as lapsed, in a trade without contracts.
    core_action
        The kind of event that is the core user action; None where none is named.
    core_action_times
        How often, at least, a customer must do it in a window.
    """

    inactivity_days: int = 365
    core_action: str | None = None
    core_action_times: int = 1


@dataclass(frozen=True)
class Measure:
    """One measure of the field.

    Parameters
    ----------
    name
        As in metrics and JSON, such as `csat`.
    title
        As people read it.
    unit
        "%", "points", "ratio", "money", "days", "seconds" or "" (a plain number).
    definition
        One sentence: what is divided by what, with the cuts of scales.
    compute
        Gives its figures (`FIGURES`) by window and group.
    """

    name: str
    title: str
    unit: str
    definition: str
    compute: Callable[[Tables, Windows, Grouping, MeasureOptions], pd.DataFrame] = field(repr=False)


@contextmanager
def sharing() -> Iterator[None]:
    """Run each `shared` query once for all measures that are taken within; what it gave is forgotten at the end."""
    if _SHARED.get() is not None:
        yield
        return
    token = _SHARED.set({})
    try:
        yield
    finally:
        _SHARED.reset(token)


def shared(query: Callable[P, R]) -> Callable[P, R]:
    """Make a query run once for the same arguments within `sharing`; whoever gets its result must not change it.

    Composing a query and planning it costs more than running it on the rows of most shops, and many measures are two
    views of one count, such as retention and churn.
    """

    @wraps(query)
    def once(*args: P.args, **kwargs: P.kwargs) -> R:
        results = _SHARED.get()
        if results is None:
            return query(*args, **kwargs)
        key = (query, args, tuple(kwargs.items()))
        if key not in results:
            results[key] = query(*args, **kwargs)
        result: R = results[key]
        return result

    return once


def absent(why: str, windows: Windows) -> pd.DataFrame:
    """Give the figures of a measure that cannot be computed: null in every window, and why.

    Parameters
    ----------
    why
        What is missing, and what to give for the measure to have a value.
    windows
        Each gets one row, of the group "everyone".
    """
    numbers = list(range(windows.count))
    nothing = {"value": np.nan, "low": np.nan, "high": np.nan, "n": 0, "why": why}
    rows = {"window": numbers, "group": EVERYONE_NAME, **nothing}
    return pd.DataFrame(rows, columns=list(FIGURES))


def with_empty_windows(figures: pd.DataFrame, windows: Windows, why: str) -> pd.DataFrame:
    """Give every group a row for every window, null with the reason where there is nothing to measure.

    Parameters
    ----------
    figures
        `FIGURES` of the windows and groups that hold rows; `low`, `high` and `why` may be missing. A value of NaN
        without a reason gets this one.
    windows
        The windows that must be there.
    why
        Such as "no answers to the question csat in this window".

    Returns
    -------
    DataFrame
        `FIGURES`, by group, then window; one group "everyone" where there is none.
    """
    groups = sorted(figures["group"].unique()) or [EVERYONE_NAME]
    whole = pd.MultiIndex.from_product([groups, range(windows.count)], names=["group", "window"])
    full = figures.set_index(["group", "window"]).reindex(whole).reset_index().reindex(columns=list(FIGURES))
    full["n"] = full["n"].fillna(0).astype("int64")
    full[["value", "low", "high"]] = full[["value", "low", "high"]].astype(float)
    unexplained = full["value"].isna() & full["why"].isna()
    full["why"] = full["why"].astype(object).mask(unexplained, why)
    full["why"] = full["why"].where(full["why"].notna(), None)
    return full
