"""The action lists, and the reasons of each customer in the scores table."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.engine.stored import StoredTable
from models.actions.drivers import Driver, nps_drivers
from models.actions.lists import QUOTED, ActionList, action_lists
from models.actions.reasons import Reason, nps_reasons
from models.nps.attribution import NpsExplainer
from models.release.release import Release
from models.scoring.columns import CATEGORIES, PROBABILITIES

# Customers who represent the base when a score is split into points.
REFERENCE = 1000
# Of these one in so many says what drives the NPS: splitting a score takes a third of a millisecond.
DRIVERS_ONE_IN = 2
LISTED_BY = (
    *("customer_id", "segment", "nps_category", *PROBABILITIES, "frequency"),
    *("p_alive", "p_purchase", "p_churn", "expected_revenue", "clv"),
)
"""What is read of the scores."""


@dataclass(frozen=True)
class Actions:
    """The lists and, by the index of the scores, the JSON text of each customer's reasons; None without any.

    The drivers of the base's NPS come with them, as both need the same explainer; none where nothing is explained.
    """

    lists: tuple[ActionList, ...]
    reasons: pd.Series
    drivers: tuple[Driver, ...] = ()


def find_actions(
    scores: pd.DataFrame,
    described: StoredTable,
    release: Release,
    reasons: Literal["lists", "all", "off"] = "lists",
) -> Actions:
    """Make the lists and the reasons.

    Parameters
    ----------
    scores : pandas.DataFrame
        The columns `LISTED_BY` of everyone's scores.
    described : StoredTable
        The features of the same customers: the index of the scores counts its rows.
    release : Release
        The release that scored them.
    reasons : str
        Whose NPS score is explained: that of customers on a list ("lists"), of "all" customers, or of none ("off").

    Returns
    -------
    Actions
        The reasons of a customer are objects with ``group`` and ``text``: first one for each list the customer is on,
        with the value as ``worth`` (money), the largest first; then those of `models.actions.reasons.nps_reasons`, with
        their ``points``. On the lists that depend on NPS, ``why`` includes the latter.

    Raises
    ------
    ValueError
        If ``reasons`` is none of the three.
    """
    if reasons not in ("lists", "all", "off"):
        raise ValueError(f'reasons must be "lists", "all" or "off", got {reasons!r}')
    lists = action_lists(scores, described.frame(QUOTED), release)
    listed = list(reasons_of_lists(lists))
    reference: Reference | None = None
    customers: Iterable[pd.DataFrame] = ()
    if explains(release, reasons):
        stored = set(described.columns)
        read = [name for name in release.parameters.nps.features if name in stored]
        drawn, shares = _drawn(scores)
        # Both are read at once: to find a thousand rows of a large file takes as long as to read it.
        rows = described.take([*drawn, *(listed if reasons == "lists" else ())], read)
        reference = Reference(rows.iloc[: drawn.size], shares)
        customers = [rows.iloc[drawn.size :]] if reasons == "lists" else described.batches(read)
    actions, texts = with_reasons(lists, release, reference, customers)
    written = np.full(len(scores), None, dtype=object)
    written[scores.index.get_indexer(pd.Index(list(texts)))] = list(texts.values())
    published = pd.Series(written, index=scores.index, dtype=object)
    return replace(actions, reasons=published)


@dataclass(frozen=True)
class Reference:
    """Customers who represent the base, in the order of their scores, and the mean shares of the base."""

    customers: pd.DataFrame
    shares: Sequence[float]


def explains(release: Release, reasons: str) -> bool:
    """Whether anybody's NPS score is explained."""
    return reasons != "off" and release.parameters.nps.source == "model"


def reference_places(customers: int) -> npt.NDArray[np.int64]:
    """Give the places of the customers who represent a base, in ascending order of the score, ties by their ids."""
    count = min(REFERENCE, customers)
    return ((np.arange(count) + 0.5) / max(count, 1) * customers).astype(np.int64)


