"""Exports of 1C, of shops in German and Chinese, of a spreadsheet, a till and a ledger."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.exports.shop import Order, as_csv, export, lines, put, with_comma
from tests.workbooks import write_workbook


@export("1c")
def write_1c(folder: Path, orders: Sequence[Order]) -> Path:
    """A Russian report: a title above, totals below, blanks between thousands, and documents that are not posted."""
    rows = [
        {
            "Дата": order.at.strftime("%d.%m.%Y %H:%M:%S"),
            "Номер": f"УТ-{order.number:06}",
            "Контрагент": f"Иванова Анна {order.customer}",
            "Номенклатура": item.article,
            "Количество": item.pieces,
            "Цена": with_comma(item.price, "\u00a0"),
            "Сумма": with_comma(item.total, "\u00a0"),
            "Проведен": "Нет" if order.failed else "Да",
        }
        for order, _, item in lines(orders)
    ]
    everything = sum((order.total for order in orders), Decimal(0))
    text = f"Продажи за период\r\nОрганизация:;ООО «Ромашка»\r\n\r\n{as_csv(rows, ';')}"
    return put(folder / "Продажи.csv", f"{text}Итого;;;;;;{with_comma(everything, chr(0xA0))};\r\n", "cp1251")


@export("german")
def write_german(folder: Path, orders: Sequence[Order]) -> Path:
    """ISO-8859-15 with a sign of the euro; no total of a line, only pieces and the price of one."""
    rows = [
        {
            "Bestellnummer": order.number,
            "Kundennummer": f"K{order.customer:05}",
            "Name": "Müller, Jörg",
            "Bestelldatum": order.at.strftime("%d.%m.%Y"),
            "Artikel": item.article,
            "Menge": item.pieces,
            "Einzelpreis": f"{with_comma(item.price)} €",
            "Bestellstatus": "Storniert" if order.failed else "Bezahlt",
        }
        for order, _, item in lines(orders)
    ]
    return put(folder / "bestellungen.csv", as_csv(rows, ";"), "iso8859-15")


@export("chinese")
def write_chinese(folder: Path, orders: Sequence[Order]) -> Path:
    """GB 18030, a state in words, and the total of the order on each of its lines."""
    rows = [
        {
            "订单编号": f"D{order.number}",
            "买家会员名": f"小明{order.customer}",
            "下单时间": order.at.strftime("%Y/%m/%d %H:%M:%S"),
            "商品名称": "茶" if item.article == "Tee" else "蜂蜜",
            "数量": item.pieces,
            "单价": item.price,
            "订单金额": order.total,
            "订单状态": "已取消" if order.failed else "交易成功",
        }
        for order, _, item in lines(orders)
    ]
    return put(folder / "订单导出.csv", as_csv(rows), "gb18030")


@export("excel")
def write_excel(folder: Path, orders: Sequence[Order]) -> Path:
    """A workbook with a title, real days and numbers, tests that are marked, and a second sheet."""
    header = ["Client", "Order date", "Invoice no", "Article", "Qty", "Unit price", "Line total", "Test"]
    rows: list[list[Any]] = [["Sales of the shop"], [], header]
    for order, _, item in lines(orders):
        row = [f"C-{order.customer}", order.at, order.number, item.article, item.pieces]
        rows.append([*row, float(item.price), float(item.total), "yes" if order.failed else "no"])
    return write_workbook(folder / "Sales 2024.xlsx", {"Sales": rows, "Prices": [["Article", "Price"], ["Tee", 4.9]]})


@export("till")
def write_till(folder: Path, orders: Sequence[Order]) -> Path:
    """UTF-16 with tabs, days and months in American order, pence, and no line but the receipt."""
    rows = [
        {
            "Receipt No": order.number,
            "Member Card": 70_000 + order.customer,
            "Sale Date": f"{order.at.month}/{order.at.day}/{order.at.year} {order.at.strftime('%I:%M %p')}",
            "Amount in cents": int(order.total * 100),
            "Payment Status": "declined" if order.failed else "approved",
        }
        for order in orders
    ]
    return put(folder / "till.txt", as_csv(rows, "\t"), "utf-16")


@export("ledger", refunds=True)
def write_ledger(folder: Path, orders: Sequence[Order]) -> Path:
    """Days first, in order of time, none after the 12th of a month; returns are negative; thousands have a point."""
    rows = []
    for order in orders:
        if not order.failed:
            rows += _ledger_rows(order)
    return put(folder / "ledger.csv", as_csv(rows, ";"))


def _ledger_rows(order: Order) -> Iterator[dict[str, Any]]:
    at = order.at.replace(day=1 + order.at.day * 11 // 31)
    day = at.strftime("%d/%m/%Y")
    known = {"Date": day, "Doc": f"R{order.number}", "Customer": f"Büro {order.customer}"}
    yield known | {"Total": with_comma(order.total)}
    if order.refund:
        yield known | {"Total": with_comma(-order.refund)}
