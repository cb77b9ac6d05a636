"""What the served scorer makes of the rows it is given, and of scores that are not known."""

import json
from decimal import Decimal

import numpy as np
import pandas as pd
import pytest

from models.scoring.entry import as_doubles, with_nulls

COLUMNS = {
    "int64": pd.Series([1, 2**40]),
    "nullable": pd.Series([1, None], dtype="Int64"),
    "unsigned": pd.Series([1, 2], dtype="uint8"),
    "bool": pd.Series([True, False]),
    "objects": pd.Series([1, None], dtype=object),
    "decimals": pd.Series([Decimal("1.5"), Decimal(2)], dtype=object),
    "nothing": pd.Series([None, None], dtype=object),
    "no_text": pd.Series([None, None], dtype="str"),
}


def test_numbers_of_any_kind_become_doubles():
    doubles = as_doubles(pd.DataFrame(COLUMNS).assign(customer_id="a"), [*COLUMNS, "of_others"])
    expected = {
        "int64": [1, 2**40],
        "nullable": [1, np.nan],
        "unsigned": [1, 2],
        "bool": [1, 0],
        "objects": [1, np.nan],
        "decimals": [1.5, 2],
        "nothing": [np.nan] * 2,
        "no_text": [np.nan] * 2,
    }
    pd.testing.assert_frame_equal(doubles, pd.DataFrame(expected, dtype="float64"))
    pd.testing.assert_frame_equal(as_doubles({"a": [1, 2]}, ["a"]), pd.DataFrame({"a": [1.0, 2.0]}))


@pytest.mark.parametrize(
    ("column", "kind"),
    [
        (pd.Series(["1", "2"]), "string"),
        (pd.Series([1, "2"], dtype=object), "mixed-integer"),
        (pd.to_datetime(pd.Series(["2024-01-01"])), "datetime64"),
    ],
)
def test_what_is_no_number_is_refused_with_its_column(column, kind):
    with pytest.raises(TypeError, match=f"column age must hold numbers, and holds {kind}"):
        as_doubles(pd.DataFrame({"T": 1, "age": column}), ["T", "age"])


def test_what_is_not_known_is_null_in_strict_json():
    scores = pd.DataFrame({"a": [1.5, np.nan], "b": [0.1, 0.2], "c": np.array(["x", None], dtype=object)})
    told = with_nulls(scores)
    assert json.loads(json.dumps(told.to_dict("records"), allow_nan=False)) == [
        {"a": 1.5, "b": 0.1, "c": "x"},
        {"a": None, "b": 0.2, "c": None},
    ]
    assert scores["a"].isna().tolist() == [False, True]
