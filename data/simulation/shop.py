"""A simulated shop of any size, written to Parquet together with its truth.

Customers buy as in the BG/NBD model and spend as in the Gamma-Gamma model. A latent satisfaction, one number per
customer, drives returns, late deliveries, contacts with support, dropping out and the answers to surveys. Through that
behaviour it also drives whether a customer answers at all. `data.simulation.settings` names every parameter.
"""

from contextlib import ExitStack
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from data.errors import InputError
from data.simulation.columns import Block
from data.simulation.customers import draw_customers, draw_orders
from data.simulation.events import events_table
from data.simulation.settings import ShopSettings, textbook
from data.simulation.surveys import collect_problems, draw_answers, response_probability
from data.simulation.tables import (
    answers_table,
    customers_table,
    transactions_table,
    truth_table,
)

__all__ = ["ShopSettings", "textbook", "write_shop"]

# Customers are simulated in blocks of this many, each from a seed of its own: memory stays bounded.
BLOCK_SIZE = 20_000
TABLES = ("transactions", "events", "customers", "answers", "truth")


def write_shop(
    folder: Path,
    customers: int,
    seed: int,
    days: int = 730,
    start: date = date(2023, 1, 1),
    settings: ShopSettings | None = None,
) -> dict[str, Path]:
    """Write the tables of a simulated shop, and its truth.

    Parameters
    ----------
    folder : Path
        Where the Parquet files are written; made where it is not there.
    customers : int
        How many customers, each with at least one purchase.
    seed : int
        The same seed, size, dates and settings give the same bytes.
    days : int, optional
        Length of the simulation; nothing is dated at or after ``start + days`` but promised dates.
    start : date, optional
        Its first day.
    settings : ShopSettings, optional
        The truth of the shop; `textbook` makes one that follows BG/NBD and Gamma-Gamma exactly.

    Returns
    -------
    dict of str to Path
        ``transactions``, ``events``, ``customers``, ``answers``: tables as the intake reads them;
        ``truth``: what holds for each customer and is never observed (see `truth_table`).

    Raises
    ------
    InputError
        If there are no customers, no days, or a negative seed.
    """
    for name, value, least in (("customers", customers, 1), ("days", days, 1), ("seed", seed, 0)):
        if value < least:
            raise InputError(f"A simulated shop needs {name} of at least {least}, got {value}.")
    settings = settings or ShopSettings()
    folder.mkdir(parents=True, exist_ok=True)
    paths = {name: folder / f"{name}.parquet" for name in TABLES}
    with ExitStack() as open_files:
        writers: dict[str, pq.ParquetWriter] = {}
        for first in range(0, customers, BLOCK_SIZE):
            count = min(BLOCK_SIZE, customers - first)
            number = pc.cast(pa.array(np.arange(first + 1, first + count + 1)), pa.string())
            block = Block(pc.utf8_lpad(number, 8, padding="0"), start, days)
            random = np.random.default_rng([seed, first // BLOCK_SIZE])
            for name, table in _simulate(random, settings, block).items():
                if name not in writers:
                    # Without the stored Arrow schema, readers see plain text, not dictionaries.
                    writer = pq.ParquetWriter(paths[name], table.schema, store_schema=False)
                    writers[name] = open_files.enter_context(writer)
                writers[name].write_table(table)
    return paths


def _simulate(random: np.random.Generator, settings: ShopSettings, block: Block) -> dict[str, pa.Table]:
    """Simulate one block of customers."""
    count = len(block.customer_ids)
    customers = draw_customers(random, settings, count, block.days)
    orders = draw_orders(random, settings, customers, block.days)
    transactions, returned_by, returned_at = transactions_table(random, settings, block, customers, orders)
    events, event_problems = events_table(random, settings, block, customers, orders)
    problems = collect_problems([*event_problems, (returned_by, returned_at)])
    answers = draw_answers(random, settings, customers, orders, problems, block.days)
    everyone, end = np.arange(count), np.full(count, float(block.days))
    response = response_probability(settings, customers, orders, problems, everyone, end)
    return {
        "transactions": transactions,
        "events": events,
        "customers": customers_table(block, customers),
        "answers": answers_table(block, answers),
        "truth": truth_table(settings, block, customers, orders, response),
    }
