"""Population stability: whether the distribution of a feature, a score or a response changed by more than chance.

The population stability index of two samples with shares p and q in the same bins is sum (q - p) ln(q / p) (Lewis 1994,
An Introduction to Credit Scoring): the symmetrised Kullback-Leibler divergence (Jeffreys 1946). Where nothing has
changed it is not 0: with B bins and two separate samples of n0 and n1 rows it is (1/n0 + 1/n1) times a chi-square with
B - 1 degrees of freedom (Yurdakul 2018, Statistical Properties of Population Stability Index). With a hundred
rows an index of .10 is chance, with a million rows even .001 is not; so the verdict considers both chance and size.

Two limits. At two dates a base is mostly the same customers, whose values are dependent, so that chance changes less
than stated. And some columns age by themselves: T, recency and all "days since ..." grow with the calendar where few
new customers come, although nobody behaves differently. The index cannot tell these apart from a change.
"""

from collections.abc import Sequence
from typing import Any, Protocol, TypedDict

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.special import gammaincinv

from models.stats.typing import Floats, Integers

BINS = 10
MOST_LEVELS = 20
MOST_NAMED = 4
# The usual reading of the index (Siddiqi 2006, Credit Risk Scorecards).
MOVED, MOVED_MUCH = 0.10, 0.25
CHANCE = 0.95
# Below this many expected rows the chi-square is no good approximation, so that neighbouring bins are merged.
FEWEST_EXPECTED = 5.0


class ColumnProfile(TypedDict):
    """Bins of one column and their counts.

    Either ``levels``, one bin each and one for any other value, or ``edges``: bins up to and with each edge and one
    above the last. The last count is of missing values.
    """

    levels: list[float] | list[str] | None
    edges: list[float] | None
    counts: list[int]


class Profile(TypedDict):
    """Distribution of each column of a sample of ``rows`` rows; JSON-able."""

    rows: int
    columns: dict[str, ColumnProfile]


class Columns(Protocol):
    """A sample that is read column by column, such as a frame or a stored table."""

    @property
    def columns(self) -> Any:
        """Names of the columns."""

    def __len__(self) -> int: ...

    def __getitem__(self, name: str, /) -> Any: ...


def profile_of(frame: Columns, columns: Sequence[str]) -> Profile:
    """Cut each column into bins and count, so that later samples can be compared with this one.

    Parameters
    ----------
    frame : pandas.DataFrame or StoredTable
        One row per customer (or answer): those a model was fitted on or scored.
    columns : sequence of str
        Numbers, flags or text.

    Returns
    -------
    Profile
        Numbers with at most 10 distinct values have a bin for each, others at most a tenth in each bin: edges are the
        deciles (the smallest observed value that a tenth, two tenths ... do not exceed, type 1 of Hyndman & Fan
        1996), and a value that a tenth of the rows share has a bin of its own. Text has a bin for each of its 20 most
        frequent values. Any other value has a bin, and so has "missing".

    Raises
    ------
    KeyError
        If the frame lacks a column.
    TypeError
        If a column holds neither numbers nor text, e.g. dates.
    """
    profiles: dict[str, ColumnProfile] = {}
    names = list(frame.columns)
    for name in columns:
        column = _checked(frame, names, name)
        levels: list[float] | list[str] | None
        values = None if _is_text(column) else _sorted_values(column)
        if values is None:
            levels, edges = list(column.value_counts().sort_index(kind="stable").nlargest(MOST_LEVELS).index), None
        else:
            levels, edges = _bins_of(values)
        profiles[name] = {"levels": levels, "edges": edges, "counts": []}
        profiles[name]["counts"] = _count(profiles[name], column, values).tolist()
    return {"rows": len(frame), "columns": profiles}


