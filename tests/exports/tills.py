"""Exports of eBay, Ozon, two tills, and a journal of DATEV's whose days have no year."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from tests.exports.shop import Order, as_csv, export, lines, put, with_comma


@export("ebay")
def write_ebay(folder: Path, orders: Sequence[Order]) -> Path:
    """A blank line above, counts below, the price of one piece, and mail addresses that differ by order."""
    rows = [
        {
            "Sales Record Number": order.number,
            "Order Number": f"07-{order.number:05}-12345",
            "Buyer Username": f"anna_{order.customer}",
            "Buyer Name": "Anna Example",
            "Buyer Email": f"{order.number}ab@members.example.com",
            "Item Number": 20_000 + place,
            "Item Title": item.article,
            "Quantity": item.pieces,
            "Sold For": f"${item.price:,.2f}",
            "Shipping And Handling": "$0.00",
            "Total Price": f"${item.total:,.2f}",
            "Sale Date": order.at.strftime("%b-%d-%y"),
            "Paid On Date": order.at.strftime("%b-%d-%y"),
            "Feedback Left": "No",
        }
        for order, place, item in lines([order for order in orders if not order.failed])
    ]
    text = f"\r\n{as_csv(rows)}\r\n{len(rows)},record(s) downloaded,\r\nSeller ID : anna_shop\r\n"
    return put(folder / "eBay-OrdersReport.csv", text)


@export("ozon")
def write_ozon(folder: Path, orders: Sequence[Order]) -> Path:
    """No column with the buyer, whose number begins that of the order; the price of one piece beside many others."""
    rows = [
        {
            "Номер заказа": f"{10_500_000 + order.customer:08}-{order.number:04}",
            "Номер отправления": f"{10_500_000 + order.customer:08}-{order.number:04}-1",
            "Принят в обработку": f"{order.at:%Y-%m-%d %H:%M:%S}",
            "Дата отгрузки": f"{order.at:%Y-%m-%d %H:%M:%S}",
            "Статус": "Отменён" if order.failed else "Доставлен",
            "Сумма отправления": order.total,
            "Код валюты отправления": "RUB",
            "Название товара": item.article,
            "Артикул": f"A{place}",
            "Ваша цена": item.price,
            "Код валюты товара": "RUB",
            "Количество": item.pieces,
            "Цена товара до скидок": 2 * item.price,
            "Скидка %": "50%",
            "Скидка руб": item.price,
        }
        for order, place, item in lines(orders)
    ]
    return put(folder / "orders.csv", "\ufeff" + as_csv(rows, ";"))


@export("lightspeed")
def write_lightspeed(folder: Path, orders: Sequence[Order]) -> Path:
    """A sale stands three times: as a whole, line by line, and as what was paid."""
    rows: list[dict[str, Any]] = []
    for order in orders:
        shared = {
            "Date": f"{order.at:%Y-%m-%d %H:%M:%S}",
            "Receipt Number": order.number,
            "Customer Code": f"Anna-{order.customer:04}",
            "Customer Name": f"Anna Example {order.customer}",
            "Register": "Main",
            "Status": "VOIDED" if order.failed else "CLOSED",
        }
        rows.append({**shared, "Line Type": "Sale", "Total": order.total, "Paid": order.total})
        rows += [{**shared, "Line Type": "Sale Line", "Total": item.total, "Paid": ""} for item in order.items]
        rows.append({**shared, "Line Type": "Payment", "Total": "", "Paid": order.total})
    return put(folder / "vend-sales_history.csv", as_csv(rows))


@export("kassa", refunds=True)
def write_kassa(folder: Path, orders: Sequence[Order]) -> Path:
    """A till: day and time apart, and what came back without a sign on lines of its own."""
    rows = []
    for order in (each for each in orders if not each.failed):
        of_order = [("Продажа", item.article, item.pieces, item.price, item.total) for item in order.items]
        if order.refund:
            of_order.append(("Возврат", order.items[0].article, 1, order.refund, order.refund))
        rows += [
            {
                "Дата": f"{order.at:%d.%m.%Y}",
                "Время": f"{order.at:%H:%M}",
                "Номер чека": order.number,
                "Тип операции": kind,
                "Карта клиента": f"2900{order.customer:04}",
                "Товар": article,
                "Количество": pieces,
                "Цена": with_comma(price, " "),
                "Сумма": with_comma(total, " "),
            }
            for kind, article, pieces, price, total in of_order
        ]
    return put(folder / "касса.csv", as_csv(rows, ";"), "cp1251")


@export("datev_days")
def write_datev_days(folder: Path, orders: Sequence[Order]) -> Path:
    """Days such as 703, of the business year that the first line tells; later ones are booked on its last."""
    rows, first = [], min(order.at for order in orders).year
    for order in (each for each in orders if not each.failed):
        at = min(order.at, datetime(first, 12, 31))
        rows.append(
            {
                "Umsatz (ohne Soll/Haben-Kz)": with_comma(order.total, ""),
                "Soll/Haben-Kennzeichen": "S",
                "WKZ Umsatz": "EUR",
                "Konto": 10_000 + order.customer,
                "Gegenkonto (ohne BU-Schlüssel)": 8400,
                "Belegdatum": f"{at:%d%m}".lstrip("0"),
                "Belegfeld 1": f"RE-{order.number}",
                "Buchungstext": f"Rechnung Anna {order.customer}",
            }
        )
    head = (
        f'"EXTF";700;21;"Buchungsstapel";13;20240502101500000;;"RE";"";"";12345;10001;{first}0101;4;{first}0101;'
        f'{first}1231;"";"";1;0;0;"EUR"\r\n'
    )
    return put(folder / "EXTF_Buchungsstapel.csv", head + as_csv(rows, ";"), "cp1252")
