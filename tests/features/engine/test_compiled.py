"""What is compiled once and run at many dates is what Ibis would have written for each, and gives the same bits."""

from collections.abc import Sequence
from datetime import date, timedelta

import ibis
import numpy as np
import pandas as pd
import pytest

import features.engine.compiled
from features.describe import describe_everyone, described_beside
from features.engine import kept_texts
from features.engine.compiled import Query, compiled, given, kept_meanwhile
from features.engine.kept_texts import texts_kept_in
from features.outcomes import everyones_purchases_by_day, realised_outcomes, summary_with_outcomes
from features.purchases import purchase_summary
from features.spine import everyone, midnight
from features.tables import Tables
from features.vocabulary import learn_vocabulary
from models.nps.point_in_time import answers_with_features
from models.purchases.fit import fit_purchases_at
from models.purchases.returns_to_come import kept_by_age
from models.segments.rfm import rfm_cuts

DATES = (date(2024, 2, 1), date(2024, 1, 20))


@pytest.fixture
def whole_shop(shop):
    """Give the tables of a shop anew at each call."""
    random = np.random.default_rng(5)

    def row(**others):
        day = date(2024, 1, 1) + timedelta(days=int(random.integers(0, 40)))
        return {"customer_id": str(random.integers(0, 60)), "ts": f"{day}", **others}

    channels = ["web", "shop"]
    sales = [
        row(amount=int(random.integers(-20, 60)), order_id=f"o{k // 3}", channel=channels[k % 2]) for k in range(600)
    ]
    events = [row(kind="visit", value=int(random.integers(0, 9))) for _ in range(300)]
    customers = [{"customer_id": str(k), "age": k, "region": channels[k % 2]} for k in range(50)]
    answers = [row(score=int(random.integers(0, 11))) for _ in range(200)]
    answers = [{**answer, "answered_at": answer["ts"]} for answer in answers]
    return lambda: shop(sales, events=events, customers=customers, answers=answers)


def everything(tables: Tables, dates: Sequence[date]) -> dict[str, pd.DataFrame]:
    """Ask everything that is compiled, at some dates."""
    vocabulary, results = learn_vocabulary(tables, DATES[0], ["age", "region"]), {}
    for as_of in dates:
        until = as_of + timedelta(days=10)
        kept = kept_by_age(tables, as_of)
        fit = fit_purchases_at(tables, as_of, "bg_nbd")
        results |= {
            f"described {as_of}": describe_everyone(tables, as_of, vocabulary),
            f"answers {as_of}": answers_with_features(tables, "nps", vocabulary, before=until),
            f"summary {as_of}": purchase_summary(tables, as_of).order_by("customer_id").to_pandas(),
            f"outcomes {as_of}": realised_outcomes(tables, as_of, 10, until, kept),
            f"summary and outcomes {as_of}": summary_with_outcomes(tables, as_of, 10, until),
            f"by day {as_of}": everyones_purchases_by_day(tables, as_of, until),
            f"fit {as_of}": fit.fits,
            f"rfm {as_of}": pd.DataFrame(vars(rfm_cuts(purchase_summary(tables, as_of)))),
            f"kept {as_of}": pd.DataFrame({"kept": list((kept or {}).values())}),
        }
    return results


def test_what_is_compiled_once_gives_what_each_expression_gives(whole_shop, monkeypatch):
    quick = everything(whole_shop(), DATES)
    monkeypatch.setattr(features.engine.compiled, "is_compilable", lambda tables: False)
    plain = everything(whole_shop(), DATES[1:])
    for name, frame in plain.items():
        pd.testing.assert_frame_equal(quick[name], frame, check_exact=True, obj=name)
    assert all(map(len, plain.values()))


def test_a_text_that_is_kept_is_not_written_again_and_a_damaged_one_is(shop, tmp_path, monkeypatch):
    tables = {"lines": shop([{"customer_id": "a", "ts": "2024-01-03", "amount": 2}]).transactions}
    written = []

    def ask(days):
        features.engine.compiled._text.cache_clear()
        with texts_kept_in(tmp_path / "queries"):
            query = compiled(_recent, tables, DATES, [days])
        return query.sql, query.schema, query.to_pyarrow()

    to_sql = ibis.to_sql
    monkeypatch.setattr(ibis, "to_sql", lambda *asked, **how: written.append(asked) or to_sql(*asked, **how))
    first = ask(3)
    assert ask(3) == first
    assert len(written) == 1
    [file] = (tmp_path / "queries").iterdir()
    file.write_text(file.read_text()[:40])
    assert ask(3) == first
    assert len(written) == 2
    # Another setting, and other code, have texts of their own; the folder holds no more than it may.
    monkeypatch.setattr(kept_texts, "MOST_KEPT", 2)
    assert ask(30)[0] != first[0]
    monkeypatch.setattr(kept_texts, "code_of", lambda package: "other code")
    assert ask(3) == first
    assert len(written) == 4
    assert len(list((tmp_path / "queries").iterdir())) == 2
    # Where nothing can be kept, it is written.
    (tmp_path / "queries").rename(tmp_path / "away")
    (tmp_path / "queries").write_text("in the way")
    assert ask(3) == first


