"""The contract of the published table: what it holds, and that each violation of it is named."""

from datetime import date

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from data.errors import RevealedError
from models.population.scores_contract import check_scores, check_stored_scores
from models.population.scores_table import (
    COLUMNS,
    METADATA_KEYS,
    SCHEMA,
    read_metadata,
    to_table,
    write_scores,
)

CUSTOMERS = 4
SAID = {key: f"the {key}" for key in METADATA_KEYS}


@pytest.fixture
def scores(four_customers):
    return four_customers


@pytest.fixture
def table(scores):
    return to_table(scores, SAID)


def with_cell(table, column, row, value):
    """The same table with one other value, as a faulty writer would leave it."""
    place = SCHEMA.get_field_index(column)
    cells = table[column].to_pylist()
    cells[row] = value
    return table.set_column(place, table.schema.field(column), pa.array(cells, SCHEMA.field(column).type))


def test_a_good_table_passes_and_says_where_it_comes_from(table, tmp_path):
    check_scores(table, customers=CUSTOMERS)
    assert table["customer_id"].to_pylist() == ["007", "a", "b", "ü"]
    assert table["as_of"].to_pylist() == [date(2024, 1, 31)] * CUSTOMERS
    assert table["next_purchase_index_change"].to_pylist() == [1.5, None, None, -2.0]
    assert table["p_satisfied"].null_count == 0
    assert read_metadata(table) == SAID
    write_scores([table], tmp_path / "scores.parquet")
    back = pq.read_table(tmp_path / "scores.parquet")
    check_scores(back, customers=CUSTOMERS)
    assert back.equals(table)
    assert read_metadata(back.schema) == SAID


def test_the_columns_are_those_of_the_contract():
    assert (
        *("customer_id", "as_of", "first_purchase", "last_purchase", "frequency", "recency", "T", "monetary_value"),
        *("p_alive", "p_purchase", "expected_purchases", "p_churn", "expected_spend", "expected_revenue"),
        *("p_any_revenue", "revenue_low", "revenue_high", "clv", "clv_low", "clv_high"),
        *("next_purchase_index", "next_purchase_index_change", "rfm", "segment", "segment_before", "persona"),
        *("p_detractor", "p_passive", "p_promoter", "nps_category", "nps_source", "nps_category_before"),
        *("p_satisfied", "reasons"),
    ) == COLUMNS


def test_a_file_is_written_once(table, tmp_path):
    file = tmp_path / "scores.parquet"
    write_scores([table], file)
    before = file.read_bytes()
    with pytest.raises(FileExistsError):
        write_scores([table.slice(0, 1)], file)
    assert file.read_bytes() == before


def test_without_an_nps_model_its_columns_are_null_and_typed(scores):
    scores[["p_detractor", "p_passive", "p_promoter", "p_satisfied"]] = np.nan
    scores[["nps_category", "nps_source", "nps_category_before", "reasons"]] = None
    table = to_table(scores, SAID)
    check_scores(table)
    for name in ("p_detractor", "nps_category", "nps_source", "nps_category_before", "p_satisfied", "reasons"):
        assert table[name].null_count == CUSTOMERS
        assert table[name].type == SCHEMA.field(name).type


def test_where_nothing_tells_the_categories_apart_everyone_has_shares_and_no_category(scores):
    scores["nps_source"], scores["nps_category"] = "prior", None
    check_scores(to_table(scores, SAID))
    scores["nps_source"], scores[["p_detractor", "p_passive", "p_promoter"]] = None, np.nan
    scores["nps_category"] = "passive"
    with pytest.raises(RevealedError, match=r"nps_category .* is there without an NPS in 4 rows"):
        check_scores(to_table(scores, SAID))


NAN, INFINITY = float("nan"), float("inf")
NPS = "p_detractor, p_passive, p_promoter, nps_source"
FORECAST = (
    "p_purchase, expected_purchases, p_churn, expected_spend, expected_revenue, revenue_low, revenue_high, clv, "
    "clv_low, clv_high, next_purchase_index"
)


@pytest.mark.parametrize(
    ("column", "value", "violation"),
    [
        ("clv", NAN, "clv is NaN or infinite in 1 rows"),
        ("p_detractor", NAN, "p_detractor is NaN or infinite in 1 rows"),
        ("expected_revenue", INFINITY, "expected_revenue is NaN or infinite in 1 rows"),
        ("next_purchase_index_change", -INFINITY, "next_purchase_index_change is NaN or infinite in 1 rows"),
        ("clv", None, f"{FORECAST} are null only in part in 1 rows"),
        ("T", None, "T is null in 1 rows"),
        ("segment", None, "segment is null in 1 rows"),
        ("last_purchase", None, "last_purchase is null in 1 rows"),
        ("customer_id", "a", "customer_id is repeated in 1 rows"),
        ("p_purchase", 1.0000001, "p_purchase is outside 0..1 in 1 rows"),
        ("p_churn", -1e-9, "p_churn is outside 0..1 in 1 rows"),
        ("p_any_revenue", 1.5, "p_any_revenue is outside 0..1 in 1 rows"),
        ("p_satisfied", 2.0, "p_satisfied is outside 0..1 in 1 rows"),
        ("p_passive", 0.2501, "p_detractor does not sum to 1 with p_passive and p_promoter in 1 rows"),
        (
            "p_passive",
            None,
            f"{NPS} are null only in part in 1 rows",
        ),
        (
            "nps_source",
            None,
            f"{NPS} are null only in part in 1 rows",
        ),
        (
            "nps_category",
            None,
            "nps_category is null with a model of the NPS, or is there without an NPS in 1 rows",
        ),
        ("clv_low", 91.0, "clv_low is not in order with clv_high in 1 rows"),
        ("clv", 91.0, "clv_low is not in order with clv_high in 1 rows"),
        ("clv_high", 89.0, "clv_low is not in order with clv_high in 1 rows"),
        ("revenue_high", 0.05, "revenue_low is not in order with revenue_high in 1 rows"),
    ],
)
def test_each_breach_is_told_by_name(table, column, value, violation):
    broken = with_cell(table, column, 0, value)
    with pytest.raises(RevealedError) as error:
        check_scores(broken, customers=CUSTOMERS)
    assert str(error.value) == f"the scores break their contract: {violation}; nothing was published"


