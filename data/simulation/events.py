"""The events of a simulated shop: promised dates, deliveries, contacts with support and visits."""

import numpy as np
import pyarrow as pa

from data.simulation.answers import Floats, Integers
from data.simulation.columns import Block, levels, numbers
from data.simulation.customers import Customers, Orders
from data.simulation.settings import ShopSettings

EVENT_KINDS = ("promised", "delivered", "support_contact", "visit")


def events_table(
    random: np.random.Generator, settings: ShopSettings, block: Block, customers: Customers, orders: Orders
) -> tuple[pa.Table, list[tuple[Integers, Floats]]]:
    """List promised dates, deliveries, contacts with support and visits.

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
        ``promised`` at the time of the order (value: days promised; due_at: the date promised);
        ``delivered`` (value: days late, negative when early; due_at as in its ``promised`` row; available_at
        some hours later, when the carrier reports); ``support_contact`` (value: minutes waited); ``visit``.
        Nothing dated at or after the end; only due_at may be.
    problems : list of (customer, time)
        Late deliveries, when reported, and contacts.
    """
    days = block.days
    sent = np.flatnonzero(~np.isnan(orders.promised))
    reported = orders.delivered + 0.25 * random.random(len(orders.time))
    arrived = sent[reported[sent] < days]
    satisfaction = customers.satisfaction
    rate = settings.contact_rate * np.exp(-settings.contact_effect * satisfaction)
    asked = np.repeat(np.arange(len(orders.time)), random.poisson(rate[orders.customer]))
    contact_at = orders.time[asked] + 30.0 * random.random(len(asked))
    asked, contact_at = asked[contact_at < days], contact_at[contact_at < days]
    visits = random.poisson(customers.rate * settings.visits_per_order * (orders.active_until - customers.joined))
    visitor = np.repeat(np.arange(len(customers)), visits)
    visit_at = customers.joined[visitor] + random.random(len(visitor)) * (
        orders.active_until[visitor] - customers.joined[visitor]
    )
    caller = orders.customer[asked]
    late_by = orders.delivered[arrived] - orders.promised[arrived]
    waited = random.standard_exponential(len(asked)) * 8.0 * np.exp(-0.3 * satisfaction[caller])
    talked, stayed = random.lognormal(5.5, 0.6, len(asked)), random.lognormal(5.0, 1.0, len(visitor))

    def nothing(count: int) -> Floats:
        return np.full(count, np.nan)

    def stack(*parts: Floats) -> Floats:
        return np.concatenate(parts)

    time = stack(orders.time[sent], orders.delivered[arrived], contact_at, visit_at)
    kinds = np.repeat(np.arange(4), [len(sent), len(arrived), len(asked), len(visitor)])
    promised_in = orders.promised[sent] - orders.time[sent]
    due = stack(orders.promised[sent], orders.promised[arrived], nothing(len(asked) + len(visitor)))
    customer = np.concatenate([orders.customer[sent], orders.customer[arrived], caller, visitor])
    table = pa.table(
        {
            "customer_id": block.ids(customer),
            "ts": block.times(time),
            "kind": levels(kinds, EVENT_KINDS),
            "value": numbers(
                stack(np.rint(promised_in), np.round(late_by, 2), np.round(waited, 1), nothing(len(visitor)))
            ),
            "due_at": block.times(due),
            "duration_s": numbers(stack(nothing(len(sent) + len(arrived)), np.rint(talked), np.rint(stayed))),
            "available_at": block.times(stack(orders.time[sent], reported[arrived], contact_at, visit_at)),
        }
    )
    late = arrived[late_by > 0]
    return table, [(orders.customer[late], reported[late]), (caller, contact_at)]
