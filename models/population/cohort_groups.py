"""Cohorts by what customers have in common: the category or channel of the first purchase, or any attribute.

A group pools the customers of all months of first purchase. At each age in months it counts those who have lived
through the whole of that month, so that shares and values of an age are of the same customers. What is to come is told
month by month, and for the horizon of the scores. Each group is followed by month of first purchase, too.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data.errors import InputError
from data.secrecy.showing import describe, nearest
from features.tables import Tables
from models.population.cohorts import MONTHS, Cohorts, cohorts_ahead, forecast_months, month_of, months_of
from models.population.counted_groups import OF_FIRST_PURCHASE, OTHER, UNKNOWN, Groups, count_groups
from models.population.group_forecasts import GroupForecast, forecast_groups
from models.population.months_ahead import AheadKept
from models.release.release import Release
from models.scoring.clock.clock import day_number
from models.scoring.clock.future import Future

MOST_GROUPINGS = 6
# An attribute of more values, such as a name or a postcode, groups customers only where it is asked for.
_MOST_VALUES = 50


@dataclass(frozen=True)
class CohortGroups:
    """What became of the customers of each group.

    Attributes
    ----------
    by : str
        The column of transactions, of each customer's first purchase, or the attribute.
    ages : pandas.DataFrame
        group, age (months since that of the first purchase), customers (who lived through that whole month), share (of
        them who bought in it) and value (cumulative net value per customer by its end).
    groups : pandas.DataFrame
        group, customers, p_purchase and expected_revenue (means of the scores), the ends of the 90 % intervals of
        what comes of both: buyers_low, buyers_high, revenue_low, revenue_high; and value (net, per customer, until
        as_of); the largest group first. The rest are "other", and those without a value "not known".
    ahead : pandas.DataFrame
        group, month and what `models.population.cohorts.forecast_months` gives of it.
    cohorts : mapping of str to Cohorts
        Of each group by its name.
    """

    by: str
    ages: pd.DataFrame
    groups: pd.DataFrame
    ahead: pd.DataFrame
    cohorts: Mapping[str, Cohorts]


def choose_groupings(tables: Tables, wanted: str | None, segments: Sequence[str]) -> list[str]:
    """Choose what cohorts are grouped by: first what is wanted, then the other columns that are there.

    Of customers' attributes these are the texts with few values, those of `segments` before others.

    Raises
    ------
    InputError
        What is wanted is no column of the shop's.
    """
    attributes = [] if tables.customers is None else list(tables.customers.columns)
    attributes = [name for name in attributes if name not in ("customer_id", "valid_from")]
    there = [name for name in OF_FIRST_PURCHASE if _has_values(tables.transactions, name)]
    if wanted is not None and wanted not in (*there, *attributes):
        listed = ", ".join([*there, *attributes])
        raise InputError(
            f"cohorts_by is {describe(wanted)}, and the shop has no such column with values; it has: {listed}."
            f"{nearest(wanted, there + attributes)}"
        )
    first = [] if wanted is None else [wanted]
    named = [name for name in segments if name in attributes]
    others = [name for name in attributes if tables.customers is not None and _has_few_values(tables.customers, name)]
    return list(dict.fromkeys([*first, *there, *named, *others]))[:MOST_GROUPINGS]


def follow_base(
    tables: Tables,
    as_of: date,
    groupings: Sequence[str],
    release: Release,
    history: pd.DataFrame,
    scores: pd.DataFrame,
) -> tuple[Cohorts, tuple[CohortGroups, ...]]:
    """Follow everyone and groups of customers through the months until as_of, and forecast them.

    Parameters
    ----------
    tables, as_of
        The shop's checked tables; the date is exclusive.
    groupings
        As `choose_groupings` gives them.
    release : Release
        The scorer's, with a purchase model.
    history : pandas.DataFrame
        The columns `HISTORY` of everyone.
    scores : pandas.DataFrame
        The columns `FOLLOWED_BY` of everyone's scores, in the same order.
    """
    kept, cohort = AheadKept(), months_of(scores["first_purchase"])
    past, counted = count_groups(tables, as_of, groupings, scores["customer_id"], cohort)
    ahead = cohorts_ahead(scores, history, release, as_of, MONTHS, kept)
    everyone = Cohorts(past, ahead, _sizes(cohort))
    return everyone, tuple(_followed(counted, as_of, release, history, scores, cohort, kept)) if groupings else ()


def _followed(
    counted: Sequence[Groups],
    as_of: date,
    release: Release,
    history: pd.DataFrame,
    scores: pd.DataFrame,
    cohort: np.ndarray,
    kept: AheadKept,
) -> list[CohortGroups]:
    found = [_described(each, scores) for each in counted]
    numbered = [each.label.codes.astype(np.int64) for each, _ in found]
    future = Future(release.scorer.clock, day_number(as_of))
    days = np.array([float(release.parameters.horizon)])
    in_horizon = forecast_groups(scores, history, release, future, days, numbered, kept=kept)
    cohorts, place = np.unique(cohort, return_inverse=True)
    keys = [np.unique(group * cohorts.size + place, return_inverse=True) for group in numbered]
    both = [*numbered, *(of_both for _, of_both in keys)]
    monthly = forecast_months(scores, history, release, as_of, MONTHS, both, kept)
    followed = []
    for (each, groups), of, ahead, by_cohort, (key, _) in zip(
        found, in_horizon, monthly[: len(keys)], monthly[len(keys) :], keys, strict=True
    ):
        names = groups["group"].to_numpy()
        group, month = names[key // cohorts.size], cohorts[key % cohorts.size]
        of_cohorts = by_cohort.assign(group=group[by_cohort["place"]], cohort=month[by_cohort["place"]])
        sizes = {name: _sizes(cohort[each.label == name]) for name in names}
        followed.append(put_together(each.by, groups, each.past, sizes, of, ahead, of_cohorts, month_of(as_of)))
    return followed


def _sizes(cohort: np.ndarray) -> pd.Series:
    """Count the customers of each month of first purchase."""
    return pd.Series(cohort).value_counts().sort_index()


def put_together(
    by: str,
    groups: pd.DataFrame,
    past: pd.DataFrame,
    sizes: Mapping[str, pd.Series],
    in_horizon: GroupForecast,
    ahead: pd.DataFrame,
    of_cohorts: pd.DataFrame,
    here: int,
) -> CohortGroups:
    """Put together what is known of the groups of one grouping.

    Parameters
    ----------
    by : str
        The grouping.
    groups : pandas.DataFrame
        group, customers, p_purchase and expected_revenue (means), in the order in which they are told.
    past : pandas.DataFrame
        As of `models.population.counted_groups.Groups`.
    sizes : mapping of str to pandas.Series
        Of each group the customers by month of first purchase.
    in_horizon : GroupForecast
        Of the groups, in the horizon of the scores.
    ahead : pandas.DataFrame
        Of the groups, as `models.population.cohorts.by_month` gives it.
    of_cohorts : pandas.DataFrame
        The same of each month of first purchase, with its group and cohort.
    here : int
        The number of the month that holds as_of.
    """
    names = groups["group"].to_numpy()
    ahead = ahead.assign(group=names[ahead["place"]]).drop(columns="place")
    of_cohorts = of_cohorts.drop(columns="place")
    return CohortGroups(
        by,
        pd.concat([_ages(name, sizes[name], past, here) for name in names], ignore_index=True),
        _with_horizon(groups, past, in_horizon),
        ahead[["group", *ahead.columns.drop("group")]],
        {name: Cohorts(_of(past, name), _of(of_cohorts, name), sizes[name]) for name in names},
    )


def in_order(groups: pd.DataFrame) -> pd.DataFrame:
    """Put groups, by name and with their customers, in the order in which they are told: the largest first."""
    last = {name: int(name in (OTHER, UNKNOWN)) for name in groups.index}
    ordered = groups.assign(last=pd.Series(last)).sort_values(["last", "customers"], ascending=[True, False])
    return ordered.drop(columns="last")


def _described(each: Groups, scores: pd.DataFrame) -> tuple[Groups, pd.DataFrame]:
    """Put the groups in order, and give of each the means of the scores."""
    means = scores[["p_purchase", "expected_revenue"]].groupby(each.label.codes).mean()
    groups = means.set_axis(pd.Index(each.label.categories[means.index], dtype="str", name="group"))
    groups.insert(0, "customers", np.bincount(each.label.codes, minlength=len(groups)))
    groups = in_order(groups)
    return replace(each, label=each.label.set_categories(groups.index)), groups.reset_index()


def _with_horizon(groups: pd.DataFrame, past: pd.DataFrame, of: GroupForecast) -> pd.DataFrame:
    size = groups["customers"].to_numpy(float)
    ends = {
        "buyers_low": of.low[:, 0],
        "buyers_high": np.minimum(of.high[:, 0], size),
        "revenue_low": of.value_low[:, 0],
        "revenue_high": of.value_high[:, 0],
        "value": past.groupby("group")["value"].sum().reindex(groups["group"]).to_numpy(float),
    }
    return groups.assign(**{name: total / size for name, total in ends.items()})


def _of(frame: pd.DataFrame, name: str) -> pd.DataFrame:
    return frame[frame["group"] == name].drop(columns="group")


def _ages(name: str, sizes: pd.Series, past: pd.DataFrame, here: int) -> pd.DataFrame:
    """Pool a group's months of first purchase by age, as far as the months were over before as_of."""
    lived = here - sizes.index.to_numpy(dtype=np.int64)
    ages = np.arange(max(int(lived.max()), 0))
    # Who lived through a month lived through those before it.
    people = np.bincount(np.maximum(lived, 0), sizes.to_numpy(float), ages.size + 1)[::-1].cumsum()[::-1][1:]
    over = past[(past["group"] == name) & (past["month"] < here)]
    own = over[["buyers", "value"]].groupby(over["month"] - over["cohort"]).sum().reindex(ages, fill_value=0)
    value = np.cumsum(own["value"].to_numpy(float) / people)
    share = own["buyers"].to_numpy(float) / people
    return pd.DataFrame({"group": name, "age": ages, "customers": people.astype(int), "share": share, "value": value})


def _has_values(transactions: ir.Table, name: str) -> bool:
    return name in transactions.columns and int(transactions[name].nunique().execute()) > 1


def _has_few_values(customers: ir.Table, name: str) -> bool:
    column = customers[name]
    if not (column.type().is_string() or column.type().is_boolean()):
        return False
    return 1 < int(column.nunique().execute()) <= _MOST_VALUES
