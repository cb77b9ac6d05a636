"""A grammar of settings files and environments that are broken, as hypothesis draws them."""

import json
from collections.abc import Mapping
from datetime import date
from typing import Any

from hypothesis import strategies as st

from flows.formats import Format
from flows.settings import TABLES, Settings

NAMES = sorted(Settings.model_fields)
FREE = [
    "currency",
    "nps_question",
    "segments",
    "mlruns",
    "core_action",
    "tags",
    "notes",
    "scales",
    "columns",
    "as_of",
] * 3
"""Settings that take many values."""

ODD = [
    "",
    " ",
    "nan",
    "-1",
    "1e999",
    "9" * 400,
    "0",
    "true",
    "{",
    "[",
    "[1",
    '{"a": 1}',
    '["a"]',
    "null",
    "2024-02-30",
    "1-5",
]
ODD += [
    "5-1",
    "0-0",
    "é",
    "\u202e",
    "\ud7ff",
    "x" * 5_000,
    "http://u:p@h:x/",
    "http://[::1",
    "postgresql://u:p/w@h/d/t",
    "\\",
    "'",
]
ODD += [
    "/",
    "..",
    "~",
    "~nobody/x",
    "*",
    "[!]",
    "Europe/Berlin",
    "Europe",
    "../UTC",
    "utf-16",
    "cp1252",
    "rot13",
    ",",
    ",,",
    "\t",
]
ODD += [
    "777",
    "8888",
    "a,b",
    "a.b=c",
    "%Y",
    "amount > 0",
    "SELECT 1; DROP TABLE x",
    "(" * 900,
    "[" * 5_000,
    "1" + "+1" * 3_000,
]
texts = st.one_of(st.sampled_from(ODD), st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=9))
plain = st.one_of(
    texts,
    texts,
    st.integers(-2, 12),
    st.sampled_from([2**31, 2**63, -(2**64), 10**400, 0.5, 1e308, float("nan"), float("inf")]),
    st.booleans(),
    st.dates(),
    st.sampled_from([[], {}]),
)
keys = st.one_of(
    st.sampled_from([*TABLES, *Format.model_fields, "customer_id", "ts", "amount", "nps", "champions"]), texts
)
values = st.recursive(
    plain, lambda more: st.one_of(st.lists(more, max_size=3), st.dictionaries(keys, more, max_size=3)), max_leaves=5
)


@st.composite
def settings_files(draw: Any) -> bytes:
    """A revealed.toml of up to four settings; one of five is broken as a text, too."""
    lines = ['transactions = "sales.csv"']
    for _ in range(draw(st.integers(0, 3))):
        name = draw(st.sampled_from(FREE + NAMES[1:] + ["nothing"]))
        lines.append(f"{json.dumps(name)} = {_toml(draw(values))}")
    text = "\n".join(lines).encode()
    if not draw(st.integers(0, 4)):
        at = draw(st.integers(0, len(text)))
        text = (
            text[:at]
            + draw(st.sampled_from([b"\xff", b"\0", b"\n", b"=", b"[", b'"', b"", b"[" * 4_000]))
            + text[at + 1 :]
        )
    return text


@st.composite
def environments(draw: Any) -> dict[str, str]:
    """Variables of up to three settings, whole or in parts, and of the tools beneath."""
    found = {"REVEALED_TRANSACTIONS": "sales.csv"}
    for _ in range(draw(st.integers(1, 3))):
        within = draw(st.lists(st.sampled_from([*TABLES, *Format.model_fields]), max_size=2))
        parts = [draw(st.sampled_from(FREE + NAMES)), *within]
        name = f"REVEALED_{'__'.join(parts).upper()}"
        value = draw(st.one_of(texts, values.map(lambda value: json.dumps(value, default=str))))
        found[draw(st.sampled_from([name] * 9 + ["MLFLOW_TRACKING_URI"]))] = value
    return found


def _toml(value: Any) -> str:
    """Write a value as TOML has it."""
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{json.dumps(key)} = {_toml(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, value)) + "]"
    if isinstance(value, (date, float)):
        return str(value)
    return json.dumps(value)
