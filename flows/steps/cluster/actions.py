"""Action lists and reasons of a base on a cluster: the lists are queries of the first thousand, explained here."""

from collections.abc import Sequence
from dataclasses import replace

import ibis
import ibis.expr.types as ir
import pandas as pd
import pyarrow as pa

from data.intake.cluster.session import ClusterBackend
from features.engine.stored import to_frame
from flows.steps.cluster.ranks import ranked
from models.actions import lists as of_lists
from models.actions.base_figures import BaseFigures, top_fifth
from models.actions.lists import ActionList, action_lists
from models.actions.plan import Actions, Reference, explains, reference_places, with_reasons
from models.registry.cluster.lists import LISTED_SCHEMA, ListCandidates
from models.registry.cluster.scorer import BEFORE
from models.release.release import Release
from models.scoring.columns import CATEGORIES


def find_actions_there(
    backend: ClusterBackend, scored: ir.Table, described: ir.Table, release: Release, files: bytes, reasons: str
) -> tuple[Actions, dict[str, str], Reference | None]:
    """Make the lists and the reasons of those on a list.

    The rows that come to the driver are the lists, at most `models.actions.lists.LONGEST_LIST` customers each, their
    features, and those of the customers who represent the base.

    Parameters
    ----------
    backend : ClusterBackend
        The session with the cluster.
    scored : ibis.expr.types.Table
        Kept rows of `models.registry.cluster.scorer.QUOTED_SCHEMA`.
    described : ibis.expr.types.Table
        Kept features of the same customers.
    release : Release
        The release that scored them.
    files : bytes
        Its version, packed.
    reasons : str
        The setting; with "all" the cluster explains the others while it writes the scores.

    Returns
    -------
    tuple of Actions, dict and Reference or None
        The first two as `models.actions.plan.with_reasons` gives them, by customer_id; and the base that everyone's
        score is explained relative to, None where that of the others is not.
    """
    customers = int(scored.count().to_pyarrow().as_py())
    lists = _lists(backend, scored, release, files, _figures(scored, release, customers))
    reference, explained = None, pd.DataFrame()
    if explains(release, reasons):
        reference = _reference(scored, described, customers)
        listed = sorted({customer for each in lists for customer in each.customers.index})
        explained = _features(described, pa.table({"customer_id": pa.array(listed, pa.string())}))
    features = [explained.set_index("customer_id", drop=False)] if reference else []
    return *with_reasons(lists, release, reference, features), reference if reasons == "all" else None


def _figures(scored: ir.Table, release: Release, customers: int) -> BaseFigures:
    once = scored.frequency == 0
    means = scored.agg(
        p_detractor=scored.p_detractor.mean(),
        p_promoter=scored.p_promoter.mean(),
        score=(100.0 * (scored.p_promoter - scored.p_detractor)).mean(),
        once=scored.p_purchase.mean(where=once),
    )
    [row] = means.to_pyarrow().to_pylist()
    known = {name: float("nan") if value is None else float(value) for name, value in row.items()}
    bought = _lowest_of_top(scored, "total_value", customers)
    worth = _lowest_of_top(scored, "clv", customers) if release.scorer.has_forecast else bought
    return BaseFigures(known["p_detractor"], known["p_promoter"], known["score"], worth, bought, known["once"])


def _lowest_of_top(scored: ir.Table, by: str, customers: int) -> float:
    placed = ranked(scored, by, customers)
    values = placed.filter(placed.place == customers - top_fifth(customers)).select(by).to_pyarrow()[by].to_pylist()
    # Of nobody there is none, which the check of what was written tells.
    return float(values[0]) if values else float("nan")


def _lists(
    backend: ClusterBackend, scored: ir.Table, release: Release, files: bytes, figures: BaseFigures
) -> list[ActionList]:
    nobody = to_frame(scored.limit(0).to_pyarrow())
    frame = backend.data_frame(scored).mapInArrow(ListCandidates(files, figures), LISTED_SCHEMA)
    name = ibis.util.gen_name("candidates")
    frame.createOrReplaceTempView(name)
    candidates = backend.table(name)
    place = ibis.row_number().over(group_by="list", order_by=[ibis.desc("rank"), "customer_id"])
    chosen = candidates.mutate(place=place)
    rows = to_frame(chosen.filter(chosen.place < of_lists.LONGEST_LIST).order_by(["list", "place"]).to_pyarrow())
    by_list = dict(iter(rows.groupby("list")))
    return [_of_rows(each, by_list.get(each.name)) for each in action_lists(nobody, nobody, release, figures)]


def _of_rows(each: ActionList, rows: pd.DataFrame | None) -> ActionList:
    chosen = each.customers if rows is None else rows[["customer_id", "segment", "value", "why"]]
    return replace(each, customers=chosen.set_index("customer_id", drop=False))


def _reference(scored: ir.Table, described: ir.Table, customers: int) -> Reference:
    shares: Sequence[str] = [f"p_{name}" for name in CATEGORIES]
    by_score = scored.select("customer_id", m=scored.p_promoter - scored.p_detractor)
    placed = ranked(by_score, "m", customers)
    places = reference_places(customers).tolist()
    chosen = placed.filter(placed.place.isin(places)).select("customer_id", "place")
    rows = chosen.order_by("place").to_pyarrow()
    [means] = scored.agg(**{name: scored[name].mean() for name in shares}).to_pyarrow().to_pylist()
    features = _features(described, rows.select(["customer_id"]))
    return Reference(features.loc[rows["customer_id"].to_pylist()], [float(means[name]) for name in shares])


def _features(described: ir.Table, customers: pa.Table) -> pd.DataFrame:
    """Read the features of some customers, by customer_id."""
    own = described.select(*(name for name in described.columns if not name.startswith(BEFORE)))
    rows = own.semi_join(ibis.memtable(customers), "customer_id").order_by("customer_id")
    return to_frame(rows.to_pyarrow()).set_index("customer_id", drop=False)
