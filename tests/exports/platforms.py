"""Exports of Shopify, WooCommerce, Stripe, Square and Amazon."""

import json
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.exports.shop import Item, Order, as_csv, export, lines, put, with_comma


@export("shopify", refunds=True)
def write_shopify(folder: Path, orders: Sequence[Order]) -> Path:
    """Totals, states and currency stand on the first line of an order only."""
    rows = []
    for order, place, item in lines(orders):
        row: dict[str, Any] = {"Name": f"#{order.number}", "Email": order.mail}
        state = "voided" if order.failed else "partially_refunded" if order.refund else "paid"
        whole = {
            "Financial Status": state,
            "Paid at": order.at.strftime("%Y-%m-%d %H:%M:%S +0100"),
            "Fulfillment Status": "fulfilled",
            "Currency": "EUR",
            "Subtotal": order.total,
            "Shipping": "0.00",
            "Taxes": "0.00",
            "Total": order.total,
            "Discount Amount": "0.00",
        }
        row |= whole if place == 1 else dict.fromkeys(whole, "")
        row |= {"Created at": order.at.strftime("%Y-%m-%d %H:%M:%S +0100"), "Lineitem quantity": item.pieces}
        row |= {"Lineitem name": item.article, "Lineitem price": item.price}
        row |= {"Refunded Amount": order.refund if place == 1 else "", "Source": "web" if place == 1 else ""}
        rows.append(row)
    return put(folder / "orders_export.csv", as_csv(rows))


@export("woocommerce")
def write_woocommerce(folder: Path, orders: Sequence[Order]) -> Path:
    """A line per item; the total of the order stands on each of them."""
    rows = [
        {
            "Order Number": order.number,
            "Order Status": "Cancelled" if order.failed else "Completed",
            "Order Date": order.at.strftime("%Y-%m-%d %H:%M"),
            "Email (Billing)": order.mail,
            "City (Billing)": "Bonn",
            "Order Total Amount": order.total,
            "Item #": place,
            "Item Name": item.article,
            "Quantity": item.pieces,
            "Item Cost": item.price,
        }
        for order, place, item in lines(orders)
    ]
    return put(folder / "orders-2024-05-02.csv", as_csv(rows), "utf-8-sig")


@export("stripe", refunds=True)
def write_stripe(folder: Path, orders: Sequence[Order]) -> Path:
    """Payments with decimal commas."""
    rows = [
        {
            "id": f"ch_3N{order.number}xY",
            "Created date (UTC)": order.at.strftime("%Y-%m-%d %H:%M:%S"),
            "Amount": with_comma(order.total),
            "Amount Refunded": with_comma(order.refund),
            "Currency": "eur",
            "Captured": "TRUE",
            "Status": "Failed" if order.failed else "Paid",
            "Customer ID": f"cus_{order.customer:05}",
            "Customer Email": order.mail,
            "Fee": with_comma(order.total * Decimal("0.03")),
        }
        for order in orders
    ]
    return put(folder / "unified_payments.csv", as_csv(rows))


@export("stripe_api", refunds=True)
def write_stripe_api(folder: Path, orders: Sequence[Order]) -> Path:
    """Charges as JSON lines: cents, seconds since 1970, and payments that were tests."""
    objects = [
        {
            "id": f"ch_{order.number}",
            "object": "charge",
            "amount": int(order.total * 100),
            "amount_refunded": int(order.refund * 100),
            "created": int((order.at - datetime(1970, 1, 1)).total_seconds()),
            "currency": "eur",
            "customer": f"cus_{order.customer:05}",
            "billing_details": {"email": order.mail},
            "livemode": not (order.failed and order.number % 2),
            "status": "failed" if order.failed and not order.number % 2 else "succeeded",
        }
        for order in orders
    ]
    return put(folder / "charges.jsonl", "".join(json.dumps(each) + "\n" for each in objects))


@export("square", refunds=True)
def write_square(folder: Path, orders: Sequence[Order]) -> Path:
    """Dollars with their sign; what came back is a line of its own, in parentheses. Failed sales are not in it."""
    rows = []
    for order, _, item in lines([order for order in orders if not order.failed]):
        rows.append(_square_row(order, item, f"${item.total:,.2f}", "Payment", item.pieces))
    refunds = [order for order in orders if order.refund]
    rows += [_square_row(order, order.items[0], f"(${order.refund:,.2f})", "Refund", -1) for order in refunds]
    return put(folder / "items-2023-01-09-2024-05-03.csv", as_csv(rows))


def _square_row(order: Order, item: Item, amount: str, kind: str, pieces: int) -> dict[str, Any]:
    return {
        "Date": order.at.strftime("%m/%d/%Y"),
        "Time": order.at.strftime("%H:%M:%S"),
        "Time Zone": "Pacific Time (US & Canada)",
        "Category": item.group,
        "Item": item.article,
        "Qty": pieces,
        "Gross Sales": amount,
        "Discounts": "$0.00",
        "Net Sales": amount,
        "Tax": "$0.00",
        "Transaction ID": f"T{order.number}",
        "Payment ID": f"P{order.number}",
        "Event Type": kind,
        "Location": "Main Street",
        "Customer ID": f"SQ{order.customer:04}",
        "Customer Name": f"Anna {order.customer}",
    }


@export("amazon")
def write_amazon(folder: Path, orders: Sequence[Order]) -> Path:
    """Tabs; item-price is that of the line; cancelled lines have neither price nor quantity zero."""
    rows = [
        {
            "amazon-order-id": f"302-{order.number:07}-1",
            "order-item-id": f"{order.number}{place}",
            "purchase-date": order.at.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "last-updated-date": order.at.strftime("%Y-%m-%dT%H:%M:%S+00:00"),
            "order-status": "Cancelled" if order.failed else "Shipped",
            "fulfillment-channel": "Amazon",
            "sales-channel": "Amazon.de",
            "product-name": item.article,
            "quantity": item.pieces,
            "currency": "EUR",
            "item-price": item.total,
            "item-tax": "0.00",
            "shipping-price": "3.99",
            "buyer-email": f"x{order.customer}@marketplace.amazon.de",
        }
        for order, place, item in lines(orders)
    ]
    return put(folder / "amazon_orders.txt", as_csv(rows, "\t"), "cp1252")
