"""The figures that a scoring on a cluster keeps for the page: those of one machine, from the sums of the cluster."""

from collections.abc import Sequence

import pandas as pd

from flows.reports.cluster.score import means_by
from flows.reports.page.figures import Figures, plain, records
from flows.reports.page.scoring import cohorts_of, in_order, shared_figures
from flows.settings import Settings
from flows.steps.cluster.scoring import SUMMED, ScoredThere
from flows.steps.inputs import Inputs
from models.registry.scorers import Registered
from models.scoring.columns import CATEGORIES, PROBABILITIES


def cluster_figures(
    settings: Settings,
    inputs: Inputs,
    chosen: Registered,
    scored: ScoredThere,
    version: int,
    why_not_current: str | None,
) -> Figures:
    """Gather the figures of a scoring, as `flows.reports.page.scoring.score_figures` does."""
    groups, order = scored.sums.groups, tuple(chosen.release.rfm_segments)
    return {
        **shared_figures(settings, inputs, chosen, scored, version, why_not_current),
        "base": base_of(groups, scored.customers),
        "categories": _categories(scored.sums.categories, scored.customers),
        "segments": _groups(groups, "segment", scored.customers, order),
        "personas": _groups(groups.dropna(subset=["persona"]), "persona", scored.customers),
        "rfm": _rfm(scored.sums.rfm),
        "concentration": scored.sums.tenths,
        **cohorts_of(scored, inputs.as_of),
    }


def base_of(groups: pd.DataFrame, customers: int) -> dict[str, float | None]:
    """Describe a base by sums, as `models.population.totals.base_totals` does by its scores."""
    sums = groups[list(SUMMED)].sum(min_count=1)
    known = {name: None if pd.isna(value) else float(value) for name, value in sums.items()}
    totals: dict[str, float | None] = {"customers": float(customers)}
    totals |= {name: known[name] for name in ("expected_purchases", "expected_revenue", "clv")}
    means = {"next_purchase_index": "next_purchase_index", "p_churn": "p_churn", "clv_mean": "clv"}
    for name, column in means.items():
        total = known[column]
        totals[name] = None if total is None else total / customers
    return totals


def _categories(sums: pd.DataFrame, customers: int) -> list[Figures]:
    counts = sums.dropna(subset=["nps_category"]).set_index("nps_category")["customers"]
    if counts.empty:
        return []
    shares = sums[list(PROBABILITIES)].sum() / customers
    return [
        {"category": k, "customers": int(counts.get(name, 0)), "share": plain(shares[PROBABILITIES[k]])}
        for k, name in enumerate(CATEGORIES)
    ]


def _groups(groups: pd.DataFrame, column: str, customers: int, order: Sequence[str] | None = None) -> list[Figures]:
    if groups.empty:
        return []
    return in_order(means_by(groups, column), customers, order)


def _rfm(sums: pd.DataFrame) -> list[Figures]:
    codes = sums["rfm"].astype(str)
    groups = sums.assign(r=codes.str[0].astype(int), f=codes.str[1].astype(int)).groupby(["r", "f"])
    table = groups.agg(customers=("customers", "sum"), clv=("clv", lambda values: values.sum(min_count=1)))
    return records(table.assign(clv=table["clv"] / table["customers"]).reset_index())
