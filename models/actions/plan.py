"""What to do, and why: the action lists, and the reasons that stand in the scores table."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from models.actions.lists import LONGEST_LIST, ActionList, action_lists
from models.actions.reasons import Reason, nps_reasons
from models.nps.attribution import NpsExplainer
from models.release.release import Release
from models.scoring.columns import CATEGORIES

# Customers who stand for the base when a score is split into points.
REFERENCE = 1000


@dataclass(frozen=True)
class Actions:
    """The lists and, by the index of the scores, the JSON text of everyone's reasons: None where none are due."""

    lists: tuple[ActionList, ...]
    reasons: pd.Series


def find_actions(
    scores: pd.DataFrame,
    described: pd.DataFrame,
    release: Release,
    reasons: Literal["lists", "all", "off"] = "lists",
    longest: int = LONGEST_LIST,
    progress: Callable[[int, int], None] | None = None,
) -> Actions:
    """Make the lists and say why.

    Parameters
    ----------
    scores : pandas.DataFrame
        As `models.population.scored.assemble_scores` gives them.
    described : pandas.DataFrame
        The features of everyone, same index.
    release : Release
        Of the scorer.
    reasons : str
        Whose NPS score is explained: of the customers on a list ("lists"), of "all", or of nobody ("off").
    longest : int
        Most customers per list.
    progress : callable, optional
        Told how many customers' scores are explained, and of how many.

    Returns
    -------
    Actions
        A customer's reasons are objects with ``group`` and ``text``: first the lists, most ``worth`` (money) first;
        then those of `models.actions.reasons.nps_reasons`, with their ``points``. What is at stake is said once, as
        ``worth``. On the lists that NPS makes, ``why`` tells those too.

    Raises
    ------
    ValueError
        If ``reasons`` is something else.
    """
    if reasons not in ("lists", "all", "off"):
        raise ValueError(f'reasons must be "lists", "all" or "off", got {reasons!r}')
    lists = action_lists(scores, described, release, longest)
    listed: dict[Any, list[dict[str, Any]]] = {}
    for each in lists:
        for index, worth, why in each.customers[["worth", "why"]].itertuples():
            listed.setdefault(index, []).append({"group": each.title, "worth": round(worth, 2), "text": why})
    of_nps: dict[Any, list[Reason]] = {}
    texts: dict[Any, str] = {}
    if reasons != "off" and release.parameters.nps.source == "model":
        whose = described.loc[list(listed)] if reasons == "lists" else described
        explained = nps_reasons(_explainer(scores, described, release), whose, release.vocabulary, progress=progress)
        for index, found in zip(whose.index, explained, strict=True):
            if index in listed:
                of_nps[index] = found or []
            elif found:
                texts[index] = _to_json(found)
    for index, of_lists in listed.items():
        by_worth = sorted(of_lists, key=lambda reason: -reason["worth"])
        texts[index] = _to_json([*by_worth, *of_nps.get(index, [])])
    said = pd.Series([texts.get(index) for index in scores.index], index=scores.index, dtype=object)
    return Actions(tuple(_with_nps(each, of_nps) for each in lists), said)


def to_table(lists: Sequence[ActionList]) -> pd.DataFrame:
    """Put the lists one below the other: list, rank (from 1), customer_id, segment, worth, why, worth_means."""
    tables = [
        each.customers.assign(
            list=each.name, rank=np.arange(1, len(each.customers) + 1), worth_means=each.worth_means
        ).reset_index(drop=True)
        for each in lists
    ]
    columns = ["list", "rank", "customer_id", "segment", "worth", "why", "worth_means"]
    return pd.concat(tables, ignore_index=True)[columns]


def _explainer(scores: pd.DataFrame, described: pd.DataFrame, release: Release) -> NpsExplainer:
    """Explain against customers evenly spread over the base from the lowest score up."""
    shares = scores[[f"p_{name}" for name in CATEGORIES]].astype(float)
    m = shares["p_promoter"] - shares["p_detractor"]
    ordered = pd.DataFrame({"m": m, "customer_id": scores["customer_id"]}).sort_values(["m", "customer_id"]).index
    few = min(REFERENCE, len(ordered))
    places = ((np.arange(few) + 0.5) / few * len(ordered)).astype(int)
    trees = release.scorer.boosters
    boosters = {name.removeprefix("nps_"): booster for name, booster in trees.items() if name.startswith("nps_")}
    return NpsExplainer.of(release.parameters.nps, boosters, described.loc[ordered[places]], list(shares.mean()))


def _with_nps(each: ActionList, of_nps: Mapping[Any, Sequence[Reason]]) -> ActionList:
    """Let the lists that NPS makes say its reasons too."""
    if each.name not in ("likely_detractors", "promoters"):
        return each
    why = [
        "; ".join([text, *(reason["text"] for reason in of_nps.get(index, ()))])
        for index, text in each.customers["why"].items()
    ]
    texts = pd.Series(why, index=each.customers.index, dtype=object)
    return replace(each, customers=each.customers.assign(why=texts))


def _to_json(reasons: Sequence[Mapping[str, Any]]) -> str:
    return json.dumps(reasons, ensure_ascii=False)
