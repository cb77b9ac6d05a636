"""The measures of the field that orders give: repurchase, upselling, retention, churn, ARPU and profitability.

Intervals are of 95 %: Wilson's for shares, through p / (1 - p) for the ratio of the two parts of a whole, Student's for
means, linearised for ratios of sums (see features.measures.intervals). They take customers to be independent, and speak
of the behaviour that these customers are an example of: the customers themselves are all there. `n` counts customers.
"""

import numpy as np
import pandas as pd

from features.measures.answer_sums import BY, with_interval
from features.measures.definition import FIGURES, Measure, MeasureOptions, absent, shared
from features.measures.figures import figures_of_purchases, run_by_window, why_not
from features.measures.intervals import Interval, mean_interval, wilson_interval
from features.measures.orders import orders, sale_ages, sales
from features.measures.profitability import PROFITABILITY_MEASURES
from features.measures.retention import RETENTION_MEASURES
from features.measures.windows import Grouping, Windows
from features.tables import Tables

__all__ = ["PURCHASE_MEASURES", "odds_interval"]

NO_ORDERS = "no orders in this window"
NO_SECOND = "no customer's second purchase is in this window"


def odds_interval(more: pd.Series, once: pd.Series) -> Interval:
    """Give the ratio of the two parts of a whole, more / once, with the bounds of the share, p / (1 - p).

    Parameters
    ----------
    more, once
        Counts of customers, of one shape.

    Returns
    -------
    tuple
        (ratio, low, high); NaN where `once` is 0. p / (1 - p) rises with p, so Wilson's bounds of the share
        p = more / (more + once) become bounds of the ratio as they are.
    """
    ones = np.where(once > 0, once, np.nan)
    _, low, high = (np.where(once > 0, bound, np.nan) for bound in wilson_interval(more, more + once))
    return more.to_numpy() / ones, low / (1 - low), high / (1 - high)


