"""Who the customers of a simulated shop are, and what they order: the truth behind its tables."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit

from data.simulation.answers import Floats, Integers
from data.simulation.settings import ShopSettings

Flags = npt.NDArray[np.bool_]

REGIONS = ("north", "east", "south", "west")
# How much each region adds to the log-odds of a late delivery.
REGION_LATE = np.array([0.6, 0.0, -0.2, -0.4])
ACQUISITION = ("search", "social", "friend", "advert")
TIERS = ("basic", "silver", "gold")
AGE_BANDS = ("18-29", "30-44", "45-59", "60+")
CATEGORIES = ("books", "garden", "kitchen", "music", "office", "sport", "toys", "travel")
CHANNELS = ("store", "web", "app")


@dataclass(frozen=True)
class Customers:
    """Customers by row; attributes are positions in the tuples above, times are days since the start."""

    joined: Floats
    satisfaction: Floats
    rate: Floats  # purchases per day while not dropped out
    dropout: Floats  # chance of dropping out after a purchase without a late delivery
    value_rate: Floats  # nu of Gamma-Gamma: the expected value of an order is p / nu
    region: Integers
    acquisition: Integers
    tier: Integers
    age_band: Integers
    favourite: Integers
    app_share: Floats
    cost_to_serve: Floats

    def __len__(self) -> int:
        """Count the customers."""
        return len(self.joined)


@dataclass(frozen=True)
class Orders:
    """Orders by row, sorted by customer and time; times are days since the start."""

    customer: Integers  # position among the customers
    number: Integers  # 0 for the first order of its customer
    time: Floats
    channel: Integers
    promised: Floats  # promised date; NaN where nothing is delivered
    delivered: Floats  # NaN where nothing is delivered; may lie after the end
    value: Floats
    dropped_out: Flags  # by customer
    active_until: Floats  # by customer: when dropped out, else the end


def draw_customers(random: np.random.Generator, settings: ShopSettings, count: int, days: int) -> Customers:
    """Draw customers: their satisfaction, their rates and their attributes.

    Parameters
    ----------
    random : numpy Generator
        The source of chance.
    settings : ShopSettings
        The truth of the shop.
    count : int
        How many customers.
    days : int
        Length of the simulation.

    Returns
    -------
    Customers
        Of length `count`.
    """
    satisfaction = random.standard_normal(count)
    rate = random.gamma(settings.r, 1.0 / settings.alpha, count)
    dropout = expit(logit(random.beta(settings.a, settings.b, count)) - settings.dropout_effect * satisfaction)
    # Customers who buy often are more likely, though not certain, to have a higher tier.
    eagerness = np.log(np.maximum(rate, 1e-12) * settings.alpha / settings.r) + 2.0 * random.standard_normal(count)
    return Customers(
        joined=random.random(count) * settings.joining * days,
        satisfaction=satisfaction,
        rate=rate,
        dropout=dropout,
        value_rate=random.gamma(settings.q, 1.0 / settings.v, count),
        region=random.integers(len(REGIONS), size=count),
        acquisition=random.choice(len(ACQUISITION), count, p=[0.45, 0.25, 0.1, 0.2]).astype(np.int64),
        tier=np.searchsorted([0.0, 2.0], eagerness).astype(np.int64),
        age_band=random.choice(len(AGE_BANDS), count, p=[0.25, 0.35, 0.25, 0.15]).astype(np.int64),
        favourite=random.integers(len(CATEGORIES), size=count),
        app_share=random.beta(0.8, 1.2, count),
        cost_to_serve=np.round(random.gamma(4.0, 2.0, count) * np.exp(-0.2 * satisfaction), 2),
    )


def draw_orders(random: np.random.Generator, settings: ShopSettings, customers: Customers, days: int) -> Orders:
    """Draw what the customers order until they drop out or the simulation ends.

    Purchase after purchase, for all customers at once: the gap to the next one is exponential in the
    customer's rate, and after each repeat purchase the customer drops out with their own chance (Fader,
    Hardie & Lee 2005, section 3), raised where this order will be delivered late. Dropping out is booked at
    the purchase, although the customer notices a late delivery only some days later.

    Parameters
    ----------
    random : numpy Generator
        The source of chance.
    settings : ShopSettings
        The truth of the shop.
    customers : Customers
        Who orders.
    days : int
        Length of the simulation.

    Returns
    -------
    Orders
        Those before the end; each customer has at least the first, made on joining.
    """
    dropout = logit(customers.dropout)
    lateness = logit(settings.late_share) - settings.late_effect * customers.satisfaction
    lateness = lateness + REGION_LATE[customers.region]
    time = customers.joined.copy()
    active = np.arange(len(customers))
    dropped_out = np.zeros(len(customers), dtype=np.bool_)
    drawn: list[tuple[Integers, Integers, Floats, Flags, Flags]] = []
    while active.size:
        number = len(drawn)
        online = random.random(active.size) < settings.online
        late = online & (random.random(active.size) < expit(lateness[active]))
        drawn.append((active, np.full(active.size, number), time[active], online, late))
        if number > 0 or settings.dropout_after_first:
            leaves = random.random(active.size) < expit(dropout[active] + settings.dropout_late * late)
            dropped_out[active[leaves]] = True
            active = active[~leaves]
        time[active] += random.standard_exponential(active.size) / customers.rate[active]
        active = active[time[active] < days]
    customer = np.concatenate([part[0] for part in drawn])
    # Each part is one step later in time, so a stable sort by customer keeps the orders of each in time order.
    order = np.argsort(customer, kind="stable")
    customer = customer[order]
    number_of = np.concatenate([part[1] for part in drawn])[order]
    ordered = np.concatenate([part[2] for part in drawn])[order]
    online = np.concatenate([part[3] for part in drawn])[order]
    late = np.concatenate([part[4] for part in drawn])[order]
    last = np.append(customer[1:] != customer[:-1], True)
    promised, delivered = _draw_delivery(random, settings, ordered, online, late)
    app = random.random(len(ordered)) < customers.app_share[customer]
    return Orders(
        customer=customer,
        number=number_of,
        time=ordered,
        channel=np.where(online, np.where(app, 2, 1), 0),
        promised=promised,
        delivered=delivered,
        value=random.standard_gamma(settings.p, len(ordered)) / customers.value_rate[customer],
        dropped_out=dropped_out,
        active_until=np.where(dropped_out, ordered[last], float(days)),
    )


def _draw_delivery(
    random: np.random.Generator, settings: ShopSettings, ordered: Floats, online: Flags, late: Flags
) -> tuple[Floats, Floats]:
    """Draw the date promised, two to six days on, and the date of delivery; NaN for orders in the store."""
    count = len(ordered)
    promised = ordered + random.integers(2, 7, size=count)
    in_time = ordered + (promised - ordered) * (0.3 + 0.7 * random.random(count))
    too_late = promised + random.standard_exponential(count) * settings.late_days
    delivered = np.where(late, too_late, in_time)
    return np.where(online, promised, np.nan), np.where(online, delivered, np.nan)
