"""The exports of known systems, from Shopify to 1C, known by the names of their columns."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from data.intake.proposals.profiles import Profile
from data.intake.reading.expressions import in_expression
from data.intake.reading.matching import normalise_name

_MOSTLY = 0.5


@dataclass(frozen=True)
class Export:
    """An export of a known system.

    Parameters
    ----------
    name
        What it is.
    needs
        Names of columns that all must be there.
    columns
        Our name -> theirs, of which the first that is there and mostly filled is taken, else the first that is there.
    amounts, rows
        Expressions with names of columns in braces: the first amount, and all rows, whose columns are there.
    customer
        An expression for the customer, where no column names one.
    unit
        "cents" where its amounts are in hundredths.
    notes
        What a reader should know, in sentences.
    """

    name: str
    needs: tuple[str, ...]
    columns: Mapping[str, tuple[str, ...]]
    amounts: tuple[str, ...] = ()
    rows: tuple[str, ...] = ()
    customer: str | None = None
    unit: str | None = None
    notes: tuple[str, ...] = ()


EXPORTS: Sequence[Export] = (
    Export(
        "Shopify's export of orders",
        ("Financial Status", "Lineitem quantity", "Lineitem price", "Total"),
        {
            "customer_id": ("Customer ID", "Email", "Phone"),
            "ts": ("Created at", "Paid at"),
            "order_id": ("Name", "Id"),
            "channel": ("Source",),
            "store": ("Location",),
            "currency": ("Currency",),
        },
        amounts=("{Total} - coalesce({Refunded Amount}, 0)", "{Total}"),
        rows=("{Total} <> ''",),
        notes=("Shopify writes the total on the first line of an order only; the other lines are left out.",),
    ),
    Export(
        "WooCommerce's export of orders, a line per item",
        ("Order Number", "Order Status", "Item Name", "Email (Billing)"),
        {
            "customer_id": ("Customer User ID", "Email (Billing)"),
            "ts": ("Order Date", "Paid Date"),
            "order_id": ("Order Number",),
            "quantity": ("Quantity", "Quantity (- Refund)"),
            "category": ("Category",),
            "currency": ("Order Currency", "Currency"),
        },
        amounts=("{Order Line Total}", "{Quantity} * {Item Cost}", "{Order Total Amount}"),
    ),
    Export(
        "WooCommerce's export of orders, a line per order",
        ("order_id", "billing_email", "order_total", "status"),
        {
            "customer_id": ("billing_email", "customer_id", "customer_user"),
            "ts": ("date", "order_date", "date_created"),
            "order_id": ("order_number", "order_id"),
            "currency": ("order_currency", "currency"),
        },
        amounts=("{order_total} - coalesce({refunded_total}, 0)", "{order_total}"),
    ),
    Export(
        "WooCommerce's report of orders",
        ("Order #", "N. Revenue", "Customer", "Status"),
        {"customer_id": ("Customer Email", "Customer"), "ts": ("Date",), "order_id": ("Order #",)},
        amounts=("{N. Revenue}",),
        notes=("The report names customers by their name only; two of one name count as one.",),
    ),
    Export(
        "Stripe's charges, as its programs give them",
        ("object", "amount", "amount_refunded", "created", "livemode"),
        {"customer_id": ("customer", "billing_details.email", "receipt_email"), "ts": ("created",), "order_id": ("id",)}
        | {"currency": ("currency",)},
        amounts=("{amount} - coalesce({amount_refunded}, 0)",),
        rows=("{status} = 'succeeded'", "{livemode}"),
        unit="cents",
        notes=("Stripe's programs give amounts in cents.",),
    ),
    Export(
        "Stripe's export of payments",
        ("id", "Amount", "Amount Refunded", "Status"),
        {
            "customer_id": ("Customer ID", "Customer Email"),
            "ts": ("Created (UTC)", "Created date (UTC)", "Created"),
            "order_id": ("id",),
            "currency": ("Currency",),
        },
        amounts=("{Amount} - coalesce({Amount Refunded}, 0)",),
    ),
    Export(
        "Square's export of sales",
        ("Date", "Net Sales", "Gross Sales", "Transaction ID"),
        {
            "customer_id": ("Customer ID", "Customer Reference ID", "Customer Name"),
            "ts": ("Date",),
            "order_id": ("Transaction ID",),
            "category": ("Category",),
            "quantity": ("Qty",),
            "channel": ("Source", "Channel"),
            "store": ("Location",),
        },
        amounts=("{Net Sales}",),
    ),
    Export(
        "Amazon's report of orders",
        ("amazon-order-id", "purchase-date", "item-price"),
        {
            "customer_id": ("buyer-email", "buyer-id", "buyer-name", "recipient-name"),
            "ts": ("purchase-date",),
            "order_id": ("amazon-order-id",),
            "line_id": ("order-item-id", "amazon-order-item-id", "shipment-item-id"),
            "quantity": ("quantity", "quantity-purchased", "quantity-shipped"),
            "channel": ("sales-channel",),
            "currency": ("currency",),
        },
        amounts=(
            "{item-price} - coalesce({item-promotion-discount}, 0)",
            "{item-price}",
        ),
        notes=("Amazon's item-price is that of the whole line.",),
    ),
    Export(
        "eBay's report of orders",
        ("Sales Record Number", "Buyer Username", "Sold For", "Sale Date"),
        {
            "customer_id": ("Buyer Username", "Buyer Email"),
            "ts": ("Sale Date", "Paid On Date"),
            "order_id": ("Order Number", "Sales Record Number"),
            "quantity": ("Quantity",),
        },
        amounts=("{Quantity} * {Sold For}",),
        rows=("coalesce({Sale Date}, '') <> ''",),
        notes=("eBay's Sold For is the price of one piece; lines without a day are no sales.",),
    ),
    Export(
        "Ozon's report of orders",
        ("Номер заказа", "Номер отправления", "Принят в обработку", "Количество"),
        {"ts": ("Принят в обработку",), "order_id": ("Номер заказа",), "quantity": ("Количество",)}
        | {"currency": ("Код валюты товара",)},
        customer="left({Номер заказа}, greatest(strpos({Номер заказа}, '-') - 1, 0))",
        amounts=("{Количество} * {Ваша цена}", "{Количество} * {Итоговая стоимость товара}"),
        rows=("lower({Статус}) not in ('отменён', 'отменен')",),
        notes=(
            "Ozon names no buyers: the number of an order begins with that of its buyer, up to the hyphen. The price "
            "is that of one piece.",
        ),
    ),
    Export(
        "Lightspeed's (Vend's) history of sales",
        ("Line Type", "Receipt Number", "Customer Name", "Total", "Paid"),
        {
            "customer_id": ("Customer Code", "Customer Name"),
            "ts": ("Date",),
            "order_id": ("Receipt Number",),
            "store": ("Outlet", "Register"),
        },
        amounts=("{Total}",),
        rows=("{Line Type} = 'Sale'", "{Status} not in ('VOIDED', 'SAVED')"),
        notes=("Lightspeed tells a sale as a whole, by line and by payment; the whole is read.",),
    ),
    Export(
        "Magento's export of orders",
        ("Purchase Date", "Grand Total (Base)", "Customer Email", "Status"),
        {
            "customer_id": ("Customer Email",),
            "ts": ("Purchase Date",),
            "order_id": ("ID",),
            "store": ("Purchase Point",),
        },
        amounts=("{Grand Total (Base)} - coalesce({Total Refunded}, 0)", "{Grand Total (Base)}"),
    ),
    Export(
        "DATEV's journal of bookings",
        ("Umsatz (ohne Soll/Haben-Kz)", "Soll/Haben-Kennzeichen", "Konto", "Belegdatum"),
        {
            "customer_id": ("Konto",),
            "ts": ("Belegdatum",),
            "order_id": ("Belegfeld 1",),
            "currency": ("WKZ Umsatz",),
        },
        amounts=(
            "case when {Soll/Haben-Kennzeichen} = 'H' then -{Umsatz (ohne Soll/Haben-Kz)} "
            "else {Umsatz (ohne Soll/Haben-Kz)} end",
        ),
        notes=(
            "A journal holds other bookings as well: where not all accounts in Konto are customers, choose the rows "
            "that are, such as those of their accounts or of a Buchungstext.",
        ),
    ),
    Export(
        "1C's report of sales",
        ("Контрагент", "Сумма", "Дата"),
        {
            "customer_id": ("Код контрагента", "ИНН контрагента", "Контрагент"),
            "ts": ("Дата",),
            "order_id": ("Номер", "Документ", "Регистратор", "Ссылка"),
            "category": ("Номенклатурная группа", "Вид номенклатуры", "Группа"),
            "quantity": ("Количество", "Кол-во"),
            "store": ("Склад", "Подразделение", "Магазин"),
            "currency": ("Валюта",),
        },
        amounts=("{Сумма}",),
    ),
)

_NAMELESS: Mapping[str, tuple[str, ...]] = {
    "Wildberries' report of sales": (
        "Предмет",
        "Код номенклатуры",
        "Дата продажи",
        "Вайлдберриз реализовал Товар (Пр)",
    ),
    "Wildberries' report of orders": ("Предмет", "Артикул WB", "Артикул продавца", "Srid"),
}
"""Reports of marketplaces by the names of their columns, of which none tells who bought."""


@dataclass(frozen=True)
class Known:
    """A file that is a known export: its columns by our names, its amount, its rows."""

    export: Export
    columns: Mapping[str, Profile]
    customer: str | None
    amount: str | None
    amount_column: Profile | None
    rows: tuple[str, ...]
    other_customers: tuple[Profile, ...] = ()


def recognise(profiles: Sequence[Profile]) -> Known | None:
    """Find which known export a file is; None where it is none, or where nobody is named in it."""
    by_name = {normalise_name(profile.name): profile for profile in reversed(profiles)}
    for export in EXPORTS:
        if not all(normalise_name(name) in by_name for name in export.needs):
            continue
        columns = {}
        for ours, theirs in export.columns.items():
            there = [by_name[plain] for name in theirs if (plain := normalise_name(name)) in by_name]
            mostly = [each for each in there if each.filled >= _MOSTLY * each.rows]
            filled = [each for each in there if each.filled]
            if mostly or filled:
                columns[ours] = (mostly or filled)[0]
        customer = _write(export.customer, by_name) if export.customer else None
        if ("customer_id" not in columns and customer is None) or "ts" not in columns:
            continue
        amount = next((each for text in export.amounts if (each := _write(text, by_name))), None)
        column = next((by_name[plain] for plain in by_name if amount == in_expression(by_name[plain].name)), None)
        rows = tuple(each for text in export.rows if (each := _write(text, by_name)))
        named = export.columns.get("customer_id", ())
        also = (by_name[plain] for name in named if (plain := normalise_name(name)) in by_name)
        others = tuple(each for each in also if each is not columns["customer_id"])
        return Known(export, columns, customer, amount, column, rows, others)
    return None


def explain_nameless(profiles: Sequence[Profile]) -> str | None:
    """Say why nobody can be scored from a report that is known to name no buyers; None of other files."""
    names = {normalise_name(profile.name) for profile in profiles}
    for name, needs in _NAMELESS.items():
        if all(normalise_name(each) in names for each in needs):
            return f"it is {name}, which names no buyers, so that nobody can be scored from it"
    return None


def _write(template: str, by_name: Mapping[str, Profile]) -> str | None:
    """Write an expression with the names of the file; None where one of its columns is not there."""
    names = re.findall(r"\{(.+?)\}", template)
    if not all(normalise_name(name) in by_name for name in names):
        return None
    for name in names:
        template = template.replace(f"{{{name}}}", in_expression(by_name[normalise_name(name)].name))
    return template
