"""Transactions, customers, answers and the truth of a simulated shop: one Arrow table per block of customers."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from scipy.special import expit, logit

from data.simulation.answers import Floats, Integers, nps_probabilities
from data.simulation.columns import Block, levels, money
from data.simulation.customers import (
    ACQUISITION,
    AGE_BANDS,
    CATEGORIES,
    CHANNELS,
    REGIONS,
    TIERS,
    Customers,
    Orders,
)
from data.simulation.settings import ShopSettings
from data.simulation.surveys import Answers

LINE_IDS = ("1", "2", "3", "1R", "2R", "3R")
DISCOUNTS = np.array([0.05, 0.1, 0.2])


def transactions_table(
    random: np.random.Generator, settings: ShopSettings, block: Block, customers: Customers, orders: Orders
) -> tuple[pa.Table, Integers, Floats]:
    """Split the orders into lines and send some of them back.

    Parameters
    ----------
    random : numpy Generator
        The source of chance.
    settings : ShopSettings
        The truth of the shop.
    block : Block
        Ids and dates.
    customers : Customers
        Who ordered.
    orders : Orders
        What they ordered.

    Returns
    -------
    table : pyarrow Table
        One row per line sold or returned. The amounts of an order's lines sold sum to its value in cents,
        what the customer pays after the discount; a return has the line's amount, negative, a ``line_id``
        of its own and the ``order_id`` of the sale.
    customer, time : arrays of shape (returns,)
        The customer and the time of each return.
    """
    cents = np.maximum(np.rint(orders.value * 100), 1).astype(np.int64)
    draw = random.random(len(cents))
    lines = np.where(cents < 100, 1, 1 + (draw < 0.4) + (draw < 0.1))
    first = np.cumsum(lines) - lines
    order = np.repeat(np.arange(len(cents)), lines)
    line = np.arange(len(order)) - first[order]
    weight = 0.5 + random.random(len(order))
    amount = (cents[order] * weight / np.add.reduceat(weight, first)[order]).astype(np.int64)
    # The cents lost in rounding go to the first line.
    amount[first] += cents - np.add.reduceat(amount, first)
    customer = orders.customer[order]
    share = np.where(random.random(len(order)) < 0.2, random.choice(DISCOUNTS, len(order)), 0.0)
    discount = np.rint(amount * share / (1 - share)).astype(np.int64)
    quantity = 1 + random.poisson(0.3, len(order))
    other = random.integers(len(CATEGORIES), size=len(order))
    category = np.where(random.random(len(order)) < 0.5, customers.favourite[customer], other)

    log_odds = logit(settings.return_share) - settings.return_effect * customers.satisfaction[customer]
    comes_back = random.random(len(order)) < expit(log_odds)
    back_at = orders.time[order] + 3.0 + 25.0 * random.random(len(order))
    back = np.flatnonzero(comes_back & (back_at < block.days))
    row = np.concatenate([np.arange(len(order)), back])
    sign = np.repeat([1, -1], [len(order), len(back)])
    time = np.concatenate([orders.time[order], back_at[back]])
    number = pc.cast(pa.array(orders.number[order][row]), pa.string())
    customer_id = block.ids(customer[row])
    table = pa.table(
        {
            "customer_id": customer_id,
            "ts": block.times(time),
            "amount": money(sign * amount[row]),
            "order_id": pc.binary_join_element_wise(customer_id.dictionary_decode(), number, "-"),
            "line_id": levels(line[row] + np.where(sign < 0, 3, 0), LINE_IDS),
            "category": levels(category[row], CATEGORIES),
            "channel": levels(orders.channel[order][row], CHANNELS),
            "quantity": pa.array(sign * quantity[row], pa.int32()),
            "discount": money(sign * discount[row]),
        }
    )
    return table, customer[back], back_at[back]


def customers_table(block: Block, customers: Customers) -> pa.Table:
    """List the attributes of the customers, valid from their first purchase, and the cost to serve each.

    Parameters
    ----------
    block : Block
        Ids and dates.
    customers : Customers
        Who they are.

    Returns
    -------
    pyarrow Table
        One row per customer.
    """
    return pa.table(
        {
            "customer_id": block.customer_ids,
            "valid_from": block.times(customers.joined),
            "region": levels(customers.region, REGIONS),
            "acquisition_channel": levels(customers.acquisition, ACQUISITION),
            "loyalty_tier": levels(customers.tier, TIERS),
            "age_band": levels(customers.age_band, AGE_BANDS),
            "cost_to_serve": pa.array(customers.cost_to_serve),
        }
    )


def answers_table(block: Block, answers: Answers) -> pa.Table:
    """List the questions asked, with the answers that came.

    Parameters
    ----------
    block : Block
        Ids and dates.
    answers : Answers
        Invitations and answers.

    Returns
    -------
    pyarrow Table
        One row per question asked; answered_at and score null where there is no answer.
    """
    kind = answers.is_csat.astype(np.int64)
    return pa.table(
        {
            "customer_id": block.ids(answers.customer),
            "question": levels(kind, ("nps", "csat")),
            "scale": levels(kind, ("0-10", "1-5")),
            "invited_at": block.times(answers.invited),
            "answered_at": block.times(answers.answered),
            "score": pa.array(answers.score, pa.int32(), mask=np.isnan(answers.answered)),
            "touchpoint": levels(np.zeros_like(kind), ("simulated",)),
        }
    )


def truth_table(
    settings: ShopSettings, block: Block, customers: Customers, orders: Orders, response: Floats
) -> pa.Table:
    """List what holds for each customer and is never observed.

    Parameters
    ----------
    settings : ShopSettings
        The truth of the shop.
    block : Block
        Ids and dates.
    customers : Customers
        Who they are.
    orders : Orders
        What they ordered.
    response : array of shape (customers,)
        Chance that each would answer an invitation at the end.

    Returns
    -------
    pyarrow Table
        One row per customer: satisfaction, purchase_rate (per day), dropout_probability (after a repeat
        purchase without a late delivery), mean_order_value, alive (at the end), last_active_at,
        p_detractor, p_passive, p_promoter (of an answer), p_response.
    """
    nps = nps_probabilities(customers.satisfaction, settings.reliability)
    return pa.table(
        {
            "customer_id": block.customer_ids,
            "joined_at": block.times(customers.joined),
            "satisfaction": customers.satisfaction,
            "purchase_rate": customers.rate,
            "dropout_probability": customers.dropout,
            "mean_order_value": settings.p / customers.value_rate,
            "alive": ~orders.dropped_out,
            "last_active_at": block.times(orders.active_until),
            "p_detractor": nps[:, 0],
            "p_passive": nps[:, 1],
            "p_promoter": nps[:, 2],
            "p_response": response,
        }
    )
