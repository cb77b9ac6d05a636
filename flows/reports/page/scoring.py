"""The figures that a scoring keeps for the page: the base, its segments, concentration, lists, measures, and drift."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from features.measures.definition import Measure
from flows.reports.page.cohorts import cohort_figures, group_figures
from flows.reports.page.figures import Figures, plain, records
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.measuring import measures_of
from flows.steps.scoring import Scored
from models.actions.lists import ActionList
from models.monitoring.stability import Stability, Transitions
from models.monitoring.transitions import GONE, NEW
from models.population.totals import BASE_COLUMNS, base_totals
from models.registry.scorers import Registered
from models.scoring.columns import CATEGORIES, PROBABILITIES
from models.stats.deciles import DECILES
from models.stats.typing import Floats

if TYPE_CHECKING:
    # It imports pyspark.
    from flows.steps.cluster.scoring import ScoredThere

# Customers of each list that the page shows; the file of the run holds all.
_SHOWN = 10
_COLUMNS = ("segment", "persona", "rfm", "nps_category", *PROBABILITIES, *BASE_COLUMNS)


def score_figures(
    settings: Settings, inputs: Inputs, chosen: Registered, scored: Scored, version: int, why_not_current: str | None
) -> Figures:
    """Gather the figures of a scoring; ``nps`` and ``history`` are added where the scorer's own are known."""
    scores = scored.scores.frame(_COLUMNS)
    return {
        **shared_figures(settings, inputs, chosen, scored, version, why_not_current),
        "base": base_totals(scores),
        "categories": _categories(scores),
        "segments": _groups(scores, "segment", tuple(chosen.release.rfm_segments)),
        "personas": _groups(scores, "persona"),
        "rfm": _rfm(scores),
        "concentration": {name: _tenths(scores[name]) for name in ("clv", "expected_revenue")},
        **cohorts_of(scored, inputs.as_of),
    }


def cohorts_of(scored: "Scored | ScoredThere", as_of: date) -> Figures:
    """Gather the figures of the cohorts of everyone, and of groups of customers."""
    return {
        "cohorts": None if scored.cohorts is None else cohort_figures(scored.cohorts, as_of),
        "cohort_groups": [group_figures(groups, as_of) for groups in scored.cohort_groups],
    }


def shared_figures(
    settings: Settings,
    inputs: Inputs,
    chosen: Registered,
    scored: "Scored | ScoredThere",
    version: int,
    why_not_current: str | None,
) -> Figures:
    """Gather the figures that are not made of the scores of everyone."""
    of = chosen.release.parameters
    return {
        "kind": "score",
        "as_of": inputs.as_of.isoformat(),
        "scorer": chosen.version,
        "scorer_as_of": of.as_of.isoformat(),
        "scores": version,
        "why_not_current": why_not_current,
        "horizon": of.horizon,
        "churn_horizon": of.churn_horizon,
        "clv_horizon": of.clv_horizon,
        "currency": of.currency or inputs.intake.currency,
        "question": of.nps_question,
        "notes": list(settings.notes),
        "intake": plain({name: each for name, each in inputs.intake.to_dict().items() if name != "folder"}),
        "without_purchase": scored.without_purchase,
        "without_behaviour": scored.without_behaviour,
        "not_given": list(scored.not_given),
        "transitions": None if scored.transitions is None else _transitions(scored.transitions),
        "actions": [_action(each) for each in scored.actions.lists],
        "measures": _measures(scored.measured.history, measures_of(settings)),
        "drift": {"verdict": scored.drift.verdict, "why": scored.drift.why, "notes": list(scored.drift.notes)},
        "stability": _stability(scored.stability),
        "drivers": [asdict(driver) for driver in scored.actions.drivers],
    }


def _categories(scores: pd.DataFrame) -> list[Figures]:
    """Give customers by category, and the share that their probabilities sum to; none without an NPS model."""
    if scores["nps_category"].isna().all():
        return []
    counts, shares = scores["nps_category"].value_counts(), scores[list(PROBABILITIES)].mean()
    return [
        {"category": k, "customers": int(counts.get(name, 0)), "share": plain(shares[PROBABILITIES[k]])}
        for k, name in enumerate(CATEGORIES)
    ]


