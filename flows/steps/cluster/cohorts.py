"""Cohorts of a base on a cluster: counted and added up there by group and month, and forecast here from the sums."""

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data.intake.cluster.session import ClusterBackend
from features.engine.stored import to_frame
from features.spine import left_joined
from features.tables import Tables
from flows.settings import Settings
from flows.steps.inputs import Inputs
from models.population.cohort_groups import CohortGroups, choose_groupings, in_order, put_together
from models.population.cohorts import FOLLOWED_BY, Cohorts, by_month, month_of
from models.population.counted_groups import MOST_GROUPS, OTHER, UNKNOWN, grouped_by, sums_by_month, sums_of_labels
from models.population.group_forecasts import forecast_of
from models.population.sums_ahead import HISTORY, Means, Totals
from models.registry.cluster.ahead import AHEAD_SCHEMA, COUNTS, KEYS, SUMS, SumsAhead, totals_of

# Of a grouping the numbers of its groups; the grouping 0 is everyone.
_WIDTH = MOST_GROUPS + 2


def follow_there(
    backend: ClusterBackend,
    settings: Settings,
    inputs: Inputs,
    scored: ir.Table,
    described: ir.Table,
    files: bytes,
) -> tuple[Cohorts, tuple[CohortGroups, ...]]:
    """Follow everyone and groups of customers, as `follow_base` of one machine does.

    To the driver come counts and sums by group, month of first purchase and month.

    Parameters
    ----------
    backend : ClusterBackend
        The session with the cluster.
    settings : Settings
        What to group by.
    inputs : Inputs
        The tables, which lie on the cluster, and as_of.
    scored, described : ibis.expr.types.Table
        Kept scores and features of everyone.
    files : bytes
        The version of a scorer with a purchase model, packed.
    """
    tables, as_of = inputs.tables, inputs.as_of
    groupings = choose_groupings(tables, settings.cohorts_by, settings.segments)
    followed, names = _labelled(
        backend,
        tables,
        as_of,
        groupings,
        left_joined(scored.select(*FOLLOWED_BY), described.select("customer_id", *HISTORY), ["customer_id"]),
    )
    labels = tuple(f"label_{number}" for number in range(len(groupings) + 1))
    counted = sums_by_month(tables, as_of, followed.select("customer_id", "cohort", *labels), labels)
    past = sums_of_labels(backend.keep(counted, "counted_by_month"), labels).to_pandas()
    past = past.sort_values(["label", "cohort", "month"], ignore_index=True)
    ahead = _added_up(backend, followed.drop("customer_id", "first_purchase"), SumsAhead(files, as_of, labels))
    groups = []
    for number, by in enumerate(groupings, start=1):
        of_past, of_ahead = (_of_grouping(rows, number) for rows in (past, ahead))
        groups.append(_groups(by, names[number - 1], of_past, of_ahead, month_of(as_of)))
    return _everyone(_of_grouping(past, 0), _of_grouping(ahead, 0), month_of(as_of)), tuple(groups)


