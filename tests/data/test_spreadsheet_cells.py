"""What a spreadsheet would take for a formula gets an apostrophe; numbers and all other texts stay."""

import pandas as pd
import pyarrow as pa
import pytest

from data.spreadsheet_cells import escape_formulas, escape_frame

FORMULAS = ["=1+1", "=HYPERLINK(A1)", "+49 12", "-a", "-1+2", "@x", "\tq", "\r=1", "\n=1"]
OTHERS = ["", "a", "0042", "-5", "-5.25", "-5,3", "+49123", "a=b", "ü", None]


@pytest.mark.parametrize("large", [False, True])
def test_formulas_are_escaped_and_nothing_else_is(large):
    texts = pa.array(FORMULAS + OTHERS, pa.large_string() if large else pa.string())
    table = pa.table({"id": texts, "clv": [-1.5] * len(texts)})
    escaped, changed = escape_formulas(table)
    assert escaped["id"].to_pylist() == ["'" + text for text in FORMULAS] + OTHERS
    assert escaped.schema == table.schema
    assert escaped["clv"].equals(table["clv"])
    assert changed == len(FORMULAS)


def test_a_frame_is_escaped_in_the_same_way():
    frame = pd.DataFrame({"id": FORMULAS + OTHERS, "value": -2.0, "day": pd.Timestamp("2024-01-01")})
    before = frame.copy()
    escaped, changed = escape_frame(frame)
    assert escaped["id"].tolist()[: len(FORMULAS)] == ["'" + text for text in FORMULAS]
    pd.testing.assert_frame_equal(escaped[len(FORMULAS) :], before[len(FORMULAS) :], check_dtype=False)
    pd.testing.assert_frame_equal(frame, before)
    assert changed == len(FORMULAS)