def stability(profile: Profile, frame: Columns, *, same_customers: bool = False) -> pd.DataFrame:
    """Compare a sample with a profile, column by column.

    Parameters
    ----------
    profile : Profile
        Of the earlier sample.
    frame : pandas.DataFrame or StoredTable
        The later sample, with every column of the profile.
    same_customers : bool
        Whether both hold (mostly) the same customers. Chance then changes less than `expected` and `upper`, and the
        verdict says so.

    Returns
    -------
    pandas.DataFrame
        One row per column, the most moved first: ``column``; ``psi``; ``expected``, its mean where nothing has
        changed, (B - 1)(1/n0 + 1/n1); ``upper``, the 95 % quantile of that; ``bins``, B; ``verdict``; ``most_moved``,
        the bin that adds most to the index, in words: 'days_since_last_purchase above 210: 10 % -> 17 %'. psi, expected
        and upper are NaN where either sample is empty. Neighbouring bins in which fewer than 5 rows of the smaller
        sample are expected count as one, "missing" beside the highest.

    Raises
    ------
    KeyError
        If the frame lacks a column of the profile.
    TypeError
        If a column was text and is numbers now, or the reverse.
    """
    n0, n1, there = profile["rows"], len(frame), list(frame.columns)
    rows = []
    for name, bins in profile["columns"].items():
        column = _checked(frame, there, name)
        if min(n0, n1) == 0:
            rows.append((name, np.nan, np.nan, np.nan, 0, "too few rows to tell", ""))
            continue
        before, now = np.asarray(bins["counts"], dtype=np.int64), _count(bins, column)
        occupied, starts = before + now > 0, _merged(before, now)
        before, now = np.add.reduceat(before, starts), np.add.reduceat(now, starts)
        parts = psi_parts(before, now)
        psi, freedom, scale = float(parts.sum()), len(starts) - 1, 1.0 / n0 + 1.0 / n1
        upper = scale * _chi_squared_quantile(CHANCE, freedom) if freedom else 0.0
        most, ends = int(np.argmax(parts)), [*starts[1:], len(occupied)]
        words = _words(bins, int(starts[most]), int(ends[most]), occupied)
        words = f"{name} {words}: {_share(before, most)} -> {_share(now, most)}"
        verdict = verdict_of(psi, upper, same_customers=same_customers)
        rows.append((name, psi, freedom * scale, upper, len(starts), verdict, words if freedom else ""))
    names = ["column", "psi", "expected", "upper", "bins", "verdict", "most_moved"]
    table = pd.DataFrame(rows, columns=names)
    return table.sort_values("psi", ascending=False, kind="stable", ignore_index=True)


def _chi_squared_quantile(probability: float, freedom: int) -> float:
    """Return the quantile of chi squared: half of it follows a Gamma of half as many degrees."""
    return float(2.0 * gammaincinv(freedom / 2.0, probability))


def psi_parts(before: npt.ArrayLike, now: npt.ArrayLike) -> Floats:
    """Return what each bin adds to the population stability index, (q - p) ln(q / p), never negative.

    Parameters
    ----------
    before, now : array_like of shape (bins,)
        Integers of the two samples in the same bins; neither sample is empty.

    Returns
    -------
    ndarray of shape (bins,)
        One row in the shares of both samples together is added to either, so that a bin that is empty in one of them
        gives a large number instead of infinity, and one that is empty in both gives 0.
    """
    c0, c1 = np.asarray(before, dtype=float), np.asarray(now, dtype=float)
    pooled = (c0 + c1) / (c0.sum() + c1.sum())
    p, q = (c0 + pooled) / (c0.sum() + 1.0), (c1 + pooled) / (c1.sum() + 1.0)
    ratio = np.divide(q, p, out=np.ones_like(p), where=pooled > 0)
    return np.asarray((q - p) * np.log(ratio))


def verdict_of(psi: float, upper: float, *, same_customers: bool = False) -> str:
    """Return the verdict on an index in plain words, by chance and by size.

    Parameters
    ----------
    psi : float
        The index.
    upper : float
        95 % quantile of the index of separate samples where nothing has changed.
    same_customers : bool
        Whether both samples hold mostly the same customers.
    """
    if psi <= upper:
        chance = "within chance of separate samples" if same_customers else "within chance"
        return f"stable, {chance}" if psi < MOVED else f"{chance}: too few rows to tell"
    if psi < MOVED:
        return "stable, more than chance"
    return "moved" if psi < MOVED_MUCH else "moved much"


def _checked(frame: Columns, names: Sequence[Any], name: str) -> "pd.Series[Any]":
    if name not in names:
        raise KeyError(f"the frame lacks the column {name}; it has {', '.join(map(str, names))}")
    column: pd.Series[Any] = frame[name]
    if not (_is_text(column) or pd.api.types.is_numeric_dtype(column)):
        raise TypeError(f"column {name} must hold numbers or text, got {column.dtype}")
    return column


def _is_text(column: "pd.Series[Any]") -> bool:
    return pd.api.types.is_string_dtype(column) or column.dtype == object