def _recent(tables, before, since, days):
    lines = everyone(tables["lines"], before).visible(tables["lines"]).filter(tables["lines"].ts >= midnight(since))
    return lines.mutate(is_old=ibis.literal(before).delta(lines.ts.date(), unit="day") > days)


def test_the_text_is_the_one_of_the_date_and_is_written_once(shop):
    lines = [{"customer_id": "a", "ts": f"2024-01-{day:02}", "amount": 10 - day} for day in range(1, 20)]
    written = []

    def write(*asked):
        written.append(asked)
        return _recent(*asked)

    for tables in (shop(lines), shop(lines[3:])):
        for dates in ((date(2024, 1, 15), date(2024, 1, 5)), (date(2024, 1, 9), date(2024, 1, 9))):
            query, direct = (ask(write, {"lines": tables.transactions}, dates, [3]) for ask in (compiled, _directly))
            assert isinstance(query, Query)
            assert query.sql == ibis.to_sql(direct, dialect="duckdb", pretty=False)
            assert query.to_pyarrow().equals(direct.to_pyarrow())
    # Four times for the comparison, and once to be compiled.
    assert len(written) == 5
    young, old = (
        compiled(write, {"lines": tables.transactions}, (DATES[1], DATES[1].replace(day=9)), [n]) for n in (3, 30)
    )
    assert sum(young.to_pyarrow()["is_old"].to_pylist()) > sum(old.to_pyarrow()["is_old"].to_pylist())
    # The column that says that nothing was returned makes the table a selection of another one.
    selected = shop(lines[:9]).transactions
    query = compiled(write, {"lines": selected}, (date(2024, 1, 9), date(2024, 1, 2)), [3])
    assert isinstance(query, Query)
    assert query.to_pyarrow().equals(_recent({"lines": selected}, date(2024, 1, 9), date(2024, 1, 2), 3).to_pyarrow())


def _directly(write, tables, dates, settings):
    return write(tables, *dates, *settings)


def test_tables_in_memory_are_asked_by_their_expression():
    rows = ibis.memtable({"x": [1, 2, 3]})
    asked = compiled(lambda tables: tables["rows"].filter(tables["rows"].x > 1), {"rows": rows})
    assert not isinstance(asked, Query)
    assert asked.to_pyarrow()["x"].to_pylist() == [2, 3]


def test_what_is_kept_meanwhile_is_gone_afterwards(shop):
    transactions = shop([{"customer_id": "a", "ts": "2024-01-01", "amount": 1}]).transactions
    before = _tables_beside(transactions)
    with kept_meanwhile(compiled(lambda tables: tables["lines"].select("amount"), {"lines": transactions})) as kept:
        assert kept.count().to_pyarrow().as_py() == 1
        assert _tables_beside(transactions) > before
    assert _tables_beside(transactions) == before


def _tables_beside(table):
    return set(table.get_backend().con.sql("SELECT table_name FROM duckdb_tables()").to_df()["table_name"])


def test_rows_of_this_process_become_a_table_beside_others(shop):
    transactions = shop([{"customer_id": "a", "ts": "2024-01-01", "amount": 1}]).transactions
    ages = given(pd.DataFrame({"customer_id": ["a", "b"], "age": [3, 4]}), transactions)
    assert transactions.join(ages, "customer_id").age.to_pyarrow().to_pylist() == [3]


@pytest.mark.filterwarnings("error:Arrow output:UserWarning")
def test_columns_beside_a_table_are_those_of_the_join_in_its_order(shop):
    transactions = shop(
        [{"customer_id": name, "ts": "2024-01-01", "amount": place} for place, name in enumerate("badb", 1)]
    ).transactions
    totals = compiled(_totals, {"lines": transactions})
    assert isinstance(totals, Query)
    rows = given(pd.DataFrame({"customer_id": ["d", "a", "c", "a"], 'a "score"': [1, 9, 5, 3]}), transactions)
    beside = totals.beside(rows, ["customer_id"], ["customer_id", 'a "score"'])
    joined = rows.inner_join(_totals({"lines": transactions}), ["customer_id"])
    assert beside.to_pyarrow().equals(joined.order_by(["customer_id", 'a "score"']).to_pyarrow())
    assert beside.to_pyarrow()["total"].to_pylist() == [2, 2, 3]
    assert beside.many_to_pyarrow().equals(beside.to_pyarrow())


def _totals(tables):
    return tables["lines"].group_by("customer_id").agg(total=tables["lines"].amount.sum())


def test_answers_and_invitations_are_described_by_one_text(whole_shop, monkeypatch):
    tables, written = whole_shop(), []
    vocabulary = learn_vocabulary(tables, DATES[0], ["age", "region"])
    to_sql = ibis.to_sql
    features.engine.compiled._text.cache_clear()
    monkeypatch.setattr(ibis, "to_sql", lambda *asked, **how: written.append(asked) or to_sql(*asked, **how))
    answers = tables.answers.select("customer_id", "score", as_of=tables.answers.answered_at.date())
    first = described_beside(tables, answers, vocabulary)
    texts = len(written)
    second = described_beside(tables, answers.mutate(is_drawn=answers.score > 5), vocabulary)
    assert len(written) == texts > 0
    pd.testing.assert_frame_equal(second.drop(columns="is_drawn"), first, check_exact=True)
    assert len(first)