def _of_grouping(rows: pd.DataFrame, number: int) -> pd.DataFrame:
    return rows[rows["label"] // _WIDTH == number].reset_index(drop=True)


def _labelled(
    backend: ClusterBackend, tables: Tables, as_of: date, groupings: Sequence[str], customers: ir.Table
) -> tuple[ir.Table, list[list[str]]]:
    """Give customers the numbers of their groups and their month of first purchase; and the groups' names, in order."""
    names, numbers = [], {"label_0": ibis.literal(0).cast("int64")}
    if groupings:
        values = grouped_by(tables, as_of, groupings, customers.select("customer_id"), "customer_id")
        values = backend.keep(values, "grouped")
        customers = left_joined(customers, values, ["customer_id"])
        for number in range(len(groupings)):
            largest = _largest(values, f"value_{number}")
            names.append(sorted({*largest, OTHER, UNKNOWN}))
            value, first = customers[f"value_{number}"], _WIDTH * (number + 1)
            cases = [(value == name, first + k) for k, name in enumerate(names[-1])]
            cases.append((value.isnull(), first + names[-1].index(UNKNOWN)))  # noqa: PD003 - an expression of Ibis
            numbers[f"label_{number + 1}"] = ibis.cases(*cases, else_=first + names[-1].index(OTHER)).cast("int64")
    day = customers.first_purchase
    cohort = (12 * day.year() + day.month() - 1).cast("int64")
    wanted = [*FOLLOWED_BY, *HISTORY, *numbers, "cohort"]
    return backend.keep(customers.mutate(**numbers, cohort=cohort).select(*wanted), "followed"), names


def _largest(values: ir.Table, name: str) -> list[str]:
    """Name the largest groups, of those of equal size the first ones by name."""
    named = values.drop_null(name).filter(ibis._[name] != UNKNOWN)
    sizes = named.group_by(name).agg(customers=named.count())
    largest = sizes.order_by([ibis.desc("customers"), name]).limit(MOST_GROUPS)
    return [str(each) for each in largest.to_pyarrow()[name].to_pylist()]


def _added_up(backend: ClusterBackend, followed: ir.Table, ahead: SumsAhead) -> pd.DataFrame:
    frame = backend.data_frame(followed).mapInArrow(ahead, AHEAD_SCHEMA)
    name = ibis.util.gen_name("sums_ahead")
    frame.createOrReplaceTempView(name)
    parts = backend.table(name)
    sums = parts.group_by(list(KEYS)).agg(**{each: parts[each].sum() for each in SUMS})
    return to_frame(sums.to_pyarrow()).sort_values(["part", "label", "cohort"], ignore_index=True)


def _everyone(past: pd.DataFrame, sums: pd.DataFrame, here: int) -> Cohorts:
    months, _ = totals_of(sums)
    own = sums[sums["part"] == 0]
    cohorts = own["cohort"].to_numpy()
    ahead = _monthly(own, months, np.arange(len(own)), here)
    ahead.insert(0, "cohort", cohorts[ahead.pop("place")])
    return Cohorts(past.drop(columns="label"), ahead, _sizes(own))


def _groups(by: str, names: Sequence[str], past: pd.DataFrame, sums: pd.DataFrame, here: int) -> CohortGroups:
    """Put the groups of one grouping together from what was counted and added up of them."""
    months, horizon = totals_of(sums)
    own = sums[sums["part"] == 0]
    name_of = np.array(names, dtype=object)
    group = name_of[own["label"] % _WIDTH]
    # In the order of their numbers, so that groups of equal size follow each other as on one machine.
    totals = own.groupby("label")[list(COUNTS)].sum()
    totals.index = pd.Index(name_of[totals.index % _WIDTH], dtype="str", name="group")
    means = totals[["p_purchase", "expected_revenue"]].div(totals["customers"], axis=0)
    means.insert(0, "customers", totals["customers"].astype("int64"))
    groups = in_order(means).reset_index()
    place = pd.Index(groups["group"]).get_indexer(group)
    of_cohorts = _monthly(own, months, np.arange(len(own)), here)
    cohort = own["cohort"].to_numpy()
    of_cohorts = of_cohorts.assign(group=group[of_cohorts["place"]], cohort=cohort[of_cohorts["place"]])
    sizes = {str(name): _sizes(own[group == name]) for name in groups["group"]}
    counted = past.drop(columns="label")
    counted.insert(0, "group", name_of[past["label"] % _WIDTH])
    in_horizon = forecast_of(*horizon, place, len(groups))
    return put_together(by, groups, counted, sizes, in_horizon, _monthly(own, months, place, here), of_cohorts, here)


def _monthly(own: pd.DataFrame, months: tuple[Totals, list[Means]], place: np.ndarray, here: int) -> pd.DataFrame:
    customers, has_bought = (np.bincount(place, weights=own[name]) for name in ("customers", "has_bought"))
    return by_month(forecast_of(*months, place, customers.size), customers, has_bought, here)


def _sizes(own: pd.DataFrame) -> pd.Series:
    return pd.Series(own["customers"].to_numpy().astype("int64"), index=own["cohort"].to_numpy())
