"""The sales of a simulated shop, and how they are put into files."""

import csv
import io
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

_START, _DAYS = datetime(2023, 1, 9, 8), 480
_GOODS = (("Tee", "Drinks", "4.90"), ("Honey", "Food", "7.25"), ("Mug", "Home", "12.40"), ("Lamp", "Home", "1049.00"))


@dataclass(frozen=True)
class Item:
    """A line of an order: its article, the group of it, the pieces and the price of one."""

    article: str
    group: str
    pieces: int
    price: Decimal

    @property
    def total(self) -> Decimal:
        return self.pieces * self.price


@dataclass(frozen=True)
class Order:
    """An order of a customer; some are failed ones, and some came back in part."""

    number: int
    customer: int
    at: datetime
    items: tuple[Item, ...]
    failed: bool
    refund: Decimal

    @property
    def total(self) -> Decimal:
        return sum((item.total for item in self.items), Decimal(0))

    @property
    def mail(self) -> str:
        return f"anna{self.customer}@example.com"


@dataclass(frozen=True)
class Written:
    """A file and what it holds: customers and orders that count, and their total."""

    path: Path
    customers: int
    orders: int
    total: Decimal


def simulate(customers: int = 160, seed: int = 14) -> list[Order]:
    """Simulate the orders of a shop in the order of their times; customers differ in how often they buy."""
    chance = random.Random(seed)
    drawn = []
    for customer in range(1, customers + 1):
        gap = chance.uniform(20, 150)
        at = chance.uniform(0, _DAYS)
        while at < _DAYS and chance.random() > 0.12:
            drawn.append((_START + timedelta(minutes=int(at * 1440)), customer))
            at += 1 + chance.expovariate(1 / gap)
    orders = []
    for number, (time, customer) in enumerate(sorted(drawn), start=1001):
        goods = chance.choices(_GOODS, weights=(6, 5, 3, 0.15), k=chance.choice((1, 1, 2, 3)))
        goods = list(dict.fromkeys(goods))
        items = tuple(Item(a, g, chance.choice((1, 1, 2, 3)), Decimal(p)) for a, g, p in goods)
        failed = chance.random() < 0.06
        refund = items[0].price if chance.random() < 0.05 and len(items) > 1 and not failed else Decimal(0)
        orders.append(Order(number, customer, time, items, failed, refund))
    return orders


Writer = Callable[[Path, Sequence[Order]], Path]
EXPORTS: dict[str, tuple[Writer, bool]] = {}
"""Name -> how it is written, and whether it tells what came back."""


def export(name: str, *, refunds: bool = False) -> Callable[[Writer], Writer]:
    def register(writer: Writer) -> Writer:
        EXPORTS[name] = (writer, refunds)
        return writer

    return register


def write_export(name: str, folder: Path, orders: Sequence[Order]) -> Written:
    """Write one of the exports and say what it holds."""
    writer, refunds = EXPORTS[name]
    good = [order for order in orders if not order.failed]
    total = sum((order.total - (order.refund if refunds else 0) for order in good), Decimal(0))
    folder.mkdir(parents=True, exist_ok=True)
    return Written(writer(folder, orders), len({order.customer for order in good}), len(good), total)


def as_csv(rows: Sequence[Mapping[str, Any]], separator: str = ",") -> str:
    out = io.StringIO()
    names = list(dict.fromkeys(name for row in rows for name in row))
    table = csv.DictWriter(out, names, delimiter=separator, lineterminator="\r\n")
    table.writeheader()
    table.writerows(rows)
    return out.getvalue()


def put(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


def with_comma(value: Decimal, thousands: str = ".") -> str:
    return f"{value:,.2f}".replace(",", "_").replace(".", ",").replace("_", thousands)


def lines(orders: Sequence[Order]) -> Iterator[tuple[Order, int, Item]]:
    for order in orders:
        for place, item in enumerate(order.items, start=1):
            yield order, place, item
