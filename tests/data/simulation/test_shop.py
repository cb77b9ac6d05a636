"""The simulated shop: its tables hold the truth they were drawn from, and nothing of the future."""

import math
from datetime import date, datetime, timedelta

import duckdb
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.special import hyp2f1
from scipy.stats import kstest

from data.errors import InputError
from data.simulation import shop as simulated
from data.simulation.answers import CSAT_SHARES, NPS_SHARES, draw_points, nps_probabilities, point_probabilities
from data.simulation.shop import ShopSettings, textbook, write_shop

CUSTOMERS, DAYS, START = 30_000, 730, date(2023, 1, 1)
END = datetime(2023, 1, 1) + timedelta(days=DAYS)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """A connection with the tables of a default shop, two blocks of customers."""
    paths = write_shop(
        tmp_path_factory.mktemp("shop"), CUSTOMERS, seed=11, days=DAYS, settings=ShopSettings(csat_share=0.5)
    )
    return views(paths)


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    """The same of a textbook shop."""
    return views(write_shop(tmp_path_factory.mktemp("book"), CUSTOMERS, seed=12, days=DAYS, settings=textbook()))


def views(paths):
    connection = duckdb.connect()
    for name, path in paths.items():
        connection.execute(f"create view {name} as from read_parquet('{path}')")
    return connection


def one(connection, query):
    [row] = connection.execute(query).fetchall()
    return row[0] if len(row) == 1 else row


def bgnbd_expectation(t, r, alpha, a, b):
    """E[X(t)] of a new customer, Fader, Hardie & Lee (2005), equation (9)."""
    series = hyp2f1(r, b, a + b - 1, t / (alpha + t))
    return (a + b - 1) / (a - 1) * (1 - (alpha / (alpha + t)) ** r * series)


REPEATS = """
    select customer_id, joined_at, count(order_id) - 1 as repeats
    from (select distinct customer_id, order_id, ts from transactions) join truth using (customer_id)
    where ts <= joined_at + to_days({days}) and joined_at + to_days({days}) <= timestamp '{end}'
    group by all
"""


@pytest.mark.parametrize("days", [60, 180, 540])
def test_textbook_purchases_have_the_mean_of_the_closed_form(book, days):
    query = REPEATS.format(days=days, end=END)
    mean, error, count = one(book, f"select avg(repeats), stddev(repeats) / sqrt(count(*)), count(*) from ({query})")
    shop = textbook()
    assert count > 5_000
    assert abs(mean - bgnbd_expectation(days, shop.r, shop.alpha, shop.a, shop.b)) < 4 * error


def test_textbook_has_the_shares_without_a_repeat_of_the_closed_form(book):
    shop, days = textbook(), 180
    share, count = one(
        book,
        f"select avg((repeats = 0)::int), count(*) from ({REPEATS.format(days=days, end=END)})",
    )
    expected = (shop.alpha / (shop.alpha + days)) ** shop.r
    assert abs(share - expected) < 4 * math.sqrt(expected * (1 - expected) / count)


def test_textbook_with_dropout_after_the_first_purchase_is_mbg_nbd(tmp_path):
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
    assert len(z) == CUSTOMERS
    assert kstest(z, "f", args=(2 * shop.p, 2 * shop.q)).pvalue > 0.001


def test_textbook_has_no_returns_and_satisfaction_has_no_say_in_purchases(book):
    assert one(book, "select count(*) from transactions where amount < 0") == 0
    dropout, alive = one(
        book,
        "select corr(satisfaction, dropout_probability), corr(satisfaction, alive::int) from truth",
    )
    assert abs(dropout) < 4 / math.sqrt(CUSTOMERS)
    assert abs(alive) < 4 / math.sqrt(CUSTOMERS)


def test_truth_is_what_was_drawn_from(shop):
    truth = shop.execute("from truth").df()
    settings = ShopSettings()
    n = len(truth)
    assert n == CUSTOMERS
    assert truth.customer_id.is_unique
    assert kstest(truth.satisfaction, "norm").pvalue > 0.001
    assert kstest(truth.purchase_rate, "gamma", args=(settings.r, 0, 1 / settings.alpha)).pvalue > 0.001
    assert np.allclose(truth[["p_detractor", "p_passive", "p_promoter"]].sum(axis=1), 1)
    assert truth.p_response.between(0, 1).all()
    # The mean over the base is that of the shares, 32 % detractors and 35 % promoters.
    nps = 100 * (truth.p_promoter - truth.p_detractor)
    assert abs(nps.mean() - 3.0) < 4 * nps.std() / math.sqrt(n)


