"""Whether customers buy at regular times, as subscribers do, where the purchase models expect random ones."""

from datetime import date

from features.purchases import mean, purchase_sequence
from features.returns.kept import everyone_matched
from features.tables import Tables

# Random times have a coefficient of variation of 1.
REGULAR = 0.5
FEWEST_GAPS = 3
FEWEST_CUSTOMERS = 30


def gap_variation(tables: Tables, as_of: date) -> float | None:
    """Return the coefficient of variation of a customer's gaps between purchases: 1 at random times, 0 by clockwork.

    The root of the mean over customers of (n + 1) / n times s^2 / m^2, with mean m and variance s^2 of their n gaps: of
    n exponential gaps, s^2 / m^2 is n / (n + 1) in the mean.

    Parameters
    ----------
    tables : Tables
        The shop's checked tables.
    as_of : datetime.date
        Exclusive.

    Returns
    -------
    float or None
        Of customers with at least `FEWEST_GAPS` gaps; None with fewer than `FEWEST_CUSTOMERS` of them.
    """
    days = purchase_sequence(tables.transactions, everyone_matched(tables, as_of, with_lags=True))
    sums = days.group_by("customer_id").agg(
        gaps=days.gap.count(), total=days.gap.sum(), squares=(days.gap * days.gap).sum()
    )
    sums = sums.filter(sums.gaps >= FEWEST_GAPS)
    # n S2 - S1^2 over n (n - 1) is the variance: s^2 / m^2 (n + 1) / n is this quotient of integers.
    above = (sums.gaps * sums.squares - sums.total * sums.total) * (sums.gaps + 1)
    quotient = mean(above, sums.total * sums.total * (sums.gaps - 1))
    # In decimals, so that the sum does not depend on the order of its terms.
    parts = sums.aggregate(total=quotient.cast("decimal(38, 12)").sum(), customers=sums.count()).to_pyarrow()
    total, customers = parts["total"][0].as_py(), parts["customers"][0].as_py()
    return None if customers < FEWEST_CUSTOMERS else float(float(total) / customers) ** 0.5
