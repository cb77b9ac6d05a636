"""Equal customers counted: what a fit needs of a base is its patterns and how many customers share each.

The likelihood of BG/NBD depends on a customer only through (frequency, recency, T), that of Gamma-Gamma only through
(spend_frequency, spend_value). The counting is a GROUP BY, so it runs in the engine that holds the summary and only
the patterns leave it.
"""

import ibis.expr.types as ir


def purchase_statistics(summary: ir.Table) -> ir.Table:
    """Count the customers of each purchase pattern. Grain: one row per distinct (frequency, recency, T).

    Parameters
    ----------
    summary
        What `features.purchases.summarise_purchases` gives, or any table that holds frequency, recency and T in whole
        days.

    Returns
    -------
    Table
        frequency, recency, T (days) and customers (rows of the summary that have the pattern), all DOUBLE, ordered by
        the first three. The customers add up to the rows of the summary.
    """
    counts = _counted(summary, "frequency", "recency", "T")
    # Whole numbers are put in order in half the time that doubles take.
    return counts.order_by([counts[name].cast("int64") for name in ("frequency", "recency", "T")])


def spend_statistics(summary: ir.Table) -> ir.Table:
    """Count the customers of each spend pattern. Grain: one row per distinct (spend_frequency, spend_value).

    Parameters
    ----------
    summary
        What `features.purchases.summarise_purchases` gives, or any table that holds spend_frequency and spend_value.

    Returns
    -------
    Table
        spend_frequency, spend_value (money) and customers, all DOUBLE, ordered by the first two. Only customers with
        a repeat day of positive value count: the others tell Gamma-Gamma nothing.
    """
    priced = summary.filter((summary.spend_frequency > 0) & (summary.spend_value > 0))
    return _counted(priced, "spend_frequency", "spend_value").order_by(["spend_frequency", "spend_value"])


def _counted(rows: ir.Table, *names: str) -> ir.Table:
    counts = rows.group_by(names).agg(customers=rows.count())
    return counts.select(*names, customers=counts.customers.cast("float64"))
