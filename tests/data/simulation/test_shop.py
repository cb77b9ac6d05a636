"""The tables of a simulated shop hold the truth they were drawn from, and nothing of the future."""

import math
from datetime import datetime

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from scipy.stats import kstest

from data.errors import InputError
from data.simulation import shop as simulated
from data.simulation.shop import ShopSettings, write_shop


def test_truth_is_what_was_drawn_from(shop):
    truth = shop.execute("from truth").df()
    settings = ShopSettings()
    n = len(truth)
    assert n == 30_000
    assert truth.customer_id.is_unique
    assert kstest(truth.satisfaction, "norm").pvalue > 0.001
    assert kstest(truth.purchase_rate, "gamma", args=(settings.r, 0, 1 / settings.alpha)).pvalue > 0.001
    assert np.allclose(truth[["p_detractor", "p_passive", "p_promoter"]].sum(axis=1), 1)
    assert truth.p_response.between(0, 1).all()
    # The mean over the base is that of the shares, 32 % detractors and 35 % promoters.
    nps = 100 * (truth.p_promoter - truth.p_detractor)
    assert abs(nps.mean() - 3.0) < 4 * nps.std() / math.sqrt(n)


@pytest.mark.parametrize("low, high, least", [("-1e9", "-1", 1.0), ("-1", "0", 0.5), ("0", "1e9", 0.0)])
def test_returns_come_at_the_rate_of_the_truth(shop, low, high, least, end):
    """Lines old enough to have come back, by satisfaction: the observed share against the stated one."""
    settings = ShopSettings()
    lines = shop.execute(
        f"""select satisfaction, r.line_id is not null as returned
        from transactions s join truth using (customer_id) left join transactions r
            on r.order_id = s.order_id and r.line_id = s.line_id || 'R'
        where s.amount > 0 and s.ts < timestamp '{end}' - to_days(29)
            and satisfaction >= {low} and satisfaction < {high}"""
    ).df()
    odds = settings.return_share / (1 - settings.return_share)
    odds = odds * np.exp(-settings.return_effect * lines.satisfaction)
    expected = odds / (1 + odds)
    error = math.sqrt((expected * (1 - expected)).sum()) / len(lines)
    assert abs(lines.returned.mean() - expected.mean()) < 4 * error
    assert expected.mean() > 0.06 * least


def test_a_return_undoes_its_sale(shop, one):
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
        ("no response", "select customer_id, 1 - p_response as y from truth"),
        (
            "detractors",
            "select customer_id, (score <= 6)::int as y from answers where question = 'nps' and score is not null",
        ),
        ("low csat", "select customer_id, -score as y from answers where question = 'csat' and score is not null"),
    ],
)
def test_satisfied_customers_have_less_of_it(shop, what, query, one):
    correlation, count = one(
        shop, f"select corr(y, satisfaction), count(*) from ({query}) join truth using (customer_id)"
    )
    assert correlation < -0.05, what
    assert correlation < -4 / math.sqrt(count), what


def test_a_late_delivery_makes_dropping_out_likelier(shop, one):
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


def test_nothing_is_dated_at_or_after_the_end(shop, one, end):
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
        assert last < end, (table, column)
    assert one(shop, f"select count(*) from events where due_at >= timestamp '{end}'") > 0


def test_each_delivery_belongs_to_one_promise_and_some_are_overdue(shop, one, end):
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
        f"""select count(*) from events p where kind = 'promised' and due_at < timestamp '{end}' and not exists
        (from events d where d.kind = 'delivered' and d.customer_id = p.customer_id and d.due_at = p.due_at)""",
    )
    assert overdue > 0


def test_visits_end_with_dropping_out(shop, one):
    assert (
        one(
            shop,
            """select count(*) from events join truth using (customer_id)
        where kind = 'visit' and (ts > last_active_at or ts < joined_at)""",
        )
        == 0
    )


def test_lines_are_unique_and_ids_keep_their_zeros(shop, one):
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
