"""Cells of tables for spreadsheets, which take a text for a formula by its first sign."""

import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.compute as pc

if TYPE_CHECKING:
    import pandas as pd

_FORMULA = r"^[=+\-@\t\r\n]"
_NUMBER = r"^[+-]?\d+([.,]\d+)*$"


def escape_formulas(table: pa.Table) -> tuple[pa.Table, int]:
    """Put an apostrophe before each text that a spreadsheet would take for a formula; what is a number stays one.

    Parameters
    ----------
    table : pyarrow.Table
        Only its columns of text are looked at.

    Returns
    -------
    tuple of (pyarrow.Table, int)
        The table, and how many cells were changed.
    """
    changed = 0
    for place, field in enumerate(table.schema):
        if not (pa.types.is_string(field.type) or pa.types.is_large_string(field.type)):
            continue
        cells = table[field.name]
        is_number = pc.match_substring_regex(cells, pattern=_NUMBER)
        is_formula = pc.and_not(pc.match_substring_regex(cells, pattern=_FORMULA), is_number)
        here = pc.sum(is_formula).as_py() or 0
        if here:
            escaped = pc.replace_substring_regex(cells, pattern=r"^", replacement="'", max_replacements=1)
            table = table.set_column(place, field, pc.if_else(is_formula, escaped, cells))
            changed += here
    return table, changed


def escape_frame(frame: "pd.DataFrame") -> "tuple[pd.DataFrame, int]":
    """Do the same with a data frame."""
    # One customer is looked up without pandas.
    import pandas as pd

    formula, number = re.compile(_FORMULA), re.compile(_NUMBER)
    changed = 0
    escaped = frame.copy()
    for name in frame.columns:
        if pd.api.types.is_numeric_dtype(frame[name]) or pd.api.types.is_datetime64_any_dtype(frame[name]):
            continue
        is_formula = frame[name].map(lambda v: isinstance(v, str) and bool(formula.match(v)) and not number.match(v))
        if is_formula.any():
            escaped[name] = frame[name].astype(object).where(~is_formula, "'" + frame[name].astype(str))
            changed += int(is_formula.sum())
    return escaped, changed


def told(changed: int) -> str:
    """Say how many cells were changed, and how to leave them."""
    return (
        f"An apostrophe stands before {changed:,} cells that a spreadsheet would take for formulas; --raw leaves them "
        "as they are."
    )
