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
import pyarrow as pa

from data.errors import InputError
from data.secrecy.showing import describe, nearest
from features.attributes import valid_attributes
from features.engine.compiled import given_meanwhile
from features.purchases import purchase_days
from features.returns.kept import everyone_matched
from features.spine import everyone, left_joined, midnight
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
    labels = _labels(tables, as_of, groupings, scores)
    cohorts = months_of(scores["first_purchase"])
    counted = _counted(tables, as_of, scores["customer_id"], cohorts, labels)
    found = [
        _followed(by, label, counted[number], cohorts, scores, month_of(as_of))
        for number, (by, label) in enumerate(zip(groupings, labels, strict=True))
    ]
    places = [label.set_categories(of.groups["group"]).codes for label, of in zip(labels, found, strict=True)]
    future = Future(release.scorer.clock, day_number(as_of))
    days = np.array([float(release.parameters.horizon)])
    numbered = [place.astype(np.int64) for place in places]
    forecasts = forecast_groups(scores, history, release, future, days, numbered)
    for each, of in zip(found, forecasts, strict=True):
        size = each.groups["customers"].to_numpy(float)
        each.groups["buyers_low"] = of.low[:, 0] / size
        each.groups["buyers_high"] = np.minimum(of.high[:, 0] / size, 1.0)
        each.groups["revenue_low"] = of.value_low[:, 0] / size
        each.groups["revenue_high"] = of.value_high[:, 0] / size
    return found


def _labels(tables: Tables, as_of: date, groupings: Sequence[str], scores: pd.DataFrame) -> list[pd.Categorical]:
    """Give each customer's group of each grouping; the largest are kept by name."""
    placed = pa.table({"customer_id": pa.array(scores["customer_id"]), "place": np.arange(len(scores), dtype=np.int32)})
    with given_meanwhile(placed, tables.transactions) as customers:
        values = _values(tables, as_of, groupings, customers).to_pyarrow()
    place = values["place"].to_numpy()
    labels = []
    for number in range(len(groupings)):
        column = values[f"value_{number}"].combine_chunks().dictionary_encode()
        code = np.empty(len(scores), dtype=np.int64)
        code[place] = column.indices.fill_null(-1).to_numpy(zero_copy_only=False)
        labels.append(_named(code, [str(name) for name in column.dictionary.to_pylist()]))
    return labels


def _named(code: np.ndarray, names: Sequence[str]) -> pd.Categorical:
    """Name the groups of codes, of which -1 is of no name: the largest by their own, the rest together."""
    sizes = dict(zip(names, np.bincount(code[code >= 0], minlength=len(names)).tolist(), strict=True))
    sizes.pop(UNKNOWN, None)
    largest = sorted(sizes, key=lambda name: (-sizes[name], name))[:MOST_GROUPS]
    shown = [name if name in (*largest, UNKNOWN) else OTHER for name in names]
    groups = sorted({*shown, UNKNOWN})
    # The last one is that of the code -1.
    of_code = np.array([groups.index(name) for name in (*shown, UNKNOWN)])
    return pd.Categorical.from_codes(of_code[code], groups).remove_unused_categories()


def _followed(
    by: str, label: pd.Categorical, counted: pd.DataFrame, cohorts: np.ndarray, scores: pd.DataFrame, here: int
) -> CohortGroups:
    """Say what became of the groups of one grouping."""
    means = scores[["p_purchase", "expected_revenue"]].groupby(label, observed=True).mean()
    groups = means.set_axis(pd.Index(list(means.index), dtype="str", name="group"))
    groups.insert(0, "customers", np.bincount(label.codes, minlength=len(groups)))
    last = {name: int(name in (OTHER, UNKNOWN)) for name in groups.index}
    groups = groups.assign(last=pd.Series(last)).sort_values(["last", "customers"], ascending=[True, False])
    codes = {name: code for code, name in enumerate(label.categories)}
    ages = [
        _ages(name, cohorts[label.codes == codes[name]], counted[counted["label"] == codes[name]], here)
        for name in groups.index
    ]
    return CohortGroups(by, pd.concat(ages, ignore_index=True), groups.drop(columns="last").reset_index())


def _ages(name: str, cohorts: np.ndarray, counted: pd.DataFrame, here: int) -> pd.DataFrame:
    lived = here - cohorts
    ages = np.arange(max(int(lived.max()), 0))
    # Who lived through a month lived through those before it.
    people = np.bincount(np.maximum(lived, 0), minlength=ages.size + 1)[::-1].cumsum()[::-1][1:].astype(float)
    own = counted.set_index("age").reindex(ages, fill_value=0)
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


