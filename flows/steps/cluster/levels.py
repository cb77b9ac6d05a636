"""Segments of customers on a cluster by an attribute: those of one machine, named from counts of its values."""

from collections.abc import Sequence
from datetime import date

import ibis
import ibis.expr.types as ir
import numpy as np

from data.intake.cluster.session import ClusterBackend
from features.attributes import valid_attributes
from features.measures.windows import Grouping
from features.spine import everyone, left_joined
from features.tables import Tables
from flows.steps.cluster.ranks import ranked
from models.population.segment_labels import MOST_LEVELS, MOST_SEGMENTS, NOT_KNOWN, OTHERS, names_of_fifths

_FIFTHS = (0.2, 0.4, 0.6, 0.8)


def grouping_there(backend: ClusterBackend, tables: Tables, as_of: date, name: str) -> Grouping:
    """Group everyone with a transaction by an attribute, as `models.population.segment_labels.segment_of` does.

    Parameters
    ----------
    backend : ClusterBackend
        The session with the cluster, which keeps each customer's segment.
    tables : Tables
        They lie on the cluster; with customers.
    as_of : datetime.date
        Exclusive.
    name : str
        A column of customers.
    """
    assert tables.customers is not None, "an attribute was chosen"
    spine = everyone(tables.transactions, as_of)
    valid = valid_attributes(tables.customers, spine, [name]).select("customer_id", value=name)
    if valid.value.type().is_decimal():
        valid = valid.mutate(value=valid.value.cast("float64"))
    values = backend.keep(left_joined(spine.table.select("customer_id"), valid, ["customer_id"]), "attribute")
    return Grouping(name, customers=backend.keep(values.select("customer_id", group=_level(values)), "levels"))


def _level(values: ir.Table) -> ir.StringValue:
    """Turn an attribute into text, as `models.population.segment_labels` does."""
    value, named = values.value, values.drop_null("value")
    if value.type().is_boolean():
        return ibis.cases((value, "yes"), (~value, "no"), else_=NOT_KNOWN)
    if not value.type().is_numeric():
        counts = named.group_by("value").agg(customers=named.count())
        frequent = counts.order_by([ibis.desc("customers"), "value"]).limit(MOST_SEGMENTS)
        names = frequent.to_pyarrow()["value"].to_pylist()
        # Whether a null is among names is not known, so it is asked for first.
        return ibis.cases((value.isnull(), NOT_KNOWN), (value.isin(names), value), else_=OTHERS)
    levels = named.select("value").distinct().limit(MOST_LEVELS + 1).to_pyarrow()["value"].to_pylist()
    if not levels:
        return ibis.literal(NOT_KNOWN)
    if len(levels) <= MOST_LEVELS:
        cases = [(value == level, f"{level:g}") for level in levels]
    else:
        lowest, *cuts, highest = _quantiles(named, _FIFTHS)
        cut_points = np.unique(cuts)
        names = names_of_fifths(lowest, cut_points, highest)
        cases = [*((value <= float(cut), text) for cut, text in zip(cut_points, names[:-1], strict=True))]
        cases.append((value > float(cut_points[-1]), names[-1]))
    return ibis.cases(*cases, else_=NOT_KNOWN)


def _quantiles(named: ir.Table, shares: Sequence[float]) -> list[float]:
    """Give the lowest value, the observed quantiles of some shares (`inverted_cdf`), and the highest value."""
    customers = int(named.count().to_pyarrow().as_py())
    placed = ranked(named, "value", customers)
    # As NumPy computes them: the first value that so large a share does not exceed.
    of_share = [max(int(np.ceil(share * customers - 1.0)), 0) for share in shares]
    rows = placed.filter(placed.place.isin([0, *of_share, customers - 1])).select("place", "value").to_pyarrow()
    found = dict(zip(rows["place"].to_pylist(), rows["value"].to_pylist(), strict=True))
    return [float(found[place]) for place in (0, *of_share, customers - 1)]
