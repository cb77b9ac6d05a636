"""Writes all exports into a folder, each into one of its own, and says what they hold."""

import sys
from pathlib import Path

from tests.exports import markets, offices, platforms, tills
from tests.exports.shop import EXPORTS, simulate, write_export

assert markets and offices and platforms and tills, "importing them registers the exports"

for name in EXPORTS:
    each = write_export(name, Path(sys.argv[1]) / name, simulate())
    print(f"{each.path}: {each.customers} customers, {each.orders} orders, total {each.total:,.2f}")  # noqa: T201