def _groups(scores: pd.DataFrame, column: str, order: Sequence[str] | None = None) -> list[Figures]:
    """Describe each group of customers: size, share, value and means; in the order given, else the largest first."""
    if scores[column].isna().all():
        return []
    groups = scores.groupby(column)
    table = groups[["next_purchase_index", "clv", "p_churn"]].mean()
    table["customers"] = groups.size()
    table["expected_revenue"] = groups["expected_revenue"].sum()
    return in_order(table, len(scores), order)


def in_order(groups: pd.DataFrame, customers: int, order: Sequence[str] | None) -> list[Figures]:
    """Give groups with their shares of the customers and of the revenue, in the order given, else the largest first.

    Parameters
    ----------
    groups : pandas.DataFrame
        By name of the group: customers, expected_revenue (in all), and means of scores.
    customers : int
        Of the base.
    order : sequence of str or None
        Of the names.
    """
    table, revenue = groups.drop(columns="expected_revenue"), groups["expected_revenue"]
    table["share"] = table["customers"] / customers
    table["revenue_share"] = revenue / revenue.sum() if revenue.sum() > 0 else np.nan
    if order is None:
        table = table.sort_values("customers", ascending=False, kind="stable")
    else:
        table = table.loc[[name for name in order if name in table.index]]
    return records(table.rename_axis("name").reset_index())


def _rfm(scores: pd.DataFrame) -> list[Figures]:
    """Count the customers of each pair of recency and frequency scores, with their mean lifetime value."""
    number, codes = pd.factorize(scores["rfm"])
    r, f = (np.array([int(code[place]) for code in codes], dtype=np.int64).take(number) for place in (0, 1))
    groups = scores[["clv"]].assign(r=r, f=f).groupby(["r", "f"])
    return records(groups.agg(customers=("clv", "size"), clv=("clv", "mean")).reset_index())


def _tenths(values: pd.Series) -> list[float] | None:
    """Give the share of the total that each tenth of the customers brings, the largest values first."""
    known: Floats = np.sort(np.maximum(values.dropna().to_numpy(float), 0.0))[::-1]
    if known.size < DECILES or known.sum() <= 0:
        return None
    cumulative = np.concatenate([[0.0], np.cumsum(known)])
    # A customer on a border counts in parts.
    edges = np.interp(np.linspace(0, known.size, DECILES + 1), np.arange(known.size + 1), cumulative)
    return [float(share) for share in np.diff(edges) / known.sum()]


def _transitions(transitions: Transitions) -> Figures:
    table = transitions.segments
    names = [name for name in table.index if name != NEW]
    rows = [
        {
            "name": name,
            "then": int(table.loc[name].sum()),
            "stayed": int(table.loc[name, name]),
            "new": int(table.loc[NEW, name]),
            "now": int(table[name].sum()),
        }
        for name in names
    ]
    shown = [row for row in rows if row["then"] or row["now"]]
    return {"since": transitions.as_of.isoformat(), "rows": shown, "gone": int(table[GONE].sum())}


def _action(each: ActionList) -> Figures:
    first = each.customers.head(_SHOWN)[["customer_id", "segment", "value", "why"]]
    return {
        "name": each.name,
        "customers": len(each.customers),
        "value": plain(each.customers["value"].sum()) if len(each.customers) else 0.0,
        "meaning": each.meaning,
        "value_definition": each.value_definition,
        "absent": each.absent,
        "first": records(first),
    }


def _measures(history: pd.DataFrame, measures: Sequence[Measure]) -> list[Figures]:
    """Give each measure of everyone that has a value, with its windows, the oldest first."""
    shown = []
    for measure in measures:
        windows = history[history["measure"] == measure.name].sort_values("end")
        if windows.empty or pd.isna(windows["value"].iloc[-1]):
            continue
        newest = windows.iloc[-1]
        figures = ("unit", "start", "end", "value", "low", "high", "n", "before", "change", "change_low", "change_high")
        shown.append(
            {
                "title": measure.title,
                **{name: plain(newest[name]) for name in figures},
                "windows": plain(windows["value"].to_list()),
            }
        )
    return shown


def _stability(stability: Stability) -> Figures:
    return {
        "since": plain(stability.trained_as_of),
        "kinds": {
            name: {
                "columns": len(table),
                "moved": int(table["verdict"].str.startswith("moved").sum()),
                "largest": plain(table["psi"].max()),
            }
            for name, table in stability.tables.items()
        },
    }
