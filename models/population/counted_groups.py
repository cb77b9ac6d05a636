"""What groups of customers bought in each month: customers are put into groups here, and counted in one pass."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd
import pyarrow as pa

from features.attributes import valid_attributes
from features.engine.compiled import given_meanwhile
from features.purchases import purchase_days
from features.returns.kept import everyone_matched
from features.spine import everyone, left_joined, midnight
from features.tables import Tables

OF_FIRST_PURCHASE = ("category", "channel", "store")
MOST_GROUPS = 8
OTHER, UNKNOWN = "other", "not known"


@dataclass(frozen=True)
class Groups:
    """The groups of one grouping.

    Attributes
    ----------
    by : str
        The column of transactions, or the attribute.
    label : pandas.Categorical
        The group of each customer.
    past : pandas.DataFrame
        group, cohort and month (numbered by `models.population.cohorts.month_of`), buyers and value (net); no row where
        nobody bought.
    """

    by: str
    label: pd.Categorical
    past: pd.DataFrame


def count_groups(
    tables: Tables, as_of: date, groupings: Sequence[str], customer_id: pd.Series, cohort: np.ndarray
) -> tuple[pd.DataFrame, list[Groups]]:
    """Count the buyers of each group and month of first purchase in each month, and add up what they bought.

    The month that holds as_of is complete only where as_of is the first day of a month.

    Parameters
    ----------
    tables, as_of
        The shop's checked tables; the date is exclusive.
    groupings
        Columns of transactions, of each customer's first purchase, or attributes.
    customer_id : pandas.Series
        Everyone.
    cohort : numpy.ndarray
        (n,) month of first purchase of each.

    Returns
    -------
    tuple of pandas.DataFrame and list of Groups
        Of everyone cohort, month, buyers and value, as `Groups.past` has them; and the groups of each grouping.
    """
    labels = _labels(tables, as_of, groupings, customer_id) if groupings else []
    sums = _counted(tables, as_of, customer_id, cohort, labels)
    width, found = MOST_GROUPS + 2, []
    pasts = [sums[sums["label"] // width == number].reset_index(drop=True) for number in range(len(groupings) + 1)]
    for by, label, past in zip(groupings, labels, pasts[1:], strict=True):
        past.insert(0, "group", label.categories.to_numpy()[past["label"] % width])
        found.append(Groups(by, label, past.drop(columns="label")))
    return pasts[0].drop(columns="label"), found


def _labels(tables: Tables, as_of: date, groupings: Sequence[str], customer_id: pd.Series) -> list[pd.Categorical]:
    """Give each customer's group of each grouping; the largest are kept by name."""
    placed = pa.table({"customer_id": pa.array(customer_id), "place": np.arange(len(customer_id), dtype=np.int32)})
    with given_meanwhile(placed, tables.transactions) as customers:
        values = grouped_by(tables, as_of, groupings, customers, "place").to_pyarrow()
    place = values["place"].to_numpy()
    labels = []
    for number in range(len(groupings)):
        column = values[f"value_{number}"].combine_chunks().dictionary_encode()
        code = np.empty(len(customer_id), dtype=np.int64)
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
    codes = of_code[code]
    there = np.unique(codes)
    names_there = pd.Index([groups[k] for k in there], dtype="str")
    label: pd.Categorical = pd.Categorical.from_codes(np.searchsorted(there, codes), categories=names_there)
    return label


def grouped_by(tables: Tables, as_of: date, groupings: Sequence[str], customers: ir.Table, key: str) -> ir.Table:
    """Give what each customer is grouped by: of the first sale that has it (of several the first by name), or today's.

    Parameters
    ----------
    tables, as_of, groupings
        As for `count_groups`.
    customers
        With customer_id.
    key
        The column of `customers` that tells them apart in the result.

    Returns
    -------
    Table
        The key, and value_0, value_1, ... of the groupings; null where there is none.
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
    return rows.select(key, *numbers.values())


def _counted(
    tables: Tables, as_of: date, customer_id: pd.Series, cohort: np.ndarray, labels: Sequence[pd.Categorical]
) -> pd.DataFrame:
    """Give label (the number of a grouping and of a group of it), cohort, month, buyers and value.

    The grouping 0 is everyone.
    """
    # Customers who are together in each grouping are counted as one.
    codes = np.zeros(len(cohort), dtype=np.int64)
    for label in labels:
        codes = codes * len(label.categories) + label.codes
    _, first, cell = np.unique(codes, return_index=True, return_inverse=True)
    celled = pa.table({"customer_id": pa.array(customer_id), "cell": cell.astype(np.int32), "cohort": cohort})
    width = MOST_GROUPS + 2
    numbers = {"label_0": np.zeros(first.size, dtype=np.int32)}
    for number, label in enumerate(labels, start=1):
        numbers[f"label_{number}"] = width * number + label.codes[first].astype(np.int32)
    labelled = pa.table({"cell": np.arange(first.size, dtype=np.int32), **numbers})
    with (
        given_meanwhile(celled, tables.transactions) as customers,
        given_meanwhile(labelled, tables.transactions) as cells,
    ):
        sums: pd.DataFrame = _sums_by_label(tables, as_of, customers, cells, list(numbers)).to_pandas()
    return sums.sort_values(["label", "cohort", "month"], ignore_index=True)


def _sums_by_label(
    tables: Tables, as_of: date, customers: ir.Table, cells: ir.Table, labels: Sequence[str]
) -> ir.Table:
    by_cell = sums_by_month(tables, as_of, customers, ["cell"])
    return sums_of_labels(by_cell.join(cells, "cell"), labels)


def sums_by_month(tables: Tables, as_of: date, customers: ir.Table, keys: Sequence[str]) -> ir.Table:
    """Count the buyers of each month and add up what they bought, by columns of customers.

    Parameters
    ----------
    tables, as_of
        As for `count_groups`.
    customers
        customer_id, cohort and the keys.
    keys
        What to count by, beside cohort and month.

    Returns
    -------
    Table
        The keys, cohort, month, buyers and net.
    """
    days = purchase_days(tables.transactions, everyone_matched(tables, as_of))
    dated = days.mutate(month=(12 * days.day.year() + days.day.month() - 1).cast("int64"))
    by_month = dated.group_by(["customer_id", "month"]).agg(net=dated.net.sum())
    joined = by_month.join(customers, "customer_id")
    return joined.group_by([*keys, "cohort", "month"]).agg(buyers=joined.count(), net=joined.net.sum())


def sums_of_labels(sums: ir.Table, labels: Sequence[str]) -> ir.Table:
    """Add `sums_by_month` up by each of several labels.

    Returns
    -------
    Table
        label, cohort, month, buyers and value.
    """
    label = ibis.array([sums[name] for name in labels]).unnest()
    of_label = sums.select("cohort", "month", "buyers", "net", label=label)
    added = of_label.group_by(["label", "cohort", "month"]).agg(buyers=of_label.buyers.sum(), net=of_label.net.sum())
    return added.select("label", "cohort", "month", buyers=added.buyers.cast("int64"), value=added.net.cast("float64"))