def _repurchase_ratio(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    counts = _orders(tables, windows, grouping)
    why = why_not(counts["once"] > 0, "no customer ordered exactly once in this window")
    return with_interval(counts.assign(why=why), odds_interval(counts["more"], counts["once"]))


def _repeat_share(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    counts = _orders(tables, windows, grouping)
    return with_interval(counts.assign(why=None), wilson_interval(counts["more"], counts["n"]), 100)


def _repeat_purchases_ratio(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    # One order of each is the first: the ratio is the mean of those beyond it.
    sums = _orders(tables, windows, grouping)
    return with_interval(sums.assign(why=None), mean_interval(sums["n"], sums["repeats"], sums["squares"], 0))


@shared
def _orders(tables: Tables, windows: Windows, grouping: Grouping) -> pd.DataFrame:
    """Count customers by their orders, and add up those beyond the first, by window and group."""
    made = windows.of(orders(tables, windows.until, grouping))
    buyers = grouping.after(made.group_by(["customer_id", "window", *grouping.of_rows]).agg(orders=made.count()))
    repeats = buyers.orders - 1
    return run_by_window(
        buyers.group_by(BY).agg(
            n=buyers.count(),
            once=buyers.count(where=repeats == 0),
            more=buyers.count(where=repeats > 0),
            repeats=repeats.sum(),
            squares=(repeats * repeats).sum(),
        )
    )


def _days_to_second(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    sums = _second_purchases(tables, windows, grouping)
    return with_interval(sums.assign(why=None), mean_interval(sums.n, sums.days, sums.squares, 1))


def _days_to_second_sd(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    sums = _second_purchases(tables, windows, grouping)
    n, days, squares = (sums[name].astype(float) for name in ("n", "days", "squares"))
    value = np.sqrt((squares - days**2 / n).clip(lower=0) / (n - 1).where(n > 1))
    # The usual interval of a standard deviation rests on the bell curve, and these times are far from it.
    why = why_not(n > 1, "one customer's second purchase only is in this window")
    figures = sums.assign(value=value, low=np.nan, high=np.nan, why=why)
    return figures[list(FIGURES)]


@shared
def _second_purchases(tables: Tables, windows: Windows, grouping: Grouping) -> pd.DataFrame:
    """Add up the days from first to second purchase day, by the window of the second."""
    keys = ["customer_id", *grouping.of_rows]
    lines = sale_ages(tables, windows.until, grouping)
    later = lines.join(lines.group_by(keys).agg(oldest=lines.age.max()), keys)
    later = later.filter(later.age < later.oldest)
    second = later.group_by([*keys, "oldest"]).agg(age=later.age.max())
    second = grouping.after(second.filter(second.age <= windows.days * windows.count))
    second = second.mutate(window=((second.age - 1) // windows.days).cast("int32"), days=second.oldest - second.age)
    return run_by_window(
        second.group_by(BY).agg(n=second.count(), days=second.days.sum(), squares=(second.days * second.days).sum())
    )


def _upselling_ratio(tables: Tables, windows: Windows, grouping: Grouping, _: MeasureOptions) -> pd.DataFrame:
    if grouping.column == "category":
        return absent("by category every customer of a group buys one category", windows)
    lines = windows.of(grouping.before(sales(tables, windows.until).drop_null("category")))
    # Of one category where the first by name is the last: no set of categories need be kept.
    buyers = grouping.after(
        lines.group_by(["customer_id", "window", *grouping.of_rows]).agg(
            least=lines.category.min(), greatest=lines.category.max()
        )
    )
    counts = run_by_window(
        buyers.group_by(BY).agg(
            n=buyers.count(),
            once=buyers.count(where=buyers.least == buyers.greatest),
            more=buyers.count(where=buyers.least != buyers.greatest),
        )
    )
    why = why_not(counts["once"] > 0, "no customer bought of exactly one category in this window")
    return with_interval(counts.assign(why=why), odds_interval(counts["more"], counts["once"]))


PURCHASE_MEASURES: tuple[Measure, ...] = (
    Measure(
        "repurchase_ratio",
        "Repurchase ratio",
        "ratio",
        "customers with two orders or more in the window / customers with exactly one; an order is what was bought "
        "under one order_id, or on one day where there is none; returns are no orders, nor is what came back in full",
        figures_of_purchases(_repurchase_ratio, NO_ORDERS),
    ),
    Measure(
        "repeat_share",
        "Share of customers who order again",
        "%",
        "100 * customers with two orders or more in the window / all customers with an order in it",
        figures_of_purchases(_repeat_share, NO_ORDERS),
    ),
    Measure(
        "repeat_purchases_ratio",
        "Repeat orders to first orders",
        "ratio",
        "orders of the window beyond each customer's first in it / those first orders, one per customer: the "
        "repurchase ratio of orders instead of customers",
        figures_of_purchases(_repeat_purchases_ratio, NO_ORDERS),
    ),
    Measure(
        "days_to_second_purchase",
        "Days from first to second purchase",
        "days",
        "mean days from a customer's first purchase day ever (within the data) to the second, of the customers whose "
        "second is in the window; who has none yet does not count",
        figures_of_purchases(_days_to_second, NO_SECOND),
    ),
    Measure(
        "days_to_second_purchase_sd",
        "Days from first to second purchase, standard deviation",
        "days",
        "standard deviation (n - 1) of the days of days_to_second_purchase",
        figures_of_purchases(_days_to_second_sd, NO_SECOND),
    ),
    Measure(
        "upselling_ratio",
        "Upselling ratio",
        "ratio",
        "customers who bought of more than one category in the window / customers who bought of exactly one; returns "
        "are no purchase, lines without a category do not count",
        figures_of_purchases(_upselling_ratio, "no sale with a category in this window; give the column category"),
    ),
    *RETENTION_MEASURES,
    *PROFITABILITY_MEASURES,
)