def _values(tables: Tables, as_of: date, groupings: Sequence[str], customers: ir.Table) -> ir.Table:
    """Give what each customer is grouped by: of the first sale that has it (of several the first by name), or today's.

    Returns
    -------
    Table
        place of the customer, and value_0, value_1, ... of the groupings; null where there is none.
    """
    everyone_then = everyone(tables.transactions, as_of)
    numbers = {by: f"value_{number}" for number, by in enumerate(groupings)}
    of_sales = [by for by in groupings if by in OF_FIRST_PURCHASE]
    others = [by for by in groupings if by not in OF_FIRST_PURCHASE]
    rows = customers
    if of_sales:
        sales = tables.transactions
        known = (sales.available_at < midnight(as_of)) & (sales.amount >= 0)
        sales = sales.filter(known).select("customer_id", "ts", *of_sales)
        has = {by: sales[by].notnull() for by in of_sales}  # noqa: PD004 - an expression of Ibis
        firsts = sales.group_by("customer_id").agg(**{f"first_{by}": sales.ts.min(where=has[by]) for by in of_sales})
        joined = sales.join(firsts, "customer_id")
        is_first = {by: joined.ts == joined[f"first_{by}"] for by in of_sales}
        joined = joined.filter(ibis.or_(*is_first.values()))
        values = joined.group_by("customer_id").agg(
            **{numbers[by]: joined[by].min(where=joined.ts == joined[f"first_{by}"]) for by in of_sales}
        )
        rows = left_joined(rows, values, ["customer_id"])
    if others:
        assert tables.customers is not None, "an attribute was chosen"
        valid = valid_attributes(tables.customers, everyone_then, others)
        valid = valid.select("customer_id", **{numbers[by]: valid[by].cast("string") for by in others})
        rows = left_joined(rows, valid, ["customer_id"])
    return rows.select("place", *numbers.values())


def _counted(
    tables: Tables, as_of: date, customer_id: pd.Series, cohorts: np.ndarray, labels: Sequence[pd.Categorical]
) -> list[pd.DataFrame]:
    """Count the buyers of each group at each age, in the months that were over, and add up what they bought.

    Returns
    -------
    list of DataFrame
        Of each grouping: label (code of the group), age, buyers and net; no row where nobody bought.
    """
    # Customers who are together in each grouping are counted as one.
    codes = np.zeros(len(cohorts), dtype=np.int64)
    for label in labels:
        codes = codes * len(label.categories) + label.codes
    _, first, cell = np.unique(codes, return_index=True, return_inverse=True)
    celled = pa.table({"customer_id": pa.array(customer_id), "cell": cell.astype(np.int32), "cohort": cohorts})
    # One number for a grouping and a group of it.
    width = MOST_GROUPS + 2
    numbers = {f"label_{k}": width * k + label.codes[first].astype(np.int32) for k, label in enumerate(labels)}
    labelled = pa.table({"cell": np.arange(first.size, dtype=np.int32), **numbers})
    with (
        given_meanwhile(celled, tables.transactions) as customers,
        given_meanwhile(labelled, tables.transactions) as cells,
    ):
        sums = _sums_by_label(tables, as_of, customers, cells, list(numbers)).to_pandas()
    sums["net"] = sums["net"].astype(float)
    return [sums[sums["label"] // width == k].assign(label=sums["label"] % width) for k in range(len(labels))]


def _sums_by_label(
    tables: Tables, as_of: date, customers: ir.Table, cells: ir.Table, labels: Sequence[str]
) -> ir.Table:
    days = purchase_days(tables.transactions, everyone_matched(tables, as_of))
    dated = days.mutate(month=(12 * days.day.year() + days.day.month() - 1).cast("int64"))
    over = dated.filter(dated.month < month_of(as_of))
    by_month = over.group_by(["customer_id", "month"]).agg(net=over.net.sum())
    joined = by_month.join(customers, "customer_id")
    joined = joined.mutate(age=joined.month - joined.cohort)
    by_cell = joined.group_by(["cell", "age"]).agg(buyers=joined.count(), net=joined.net.sum())
    of_cell = by_cell.join(cells, "cell")
    of_label = of_cell.select("age", "buyers", "net", label=ibis.array([of_cell[name] for name in labels]).unnest())
    return of_label.group_by(["label", "age"]).agg(buyers=of_label.buyers.sum(), net=of_label.net.sum())