def _sorted_values(column: "pd.Series[Any]") -> Floats:
    """All that is not missing, ascending: once sorted, every bin is counted by two searches."""
    values = np.sort(column.to_numpy(dtype=float, na_value=np.nan))
    return np.asarray(values[: int(np.searchsorted(values, np.nan))])


def _bins_of(values: Floats) -> tuple[list[float] | None, list[float] | None]:
    """Levels, or else edges, of ascending values."""
    n = len(values)
    starts = np.flatnonzero(np.diff(values, prepend=-np.inf) > 0) if n else np.array([], dtype=np.intp)
    if len(starts) <= BINS:
        return [float(v) for v in values[starts]], None
    # Type 1: the smallest value with at least the share k / BINS at or below it.
    deciles = values[[-(-k * n // BINS) - 1 for k in range(1, BINS)]]
    edges = set(deciles.tolist())
    for value in tuple(edges):
        first, last = np.searchsorted(values, value), np.searchsorted(values, value, side="right")
        if first > 0 and BINS * (last - first) >= n:
            edges.add(float(values[first - 1]))
    return None, sorted(edges - {float(values[-1])})


def _count(profile: ColumnProfile, column: "pd.Series[Any]", ascending: Floats | None = None) -> Integers:
    """Rows in each bin of a profile, the missing last; numbers are sorted unless they are given so."""
    if profile["edges"] is not None:
        values = _sorted_values(column) if ascending is None else ascending
        up_to = np.searchsorted(values, profile["edges"], side="right")
        inside = np.diff(up_to, prepend=0, append=len(values))
        return np.append(inside, len(column) - len(values))
    levels = profile["levels"] or []
    present = int(column.notna().sum())
    if not present:
        return np.asarray([0] * (len(levels) + 1) + [len(column)], dtype=np.int64)
    if _is_text(column):
        if any(not isinstance(level, str) for level in levels):
            raise TypeError(f"column {column.name} held numbers when it was profiled, now it holds text")
        of_level = column.value_counts().reindex(levels, fill_value=0).to_numpy(np.int64)
    else:
        if any(isinstance(level, str) for level in levels):
            raise TypeError(f"column {column.name} held text when it was profiled, now it holds numbers")
        values = _sorted_values(column) if ascending is None else ascending
        of_level = np.searchsorted(values, levels, side="right") - np.searchsorted(values, levels)
    return np.asarray([*of_level, present - of_level.sum(), len(column) - present], dtype=np.int64)


def _merged(before: Integers, now: Integers) -> npt.NDArray[np.intp]:
    """First bins of the groups of neighbours in which enough rows of the smaller sample are expected."""
    total = before.sum() + now.sum()
    expected = (before + now) * (min(before.sum(), now.sum()) / total)
    starts, gathered = [0], 0.0
    for position, rows in enumerate(expected):
        if gathered >= FEWEST_EXPECTED:
            starts.append(position)
            gathered = 0.0
        gathered += rows
    if gathered < FEWEST_EXPECTED and len(starts) > 1:
        starts.pop()
    return np.asarray(starts, dtype=np.intp)


def _words(profile: ColumnProfile, start: int, stop: int, occupied: npt.NDArray[np.bool_]) -> str:
    """Name the bins from `start` to before `stop`, leaving out levels that nobody has."""
    missing = len(profile["counts"]) - 1
    inside = range(start, min(stop, missing))
    parts: list[str] = []
    if profile["edges"] is None:
        levels = [level if isinstance(level, str) else f"{level:,.6g}" for level in profile["levels"] or []]
        parts = [[*levels, "another value"][position] for position in inside if occupied[position]]
        if len(parts) > MOST_NAMED:
            parts = [*parts[: MOST_NAMED - 1], f"{len(parts) - MOST_NAMED + 1} other values"]
    elif inside:
        bounds = [None, *profile["edges"], None]
        ends = (("above", bounds[inside.start]), ("up to", bounds[inside.stop]))
        parts = [" ".join(f"{word} {bound:,.6g}" for word, bound in ends if bound is not None)]
    return " or ".join([*parts, *(["missing"] if stop > missing and occupied[missing] else [])])


def _share(counts: Integers, position: int) -> str:
    share = 100.0 * counts[position] / counts.sum()
    return f"{share:.0f} %" if share >= 10 else f"{share:.1f} %"
