"""A textbook shop buys and spends as the closed forms of its models say."""

import math
from datetime import datetime, timedelta

import pytest
from scipy.special import hyp2f1
from scipy.stats import kstest

from data.simulation.shop import textbook, write_shop

REPEATS = """
    select customer_id, joined_at, count(order_id) - 1 as repeats
    from (select distinct customer_id, order_id, ts from transactions) join truth using (customer_id)
    where ts <= joined_at + to_days({days}) and joined_at + to_days({days}) <= timestamp '{end}'
    group by all
"""


def bgnbd_expectation(t, r, alpha, a, b):
    """E[X(t)] of a new customer, Fader, Hardie & Lee (2005), equation (9)."""
    series = hyp2f1(r, b, a + b - 1, t / (alpha + t))
    return (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + t)) ** r * series)


@pytest.mark.parametrize("days", [60, 180, 540])
def test_textbook_purchases_have_the_mean_of_the_closed_form(book, days, one, end):
    query = REPEATS.format(days=days, end=end)
    mean, error, count = one(book, f"select avg(repeats), stddev(repeats) / sqrt(count(*)), count(*) from ({query})")
    shop = textbook()
    assert count > 5_000
    assert abs(mean - bgnbd_expectation(days, shop.r, shop.alpha, shop.a, shop.b)) < 4 * error


def test_textbook_has_the_shares_without_a_repeat_of_the_closed_form(book, one, end):
    shop, days = textbook(), 180
    share, count = one(
        book,
        f"select avg((repeats = 0)::int), count(*) from ({REPEATS.format(days=days, end=end)})",
    )
    expected = (shop.alpha / (shop.alpha + days)) ** shop.r
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


def test_textbook_with_dropout_after_the_first_purchase_is_mbg_nbd(tmp_path, views, one):
    settings = textbook(dropout_after_first=True)
    paths = write_shop(tmp_path, 20_000, seed=3, days=400, settings=settings)
    query = REPEATS.format(days=100, end=datetime(2023, 1, 1) + timedelta(days=400))
    share, count = one(views(paths), f"select avg((repeats = 0)::int), count(*) from ({query})")
    leave = settings.a / (settings.a + settings.b)
    expected = 1 - (1 - leave) * (1 - (settings.alpha / (settings.alpha + 100)) ** settings.r)
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


def test_textbook_spend_is_gamma_gamma(book):
    """The scaled value of an order is F distributed: z q / (v p) ~ F(2p, 2q)."""
    shop = textbook()
    first = book.execute(
        "select sum(amount)::double from transactions where order_id like '%-0' group by order_id"
    ).fetchnumpy()
    z = next(iter(first.values())) * shop.q / (shop.v * shop.p)
    assert len(z) == 30_000
    assert kstest(z, "f", args=(2 * shop.p, 2 * shop.q)).pvalue > 0.001


def test_textbook_has_no_returns_and_satisfaction_does_not_drive_purchases(book, one):
    assert one(book, "select count(*) from transactions where amount < 0") == 0
    dropout, alive = one(
        book,
        "select corr(satisfaction, dropout_probability), corr(satisfaction, alive::int) from truth",
    )
    assert abs(dropout) < 4 / math.sqrt(30_000)
    assert abs(alive) < 4 / math.sqrt(30_000)