def with_reasons(
    lists: Sequence[ActionList], release: Release, reference: Reference | None, customers: Iterable[pd.DataFrame]
) -> tuple[Actions, dict[Any, str]]:
    """Add the reasons of the NPS score to lists, and write the reasons of customers as JSON.

    Parameters
    ----------
    lists : sequence of ActionList
        As `models.actions.lists.action_lists` gives them.
    release : Release
        The release that scored them.
    reference : Reference or None
        The base that scores are explained relative to; None where none is.
    customers : iterable of pandas.DataFrame
        The features of those whose score is explained, with the index of the lists.

    Returns
    -------
    tuple of Actions and dict
        The actions, whose reasons are none yet; and by the index of the lists the text of each customer's reasons.
    """
    listed, reasons_of_nps, texts = reasons_of_lists(lists), dict[Any, list[Reason]](), dict[Any, str]()
    drivers: tuple[Driver, ...] = ()
    if reference is not None:
        explainer = explainer_of(reference, release)
        drivers = tuple(nps_drivers(explainer, reference.customers.iloc[::DRIVERS_ONE_IN], release.vocabulary))
        for batch in customers:
            explained = nps_reasons(explainer, batch, release.vocabulary)
            for index, explanation in zip(batch.index, explained, strict=True):
                if index in listed:
                    reasons_of_nps[index] = explanation or []
                elif explanation:
                    texts[index] = to_json(explanation)
    for index, of_lists in listed.items():
        by_value = sorted(of_lists, key=lambda reason: -reason["worth"])
        texts[index] = to_json([*by_value, *reasons_of_nps.get(index, [])])
    actions = Actions(tuple(_with_nps(each, reasons_of_nps) for each in lists), pd.Series(dtype=object), drivers)
    return actions, texts


def reasons_of_lists(lists: Sequence[ActionList]) -> dict[Any, list[dict[str, Any]]]:
    """Give, by the index of the lists, why each customer is on which, and the value."""
    listed: dict[Any, list[dict[str, Any]]] = {}
    for each in lists:
        for index, value, why in each.customers[["value", "why"]].itertuples():
            # The keys are a contract of the published column.
            listed.setdefault(index, []).append({"group": each.title, "worth": round(value, 2), "text": why})
    return listed


def to_table(lists: Sequence[ActionList]) -> pd.DataFrame:
    """Concatenate the lists: list, rank (from 1), customer_id, segment, value, why, value_definition."""
    tables = [
        each.customers.assign(
            list=each.name, rank=np.arange(1, len(each.customers) + 1), value_definition=each.value_definition
        ).reset_index(drop=True)
        for each in lists
    ]
    columns = ["list", "rank", "customer_id", "segment", "value", "why", "value_definition"]
    return pd.concat(tables, ignore_index=True)[columns]


def _drawn(scores: pd.DataFrame) -> tuple[npt.NDArray[np.int64], Sequence[float]]:
    """Draw customers evenly from the base in ascending order of the score; also give the mean shares of the base."""
    shares = scores[[f"p_{name}" for name in CATEGORIES]].astype(float)
    m = shares["p_promoter"] - shares["p_detractor"]
    places = rows_at_places(m, scores["customer_id"], reference_places(len(m)))
    return scores.index[places].to_numpy(np.int64), list(shares.mean())


def rows_at_places(values: pd.Series, customer_id: pd.Series, places: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Give the rows at some places of the ascending order of values, ties by the ids; missing values are the last.

    Only ids of the ties at these places are compared: to put a million ids in order takes most of a second.
    """
    m = values.to_numpy(float)
    order = np.argsort(m, kind="stable")
    ascending, known = m[order], int(np.count_nonzero(~np.isnan(m)))
    is_known = places < known
    start, end = (np.searchsorted(ascending[:known], ascending[places], side) for side in ("left", "right"))
    start, end = np.where(is_known, start, known), np.where(is_known, end, m.size)
    for first in np.unique(start[end - start > 1]):
        tied = order[first : end[start == first][0]]
        order[first : first + tied.size] = tied[np.argsort(customer_id.iloc[tied].to_numpy(object), kind="stable")]
    return order[places]


def explainer_of(reference: Reference, release: Release) -> NpsExplainer:
    """Make what splits the NPS score of customers into points, relative to a base."""
    trees = release.scorer.boosters
    boosters = {name.removeprefix("nps_"): booster for name, booster in trees.items() if name.startswith("nps_")}
    return NpsExplainer.of(release.parameters.nps, boosters, reference.customers, reference.shares)


def _with_nps(each: ActionList, reasons_of_nps: Mapping[Any, Sequence[Reason]]) -> ActionList:
    """Add the reasons of the NPS score to the lists that depend on it."""
    if each.name not in ("likely_detractors", "promoters"):
        return each
    why = [
        "; ".join([text, *(reason["text"] for reason in reasons_of_nps.get(index, ()))])
        for index, text in each.customers["why"].items()
    ]
    texts = pd.Series(why, index=each.customers.index, dtype=object)
    return replace(each, customers=each.customers.assign(why=texts))


def to_json(reasons: Sequence[Mapping[str, Any]]) -> str:
    """Write a customer's reasons as they are published."""
    return json.dumps(reasons, ensure_ascii=False)
