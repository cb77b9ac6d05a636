"""Exports of Etsy, Magento, InSales and Taobao, and a journal of sales as bookkeepers of DATEV's get it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.exports.shop import Order, as_csv, export, lines, put, with_comma


@export("etsy")
def write_etsy(folder: Path, orders: Sequence[Order]) -> Path:
    """Days with two digits of the year, the month first; many totals beside each other."""
    rows = []
    for order in orders:
        row: dict[str, Any] = {
            "Sale Date": order.at.strftime("%m/%d/%y"),
            "Order ID": 2_900_000_000 + order.number,
            "Buyer User ID": f"anna{order.customer}" if order.customer % 7 else "",
            "Full Name": f"Anna Example {order.customer}",
            "Number of Items": sum(item.pieces for item in order.items),
            "Payment Method": "Credit Card",
            "Date Shipped": order.at.strftime("%m/%d/%Y"),
            "Ship City": "Bonn",
            "Ship Country": "Germany",
            "Currency": "EUR",
            "Order Value": order.total,
            "Coupon Code": "",
            "Discount Amount": "0.00",
            "Shipping": "3.90",
            "Sales Tax": "0.00",
            "Order Total": order.total,
            "Status": "Canceled" if order.failed else "Shipped",
            "Card Processing Fees": round(order.total / 25, 2),
            "Order Net": order.total - round(order.total / 25, 2),
            "Adjusted Order Total": "0.00",
            "Adjusted Net Order Amount": "0.00",
            "Buyer": f"Anna ({order.customer})",
            "Order Type": "online",
        }
        rows.append(row)
    return put(folder / "EtsySoldOrders2024.csv", as_csv(rows))


@export("magento", refunds=True)
def write_magento(folder: Path, orders: Sequence[Order]) -> Path:
    """Months by name, a cell over three lines, and what came back in a column of its own."""
    rows = [
        {
            "ID": f"{order.number:09}",
            "Purchase Point": "Main Website\n    Main Website Store\n        Default Store View",
            "Purchase Date": f"{order.at:%b} {order.at.day}, {order.at:%Y %I:%M:%S %p}",
            "Bill-to Name": f"Anna {order.customer}",
            "Ship-to Name": f"Anna {order.customer}",
            "Grand Total (Base)": f"€{order.total:,.2f}",
            "Grand Total (Purchased)": f"€{order.total:,.2f}",
            "Status": "canceled" if order.failed else "complete",
            "Customer Email": order.mail,
            "Customer Group": "General",
            "Subtotal": f"€{order.total:,.2f}",
            "Shipping and Handling": "€0.00",
            "Customer Name": f"Anna {order.customer}",
            "Payment Method": "checkmo",
            "Total Refunded": f"€{order.refund:,.2f}" if order.refund else "",
        }
        for order in orders
    ]
    return put(folder / "export.csv", as_csv(rows))


@export("insales")
def write_insales(folder: Path, orders: Sequence[Order]) -> Path:
    """Russian, in cp1251, a line per item with the total of the order on each, and amounts in roubles by name."""
    rows = [
        {
            "№ заказа": order.number,
            "Дата заказа": order.at.strftime("%d.%m.%Y %H:%M"),
            "Статус заказа": "Отменён" if order.failed else "Доставлен",
            "Покупатель": f"Анна {order.customer}",
            "Телефон": f"+7 900 {order.customer:03}-00-00",
            "Город": "Тверь",
            "Наименование товара": item.article,
            "Кол-во": item.pieces,
            "Цена": f"{with_comma(item.price, chr(160))} руб.",
            "Сумма заказа": f"{with_comma(order.total, chr(160))} руб.",
            "Комментарий": "",
        }
        for order, _, item in lines(orders)
    ]
    return put(folder / "заказы.csv", as_csv(rows, ";"), "cp1251")


@export("taobao")
def write_taobao(folder: Path, orders: Sequence[Order]) -> Path:
    """Chinese, in gb18030, numbers of orders marked as text; what was closed was never paid."""
    rows = [
        {
            "订单编号": f'="{10**17 + order.number}"',
            "买家会员名": f"安娜{order.customer}",
            "买家支付宝账号": order.mail,
            "买家应付货款": order.total,
            "买家应付邮费": "0.00",
            "总金额": order.total,
            "买家实际支付金额": "0.00" if order.failed else order.total,
            "订单状态": "交易关闭" if order.failed else "交易成功",
            "收货人姓名": f"安娜{order.customer}",
            "联系手机": f"'139{order.customer:08}",
            "订单创建时间": order.at.strftime("%Y-%m-%d %H:%M:%S"),
            "订单付款时间": "" if order.failed else order.at.strftime("%Y-%m-%d %H:%M:%S"),
            "宝贝标题": order.items[0].article,
            "宝贝总数量": sum(item.pieces for item in order.items),
            "退款金额": "0.00",
        }
        for order in orders
    ]
    return put(folder / "ExportOrderList.csv", as_csv(rows), "gb18030")


@export("datev", refunds=True)
def write_datev(folder: Path, orders: Sequence[Order]) -> Path:
    """A journal: what is due stands as S, what was given back as H on a line of its own, both without a sign."""
    rows = []
    for order in (each for each in orders if not each.failed):
        for value, side, text in ((order.total, "S", "Rechnung"), (order.refund, "H", "Gutschrift")):
            row = {
                "Umsatz (ohne Soll/Haben-Kz)": with_comma(value, ""),
                "Soll/Haben-Kennzeichen": side,
                "WKZ Umsatz": "EUR",
                "Konto": 10_000 + order.customer,
                "Gegenkonto (ohne BU-Schlüssel)": 8400,
                "Belegdatum": order.at.strftime("%d.%m.%Y"),
                "Belegfeld 1": f"RE-{order.number}",
                "Skonto": "",
                "Buchungstext": f"{text} Anna {order.customer}",
            }
            rows += [row] if value else []
    table = as_csv(rows, ";")
    head = (
        '"EXTF";700;21;"Buchungsstapel";13;20240502101500000;;"RE";"";"";12345;10001;20230101;4;;;;"";"";;0;"EUR"\r\n'
    )
    return put(folder / "EXTF_Buchungsstapel.csv", head + table, "cp1252")
