"""Cohorts by what customers have in common: the category or channel of the first purchase, or any attribute.

A group pools the customers of all months of first purchase. At each age in months it counts those who have lived
through the whole of that month, so that shares and values of an age are of the same customers. What is to come is that
of the horizon of the scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from data.errors import InputError
from data.secrecy.showing import describe, nearest
from features.attributes import valid_attributes
from features.describe import materialise
from features.purchases import purchase_days
from features.returns.kept import everyone_matched
from features.spine import everyone
from features.tables import Tables
from models.population.cohorts import month_of, months_of
from models.population.group_forecasts import forecast_groups
from models.release.release import Release
from models.scoring.clock.clock import day_number
from models.scoring.clock.future import Future

OF_FIRST_PURCHASE = ("category", "channel", "store")
MOST_GROUPS, MOST_GROUPINGS = 8, 6
# An attribute of more values, such as a name or a postcode, groups customers only where it is asked for.
_MOST_VALUES = 50
OTHER, UNKNOWN = "other", "not known"


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
        group, customers, p_purchase and expected_revenue (means of the scores), and the ends of the 90 % intervals of
        what comes of both: buyers_low, buyers_high, revenue_low, revenue_high; the largest group first. The rest are
        "other", and those without a value "not known".
    """

    by: str
    ages: pd.DataFrame
    groups: pd.DataFrame


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


def follow_groups(
    tables: Tables,
    as_of: date,
    groupings: Sequence[str],
    release: Release,
    history: pd.DataFrame,
    scores: pd.DataFrame,
) -> list[CohortGroups]:
    """Follow the groups through the months that were over before the one that holds as_of, and forecast them.

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
        customer_id, first_purchase, p_purchase and expected_revenue of everyone, in the same order.
    """
    if not groupings:
        return []
    followed = [_grouped(tables, as_of, by, scores) for by in groupings]
    places = [pd.Categorical(group, categories=found.groups["group"]).codes for group, found in followed]
    future = Future(release.scorer.clock, day_number(as_of))
    days = np.array([float(release.parameters.horizon)])
    numbered = [place.astype(np.int64) for place in places]
    forecasts = forecast_groups(scores, history, release, future, days, numbered)
    for (_, found), of in zip(followed, forecasts, strict=True):
        size = found.groups["customers"].to_numpy(float)
        found.groups["buyers_low"] = of.low[:, 0] / size
        found.groups["buyers_high"] = np.minimum(of.high[:, 0] / size, 1.0)
        found.groups["revenue_low"] = of.value_low[:, 0] / size
        found.groups["revenue_high"] = of.value_high[:, 0] / size
    return [found for _, found in followed]


def _grouped(tables: Tables, as_of: date, by: str, scores: pd.DataFrame) -> tuple[pd.Series, CohortGroups]:
    """Give each customer's group, and what became of the groups."""
    values = materialise(_values(tables, as_of, by)).set_index("customer_id")["value"]
    value = scores["customer_id"].map(values).astype(object)
    value = value.where(value.notna(), UNKNOWN).astype(str)
    largest = value.value_counts().sort_index(kind="stable").sort_values(ascending=False, kind="stable").index
    kept = {name for name in largest if name != UNKNOWN}
    kept = set([name for name in largest if name in kept][:MOST_GROUPS]) | {UNKNOWN}
    customers = scores.assign(group=value.where(value.isin(kept), OTHER), cohort=months_of(scores["first_purchase"]))
    counted = materialise(_counted(tables, as_of, customers)).set_index(["group", "age"])
    groups = customers.groupby("group")[["p_purchase", "expected_revenue"]].mean()
    groups.insert(0, "customers", customers["group"].value_counts())
    last = {name: int(name in (OTHER, UNKNOWN)) for name in groups.index}
    groups = groups.assign(last=pd.Series(last)).sort_values(["last", "customers"], ascending=[True, False])
    here = month_of(as_of)
    ages = [_ages(name, customers.loc[customers["group"] == name, "cohort"], counted, here) for name in groups.index]
    followed = CohortGroups(by, pd.concat(ages, ignore_index=True), groups.drop(columns="last").reset_index())
    return customers["group"], followed


def _ages(name: str, cohorts: pd.Series, counted: pd.DataFrame, here: int) -> pd.DataFrame:
    lived = here - cohorts.to_numpy(int)
    ages = np.arange(max(int(lived.max()), 0))
    people = np.array([(lived > age).sum() for age in ages], dtype=float)
    own = counted.loc[name] if name in counted.index.get_level_values(0) else counted.iloc[:0].droplevel(0)
    own = own.reindex(ages, fill_value=0)
    value = np.cumsum(own["net"].to_numpy(float) / people)
    share = own["buyers"].to_numpy(float) / people
    return pd.DataFrame({"group": name, "age": ages, "customers": people.astype(int), "share": share, "value": value})


def _has_values(transactions: ir.Table, name: str) -> bool:
    return name in transactions.columns and int(transactions[name].nunique().execute()) > 1


def _has_few_values(customers: ir.Table, name: str) -> bool:
    column = customers[name]
    if not (column.type().is_string() or column.type().is_boolean()):
        return False
    return 1 < int(column.nunique().execute()) <= _MOST_VALUES


def _values(tables: Tables, as_of: date, by: str) -> ir.Table:
    """Give the value of each customer: of the first sale that has one (of several the first by name), or today's."""
    if by not in OF_FIRST_PURCHASE:
        assert tables.customers is not None, "an attribute was chosen"
        valid = valid_attributes(tables.customers, everyone(tables.transactions, as_of), [by])
        return valid.select("customer_id", value=valid[by].cast("string")).drop_null("value")
    sales = tables.transactions
    known = (sales.available_at < ibis.timestamp(as_of.isoformat())) & (sales.amount >= 0)
    sales = sales.filter(known).select("customer_id", "ts", value=sales[by]).drop_null("value")
    first = sales.group_by("customer_id").agg(first=sales.ts.min())
    joined = sales.join(first, "customer_id")
    joined = joined.filter(joined.ts == joined["first"])
    return joined.group_by("customer_id").agg(value=joined.value.min())


def _counted(tables: Tables, as_of: date, customers: pd.DataFrame) -> ir.Table:
    """Count the buyers of each group at each age, in the months that were over, and add up what they bought."""
    days = purchase_days(tables.transactions, everyone_matched(tables, as_of))
    dated = days.mutate(month=(12 * days.day.year() + days.day.month() - 1).cast("int64"))
    over = dated.filter(dated.month < month_of(as_of))
    joined = over.join(ibis.memtable(customers[["customer_id", "group", "cohort"]]), "customer_id")
    joined = joined.mutate(age=joined.month - joined.cohort)
    sums = joined.group_by(["group", "age"]).agg(buyers=joined.customer_id.nunique(), net=joined.net.sum())
    return sums.select("group", "age", "buyers", net=sums.net.cast("float64"))