@pytest.mark.parametrize("low, high, least", [("-1e9", "-1", 1.0), ("-1", "0", 0.5), ("0", "1e9", 0.0)])
def test_returns_come_at_the_rate_of_the_truth(shop, low, high, least):
    """Lines old enough to have come back, by satisfaction: the observed share against the stated one."""
    settings = ShopSettings()
    lines = shop.execute(
        f"""select satisfaction, r.line_id is not null as returned
        from transactions s join truth using (customer_id) left join transactions r
            on r.order_id = s.order_id and r.line_id = s.line_id || 'R'
        where s.amount > 0 and s.ts < timestamp '{END}' - to_days(29)
            and satisfaction >= {low} and satisfaction < {high}"""
    ).df()
    odds = settings.return_share / (1 - settings.return_share)
    odds = odds * np.exp(-settings.return_effect * lines.satisfaction)
    expected = odds / (1 + odds)
    error = math.sqrt((expected * (1 - expected)).sum()) / len(lines)
    assert abs(lines.returned.mean() - expected.mean()) < 4 * error
    assert expected.mean() > 0.06 * least


def test_a_return_undoes_its_sale(shop):
    returns, matched = one(
        shop,
        """select count(*), count(s.order_id) from transactions r left join transactions s
            on s.order_id = r.order_id and s.line_id || 'R' = r.line_id and s.customer_id = r.customer_id
            and s.amount = -r.amount and s.quantity = -r.quantity and s.ts < r.ts
        where r.amount < 0""",
    )
    assert returns > 1_000
    assert matched == returns


@pytest.mark.parametrize(
    "what, query",
    [
        (
            "late deliveries",
            "select customer_id, avg((value > 0)::int) as y from events where kind = 'delivered' group by 1",
        ),
        ("returns", "select customer_id, avg((amount < 0)::int) as y from transactions group by 1"),
        (
            "contacts",
            "select customer_id, count(*) filter (kind = 'support_contact') / count(*) filter (kind = 'promised') as y"
            " from events group by 1 having count(*) filter (kind = 'promised') > 0",
        ),
        ("minutes waited", "select customer_id, value as y from events where kind = 'support_contact'"),
        ("dropout", "select customer_id, 1 - alive::int as y from truth"),
        ("silence", "select customer_id, 1 - p_response as y from truth"),
        (
            "detractors",
            "select customer_id, (score <= 6)::int as y from answers where question = 'nps' and score is not null",
        ),
        ("low csat", "select customer_id, -score as y from answers where question = 'csat' and score is not null"),
    ],
)
def test_satisfied_customers_have_less_of_it(shop, what, query):
    correlation, count = one(
        shop, f"select corr(y, satisfaction), count(*) from ({query}) join truth using (customer_id)"
    )
    assert correlation < -0.05, what
    assert correlation < -4 / math.sqrt(count), what


def test_a_late_delivery_makes_dropping_out_likelier(shop):
    """After each repeat order: the share that never orders again, by whether this one came late."""
    late, in_time = one(
        shop,
        """with orders as (
            select distinct customer_id, order_id, ts from transactions where amount > 0
        ), followed as (
            select *, lead(ts) over history is null as last, row_number() over history as number
            from orders window history as (partition by customer_id order by ts)
        )
        select avg(last::int) filter (value > 0), avg(last::int) filter (value <= 0)
        from followed join events as p on p.customer_id = followed.customer_id and p.ts = followed.ts
            and p.kind = 'promised'
        join events as d on d.customer_id = p.customer_id and d.due_at = p.due_at and d.kind = 'delivered'
        where number > 1 and followed.ts < timestamp '2024-01-01'""".replace("value", "d.value"),
    )
    assert late > in_time + 0.05


def test_answers_have_the_shares_of_the_truth(shop):
    """Among those who answered, the observed shares are the mean of their true probabilities."""
    answered = shop.execute(
        """select p_detractor, p_promoter, score <= 6 as detractor, score >= 9 as promoter
        from answers join truth using (customer_id) where question = 'nps' and score is not null"""
    ).df()
    for category in ("detractor", "promoter"):
        p = answered["p_" + category]
        error = math.sqrt((p * (1 - p)).sum()) / len(p)
        assert abs(answered[category].mean() - p.mean()) < 4 * error