def test_p_alive_may_be_null_in_part_and_a_forecast_as_a_whole(table):
    check_scores(with_cell(table, "p_alive", 0, None), customers=CUSTOMERS)
    check_scores(without_forecast(table), customers=CUSTOMERS)


def test_a_table_of_an_earlier_release_may_forbid_nulls_that_are_allowed_now(table):
    strict = pa.schema([field.with_nullable(field.name == "persona") for field in table.schema], table.schema.metadata)
    filled = with_cell(table, "persona", 0, None)
    dense = [name for name in table.column_names if filled[name].null_count == 0 or name == "persona"]
    check_scores(
        filled.select(dense).cast(pa.schema([strict.field(name) for name in dense], strict.metadata)), is_older=True
    )


def test_missing_rows_and_an_empty_table_are_told(table):
    with pytest.raises(RevealedError, match="customer_id holds 3 of 4 rows"):
        check_scores(table.slice(1), customers=CUSTOMERS)
    with pytest.raises(RevealedError, match="customer_id holds no customer"):
        check_scores(table.slice(0, 0))


def test_another_schema_is_told(table):
    wrong_type = table.set_column(4, "frequency", table["frequency"].cast(pa.int32()))
    renamed = table.rename_columns([*COLUMNS[:-1], "why"])
    for other in (wrong_type, renamed, table.drop_columns(["rfm"]), table.select(COLUMNS[::-1])):
        with pytest.raises(RevealedError, match="schema differs from the contract"):
            check_scores(other.replace_schema_metadata(table.schema.metadata))


@pytest.mark.parametrize("key", METADATA_KEYS)
def test_missing_metadata_is_told(scores, table, key):
    metadata = dict(table.schema.metadata)
    del metadata[f"revealed.{key}".encode()]
    with pytest.raises(RevealedError, match=f"metadata lacks {key};"):
        check_scores(table.replace_schema_metadata(metadata))
    with pytest.raises(KeyError, match=key):
        to_table(scores, {k: v for k, v in SAID.items() if k != key})


def test_a_score_that_is_missing_is_never_written(scores):
    scores.loc[1, "monetary_value"] = np.nan
    with pytest.raises(ValueError, match="monetary_value"):
        to_table(scores, SAID)


def test_a_table_of_an_earlier_release_may_lack_what_was_added_since(table):
    older = table.drop_columns(["nps_category_before", "p_satisfied"])
    with pytest.raises(RevealedError, match="differs from the contract"):
        check_scores(older)
    check_scores(older, is_older=True)
    with pytest.raises(RevealedError, match="clv_high, next_purchase_index are null only in part"):
        check_scores(table.drop_columns(["clv"]), is_older=True)
    with pytest.raises(RevealedError, match="differs from the contract"):
        check_scores(table.drop_columns(["segment"]), is_older=True)


@pytest.mark.parametrize(
    ("change", "violation"),
    [
        (lambda parts: [*parts, parts[0]], "customer_id is repeated in 2 rows"),
        (lambda parts: parts[:1], "customer_id holds 2 of 4 rows"),
        (lambda parts: [parts[0], without_forecast(parts[1])], f"{FORECAST} are null only in part in 2 rows"),
        (lambda parts: [parts[0], with_cell(parts[1], "p_churn", 1, 2.0)], "p_churn is outside 0..1 in 1 rows"),
    ],
)
def test_a_stored_file_is_checked_across_its_parts(table, change, violation, tmp_path, monkeypatch):
    monkeypatch.setattr("models.population.scores_contract.GROUP_ROWS", 2)
    parts = [table.slice(0, 2), table.slice(2)]
    write_scores(parts, tmp_path / "good.parquet")
    check_stored_scores(tmp_path / "good.parquet", customers=CUSTOMERS)
    write_scores([table.slice(0, 0)], tmp_path / "nobody.parquet")
    with pytest.raises(RevealedError, match="customer_id holds no customer"):
        check_stored_scores(tmp_path / "nobody.parquet")
    # In another order it is the same table.
    write_scores(parts[::-1], tmp_path / "turned.parquet")
    check_stored_scores(tmp_path / "turned.parquet", customers=CUSTOMERS)
    write_scores(change(parts), tmp_path / "wrong.parquet")
    rows = pq.read_metadata(tmp_path / "wrong.parquet").num_rows
    with pytest.raises(RevealedError) as error:
        check_stored_scores(tmp_path / "wrong.parquet", customers=max(rows, CUSTOMERS))
    assert str(error.value) == f"the scores break their contract: {violation}; nothing was published"


def without_forecast(table):
    """The same table without a forecast, p_alive included."""
    for name in ("p_alive", *FORECAST.split(", ")):
        place = table.schema.get_field_index(name)
        table = table.set_column(place, table.schema.field(name), pa.nulls(len(table), pa.float64()))
    return table
