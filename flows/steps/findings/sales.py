"""What looks wrong in the amounts of transactions: of lines, of orders and of customers."""

from collections.abc import Iterator

from data.intake.reading.expressions import in_expression
from flows.steps.findings.finding import Finding, Names, in_words
from flows.steps.overview import SalesOverview

_ZERO_SHARE = 0.05
_TIMES_MEDIAN = 1000
_CUSTOMER_SHARE = 0.1
_TIMES_AVERAGE = 5
"""A customer's share is told only where it is so many times the average one: each of five customers has a fifth."""

_PRICES = ("price", "preis", "precio", "prix", "prezzo", "цена", "单价", "unitcost")
_OF_LINE = ("linetotal", "lineamount", "linenet", "linevalue", "itemtotal", "itemamount", "subtotal")
_CENTS = ("cent", "minorunit", "копе", "pence")


def find_in_amounts(sales: SalesOverview, names: Names) -> Iterator[Finding]:
    """Find amounts that are not those of lines in the currency: totals, prices, cents, returns as sales, zeros."""
    yield from _find_cents(sales, names)
    if sales.repeated_amounts >= 2 and 2 * sales.repeated_amounts > sales.several_lines and sales.different_amounts > 1:
        price = next((name for name in names.unread if in_words(name, (*_OF_LINE, *_PRICES))), None)
        what = (
            f"The same amount stands on every line of {sales.repeated_amounts:,} of {sales.several_lines:,} orders "
            "with several lines. If it is the total of the order, it is counted several times; name the amount of the "
            "line instead."
        )
        if price is not None and not in_words(price, _OF_LINE) and "quantity" in names.theirs:
            values = {"amount": f"{names['quantity']} * {in_expression(price)}"}
            yield Finding(what, "formats.transactions", values, advice="take")
        elif price is None and names.identical_of_orders:
            # No column tells the lines apart, so that one of them stands for the order.
            text = what.partition("; name")[0] + "."
            yield Finding(text, "formats.transactions", {"repeated": "drop"}, advice="assume")
        else:
            yield Finding(what, "columns.transactions", {"amount": price or "the column with the amount of the line"})
    amount = names.theirs.get("amount", "")
    if in_words(amount, _PRICES) and "quantity" in names.theirs and sales.several_pieces:
        yield Finding(
            f"The amount is read from {amount}, and {sales.several_pieces:,} lines have a quantity above one. If it is "
            "the price of one piece, the total is too small.",
            "formats.transactions",
            {"amount": f"{names['quantity']} * {names['amount']}"},
            advice="assume",
        )
    if sales.returns_as_sales:
        yield Finding(
            f"Lines with a negative quantity and a positive amount: {sales.returns_as_sales:,}. They are counted as "
            "sales; if they are returns, their amount is negative.",
            "formats.transactions",
            {"amount": f"case when {names['quantity']} < 0 then -{names['amount']} else {names['amount']} end"},
            advice="assume",
        )
    if sales.zero_lines > _ZERO_SHARE * sales.lines:
        yield Finding(
            f"{sales.zero_lines:,} of {sales.lines:,} lines ({100 * sales.zero_lines / sales.lines:.1f} %) have the "
            "amount zero, and each counts as a purchase. If they are gifts or failed payments, leave them out.",
            **names.leave_out(f"{names['amount']} <> 0"),
        )


def _find_cents(sales: SalesOverview, names: Names) -> Iterator[Finding]:
    says_so = in_words(names.theirs.get("amount", ""), _CENTS)
    if (
        names.unit
        or sales.broken_amounts
        or sales.largest < 100
        or not (says_so or 2 * max(sales.payment_ids, names.payment_ids) > sales.lines)
    ):
        return
    why = "the column is named so" if says_so else "the ids are those of a payment system that counts in cents"
    yield Finding(
        f"All amounts are whole numbers, and {why}. If they are cents, each is a hundred times too large.",
        "formats.transactions",
        {"unit": "cents"},
        advice="assume",
    )


def find_in_sizes(sales: SalesOverview, names: Names) -> Iterator[Finding]:
    """Find one order or one customer that is most of the shop."""
    if sales.median_order > 0 and sales.largest_order >= _TIMES_MEDIAN * sales.median_order:
        times = sales.largest_order / sales.median_order
        yield Finding(
            f"One order has a total of {sales.largest_order:,.2f}, which is {times:,.0f} times the median order "
            f"({sales.median_order:,.2f}). If it is a mistake or no purchase of a customer, "
            "leave it out.",
            **names.leave_out(f"{names['amount']} < {sales.largest_order / 2:.0f}"),
        )
    share = sales.largest_share
    if share > _CUSTOMER_SHARE and share * sales.customers > _TIMES_AVERAGE:
        customer = sales.largest_customer
        literal = "'" + customer.replace("'", "''") + "'"
        yield Finding(
            f"The customer {customer} makes {100 * share:.1f} % of the total. If it is a collective account, such as "
            "guests or a reseller, leave it out.",
            **names.leave_out(f"{names['customer_id']} <> {literal}"),
        )