def test_those_who_answer_are_more_satisfied_than_the_base(shop):
    survey, error, truth = one(
        shop,
        """select avg(nps), stddev(nps) / sqrt(count(*)), (select 100 * avg(p_promoter - p_detractor) from truth)
        from (select case when score >= 9 then 100 when score >= 7 then 0 else -100 end as nps
            from answers where question = 'nps' and score is not null)""",
    )
    assert survey > truth + 4
    assert survey > truth + 3 * error


def test_without_effects_on_the_response_the_survey_is_right(tmp_path):
    settings = ShopSettings(response_behaviour=0.0, invited_share=0.5)
    connection = views(write_shop(tmp_path, 20_000, seed=5, days=400, settings=settings))
    rate, invitations = one(connection, "select avg((score is not null)::int), count(*) from answers")
    # Some of the last wave's answers are still to come at the end.
    assert abs(rate - settings.response_rate) < 0.02
    survey, truth, clusters = one(
        connection,
        """select 100 * avg((score >= 9)::int - (score <= 6)::int), (select 100 * avg(p_promoter - p_detractor)
            from truth), count(distinct customer_id) from answers where score is not null""",
    )
    assert invitations > 10_000
    assert abs(survey - truth) < 4 * 85 / math.sqrt(clusters)


def test_response_probability_is_the_share_that_answers(tmp_path):
    """A wave on the last morning: the truth states the chance at the end, a day later."""
    settings = ShopSettings(first_wave=380, wave_every=500, invited_share=1.0)
    connection = views(write_shop(tmp_path, 20_000, seed=6, days=400, settings=settings))
    share, expected, low, high = one(
        connection,
        """with ranked as (select *, ntile(4) over (order by p_response) as quarter
            from answers join truth using (customer_id) where joined_at < invited_at)
        select avg((score is not null)::int), avg(p_response),
            avg((score is not null)::int) filter (quarter = 1), avg((score is not null)::int) filter (quarter = 4)
        from ranked""",
    )
    assert abs(share - expected) < 0.02
    assert high > 2 * low


def test_nothing_is_dated_at_or_after_the_end(shop):
    for column, table in (
        ("ts", "transactions"),
        ("ts", "events"),
        ("available_at", "events"),
        ("invited_at", "answers"),
        ("answered_at", "answers"),
        ("valid_from", "customers"),
    ):
        first, last = one(shop, f"select min({column}), max({column}) from {table}")
        assert datetime(2023, 1, 1) <= first, (table, column)
        assert last < END, (table, column)
    assert one(shop, f"select count(*) from events where due_at >= timestamp '{END}'") > 0


def test_answers_come_after_invitations_to_customers_who_have_bought(shop):
    wrong, early, silent, answered = one(
        shop,
        """select count(*) filter (answered_at < invited_at), count(*) filter (joined_at >= invited_at),
            count(*) filter (score is null), count(*) filter (score is not null)
        from answers join truth using (customer_id)""",
    )
    assert (wrong, early) == (0, 0)
    assert silent > answered > 1_000
    assert one(shop, "select count(*) from answers where (score is null) <> (answered_at is null)") == 0
    assert one(shop, "select min(score), max(score) from answers where question = 'nps'") == (0, 10)
    assert one(shop, "select min(score), max(score) from answers where question = 'csat'") == (1, 5)


def test_each_delivery_belongs_to_one_promise_and_some_are_overdue(shop):
    promised, distinct = one(
        shop, "select count(*), count(distinct (customer_id, due_at)) from events where kind = 'promised'"
    )
    assert promised == distinct
    matched = one(
        shop,
        """select count(*) from events d join events p using (customer_id, due_at)
        where d.kind = 'delivered' and p.kind = 'promised' and p.ts < d.ts and d.available_at >= d.ts
            and (d.value > 0) <= (d.ts >= d.due_at)""",
    )
    assert matched == one(shop, "select count(*) from events where kind = 'delivered'")
    overdue = one(
        shop,
        f"""select count(*) from events p where kind = 'promised' and due_at < timestamp '{END}' and not exists
        (from events d where d.kind = 'delivered' and d.customer_id = p.customer_id and d.due_at = p.due_at)""",
    )
    assert overdue > 0


