"""Changed rows, compared with customers looked at one by one."""

import math

import pandas as pd
import pyarrow as pa
import pytest

from data.errors import InputError
from models.monitoring.changed_scores import COMPARED, changed_scores
from models.population.scores_table import COLUMNS, SCHEMA, read_metadata, to_table
from tests.models.population.test_scores_table import SAID


def rows_of(changed: pa.Table) -> dict[str, tuple[str, str | None]]:
    return {row["customer_id"]: (row["change"], row["moved"]) for row in changed.to_pylist()}


def test_the_same_table_has_no_changes_though_time_has_passed(four_customers):
    before = to_table(four_customers, SAID)
    later = to_table(
        four_customers.assign(as_of=pd.Timestamp("2024-02-01").as_unit("us"), T=four_customers["T"] + 1), SAID
    )
    changed = changed_scores(later, before)
    assert changed.num_rows == 0
    assert changed.column_names == ["change", "moved", *COLUMNS]
    assert read_metadata(changed) == {**SAID, "tolerance": "0.01"}


def test_new_gone_and_moved_customers_are_told_with_the_columns_that_moved(four_customers):
    before = to_table(four_customers.iloc[:3], SAID)
    gone = four_customers["customer_id"].iloc[0]
    now = four_customers.iloc[1:].copy()
    stays, moves = now["customer_id"].iloc[0], now["customer_id"].iloc[1]
    is_mover = now["customer_id"] == moves
    now.loc[is_mover, ["p_churn", "segment"]] = [now.loc[is_mover, "p_churn"].iloc[0] + 0.02, "another"]
    changed = changed_scores(to_table(now, SAID), before)
    new = four_customers["customer_id"].iloc[3]
    assert rows_of(changed) == {gone: ("gone", None), moves: ("moved", "p_churn, segment"), new: ("new", None)}
    assert stays not in changed["customer_id"].to_pylist()
    assert changed["customer_id"].to_pylist() == sorted(changed["customer_id"].to_pylist())


def differs(name: str, now: object, then: object, tolerance: float) -> bool:
    """The definition, one value at a time."""
    if now is None or then is None:
        return now is not then
    if not isinstance(now, float):
        return now != then
    if name.startswith("p_"):
        return abs(now - then) > tolerance
    if name == "next_purchase_index":
        return abs(now - then) > 100 * tolerance
    return abs(now - then) > max(tolerance * max(abs(now), abs(then)), 0.01)


@pytest.mark.parametrize("tolerance", [0.0, 0.01, 0.1])
def test_random_tables_agree_with_values_compared_one_by_one(four_customers, rng, tolerance):
    many = pd.concat([four_customers] * 50, ignore_index=True)
    many["customer_id"] = [f"c{i:03d}" for i in range(len(many))]
    now = many.copy()
    for name in ("p_purchase", "clv", "expected_purchases", "next_purchase_index", "p_satisfied"):
        now[name] = now[name] * (1 + rng.choice([0, 1e-4, -0.05, 0.3], len(now)))
        now.loc[rng.random(len(now)) < 0.05, name] = math.nan
    then, today = to_table(many, SAID), to_table(now, SAID)
    expected = {}
    for row, earlier in zip(today.to_pylist(), then.to_pylist(), strict=True):
        moved = [name for name in COMPARED if differs(name, row[name], earlier[name], tolerance)]
        if moved:
            expected[row["customer_id"]] = ("moved", ", ".join(moved))
    assert 20 < len(expected) < 200
    assert rows_of(changed_scores(today, then, tolerance)) == expected


def test_a_column_of_later_tables_is_not_compared_with_earlier_ones(four_customers):
    table = to_table(four_customers, SAID)
    assert changed_scores(table, table.drop_columns("p_any_revenue")).num_rows == 0
    of_gone = changed_scores(table.slice(0, 1), table.drop_columns("p_any_revenue"))
    assert of_gone["p_any_revenue"].null_count == of_gone.num_rows == 3
    assert of_gone.schema.field("p_any_revenue").type == SCHEMA.field("p_any_revenue").type


def test_a_tolerance_that_is_no_share_is_refused(four_customers):
    table = to_table(four_customers, SAID)
    with pytest.raises(InputError, match=r"from 0 to 1, got 1\.5"):
        changed_scores(table, table, 1.5)