def test_visits_end_with_dropping_out(shop):
    assert (
        one(
            shop,
            """select count(*) from events join truth using (customer_id)
        where kind = 'visit' and (ts > last_active_at or ts < joined_at)""",
        )
        == 0
    )


def test_lines_are_unique_and_ids_keep_their_zeros(shop):
    assert one(shop, "select count(*) - count(distinct (order_id, line_id)) from transactions") == 0
    assert one(shop, "select min(customer_id), max(customer_id) from customers") == ("00000001", "00030000")
    # Plain text to every reader, though stored as a dictionary.
    assert one(shop, "select count(*) from transactions anti join customers using (customer_id)") == 0


def test_same_seed_same_bytes_and_customers_come_in_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr(simulated, "BLOCK_SIZE", 300)
    once = write_shop(tmp_path / "a", 700, seed=1, days=200)
    again = write_shop(tmp_path / "b", 700, seed=1, days=200)
    other = write_shop(tmp_path / "c", 700, seed=2, days=200)
    for name, path in once.items():
        assert path.read_bytes() == again[name].read_bytes()
        assert path.read_bytes() != other[name].read_bytes()
    # A larger shop begins with the same blocks.
    more = write_shop(tmp_path / "d", 900, seed=1, days=200)
    for name, path in once.items():
        few = pq.read_table(path, filters=[("customer_id", "<=", "00000600")])
        assert few.num_rows > 0
        assert few.equals(pq.read_table(more[name], filters=[("customer_id", "<=", "00000600")]))


def test_columns_are_plain_types_to_every_reader(tmp_path):
    paths = write_shop(tmp_path, 50, seed=1, days=300)
    schema = pq.read_schema(paths["transactions"])
    assert str(schema.field("customer_id").type) == "string"
    assert str(schema.field("amount").type) == "decimal128(18, 2)"
    assert pd.api.types.is_string_dtype(pd.read_parquet(paths["events"]).kind)


@pytest.mark.parametrize("size", [{"customers": 0}, {"days": 0}, {"seed": -1}])
def test_a_shop_of_nothing_is_a_clear_mistake(tmp_path, size):
    [(name, value)] = size.items()
    with pytest.raises(InputError, match=rf"{name} of at least \d, got {value}"):
        write_shop(tmp_path, **{"customers": 5, "seed": 1, **size})


@pytest.mark.parametrize(
    "wrong",
    [{"r": 0.0}, {"alpha": -1.0}, {"online": 1.5}, {"return_share": -0.1}, {"reliability": 1.0}, {"a": math.nan}],
)
def test_settings_no_shop_can_have_are_refused(wrong):
    with pytest.raises(InputError, match=next(iter(wrong))):
        ShopSettings(**wrong)


def test_one_customer_one_day_is_a_shop(tmp_path):
    paths = write_shop(tmp_path, 1, seed=1, days=1)
    assert pq.read_table(paths["transactions"]).num_rows >= 1
    assert pq.read_table(paths["answers"]).num_rows == 0


def test_point_probabilities_are_the_shares_drawn():
    random = np.random.default_rng(4)
    satisfaction = np.array([-1.5, 0.0, 2.0])
    expected = point_probabilities(satisfaction, 0.6, NPS_SHARES)
    assert np.allclose(expected.sum(axis=1), 1)
    for level, row in zip(satisfaction, expected, strict=True):
        points = draw_points(np.full(200_000, level), random.standard_normal(200_000), 0.6, NPS_SHARES)
        assert np.allclose(np.bincount(points, minlength=11) / 200_000, row, atol=0.005)
    grouped = np.stack([expected[:, :7].sum(1), expected[:, 7:9].sum(1), expected[:, 9:].sum(1)], axis=1)
    assert np.allclose(nps_probabilities(satisfaction, 0.6), grouped)


def test_a_standard_normal_base_answers_in_the_shares_given():
    random = np.random.default_rng(5)
    for reliability in (0.0, 0.6):
        points = draw_points(*random.standard_normal((2, 200_000)), reliability, CSAT_SHARES)
        assert np.allclose(np.bincount(points) / 200_000, CSAT_SHARES, atol=0.005)
