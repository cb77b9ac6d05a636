"""Broken tables as files of each format, and files that are broken as such."""

import bz2
import csv
import gzip
import io
import json
import lzma
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from hypothesis import strategies as st

from tests.faults.malformed.cells import Table, broken_tables, odd_cells
from tests.workbooks import write_workbook


def _as_csv(draw: Any, table: Table, folder: Path) -> bytes:
    text = io.StringIO()
    style = draw(st.sampled_from([csv.QUOTE_MINIMAL] * 4 + [csv.QUOTE_ALL, csv.QUOTE_NONE]))
    writer = csv.writer(
        text,
        delimiter=draw(st.sampled_from(",,,;;\t|:")),
        lineterminator=draw(st.sampled_from(["\n", "\n", "\r\n", "\r", "\n\n", "\n\r"])),
        quoting=style,
        escapechar="\\" if style == csv.QUOTE_NONE else None,
    )
    for record in ([table.header] if table.header else []) + list(table.records):
        try:
            writer.writerow(record)
        except csv.Error:
            text.write("\n")
    start = draw(st.sampled_from([""] * 9 + ["\ufeff", "sep=,\n", "sep=;\r\n", "\n\n", "Report of 2024\n\n", "#"]))
    end = draw(st.sampled_from(["", "", "\n", "\n\n\n", "\x1a", '"', "Total,,"]))
    encoding = draw(st.sampled_from(["utf-8"] * 24 + ["utf-16", "utf-16-le", "utf-32", "cp1252", "gb18030", "utf-7"]))
    whole = (start + text.getvalue() + end).encode(encoding, errors="replace")
    return whole[: -draw(st.integers(1, 9))] if not draw(st.integers(0, 4)) and len(whole) > 20 else whole


def _as_packed(draw: Any, table: Table, folder: Path) -> bytes:
    content = _as_csv(draw, table, folder)
    pack: Callable[[bytes], bytes] = draw(st.sampled_from([gzip.compress, bz2.compress, lzma.compress, _zstandard]))
    packed = pack(content)
    return draw(
        st.sampled_from(
            [packed] * 9
            + [packed + packed, packed + b"\0" * 9, packed + b"rest", pack(packed), packed[:-4], packed[:3]]
        )
    )


def _zstandard(content: bytes) -> bytes:
    out = pa.BufferOutputStream()
    with pa.CompressedOutputStream(out, "zstd") as stream:
        stream.write(content)
    return out.getvalue().to_pybytes()


_ODD_TYPES = [
    pa.array([b"\xff\xfe\0", None], pa.binary()),
    pa.array([b"ab", b"cd"], pa.binary(2)),
    pa.array([[1, None], None], pa.list_(pa.int8())),
    pa.array([{"a": 1}, None], pa.struct([("a", pa.int64())])),
    pa.array([[("k", 1)], None], pa.map_(pa.string(), pa.int64())),
    pa.array([None, None], pa.null()),
    pa.array([2**64 - 1, None], pa.uint64()),
    pa.array([Decimal("9" * 38), None], pa.decimal128(38, 0)),
    pa.array([Decimal("1.5"), None], pa.decimal256(76, 10)),
    pa.array([10**12, -(10**12)], pa.timestamp("s")),
    pa.array([2**63 - 1, -(2**63) + 1], pa.timestamp("us")),
    pa.array([2**63 - 1, 0], pa.timestamp("ns", tz="Asia/Tokyo")),
    pa.array([10**13, None], pa.timestamp("ms", tz="+05:30")),
    pa.array([2**31 - 1, -(2**31)], pa.date32()),
    pa.array([1, None], pa.time64("ns")),
    pa.array([1, None], pa.duration("us")),
    pa.array([float("nan"), float("-inf")], pa.float64()),
    pa.array([1.5, float("inf")], pa.float32()),
    pa.array([1.5, 65504.0], pa.float16()),
    pa.array([True, None]),
    pa.array(["A", "A"]).dictionary_encode(),
    pa.array(["x" * 70_000, ""], pa.large_string()),
    pa.array([-128, 127], pa.int8()),
]


def _as_parquet(draw: Any, table: Table, folder: Path) -> bytes:
    rows, columns = len(table.records), []
    for at in range(len(table.header)):
        odd = draw(st.sampled_from([None] * 99 + list(range(len(_ODD_TYPES)))))
        if odd is None or not rows:
            columns.append(
                pa.array([record[at] if at < len(record) else None for record in table.records], pa.string())
            )
        else:
            columns.append(pa.concat_arrays([_ODD_TYPES[odd]] * (rows // 2 + 1))[:rows])
    out = pa.BufferOutputStream()
    names = [name.encode(errors="replace").decode() for name in table.header]
    pq.write_table(
        pa.Table.from_arrays(columns, names=names) if columns else pa.table({}),
        out,
        compression=draw(st.sampled_from(["none", "snappy", "gzip", "zstd", "brotli"])),
        row_group_size=draw(st.sampled_from([1, 1000])),
        write_statistics=draw(st.booleans()),
    )
    return out.getvalue().to_pybytes()


_JSON = [
    "[" * 40_000,
    '{"a":' * 2_000 + "1" + "}" * 2_000,
    '{"customer_id": "A", "customer_id": "B"}',
    "[]",
    "null",
    '"A"',
    "{",
    "}",
]
_JSON += [
    '{"ts": NaN}',
    '{"amount": 1e999}',
    '{"amount": ' + "9" * 5_000 + "}",
    '{"customer_id": "\\ud800"}',
    "{}",
    '{"": 1}',
]
_JSON += [
    '{"customer_id": "a\\u0000b"}',
    "{'a': 1}",
    '{"a/b~c": {"d\\"e": [1, {"f": 2}]}}',
    '{"customer_id": {"id": 1}}',
    "{,}",
]
_JSON += [
    '{"amount": [1, 2]}',
    '{"ts": {"$date": 0}}',
    '{"amount": -0.0}',
    '{"a": 1} {"a": 2}',
    "\ufeff{}",
    "//",
    '{"customer_id": true}',
]


def _as_json(draw: Any, table: Table, folder: Path) -> bytes:
    def value(cell: str) -> Any:
        kind = draw(st.sampled_from(["text", "text", "text", "number", "null", "nested"]))
        if kind == "number":
            return draw(st.sampled_from([0, -1, 2.5, 1e300, 10**30, True]))
        return {"text": cell, "null": None, "nested": {"x": cell, "y": [cell]}}[kind]

    lines = [
        json.dumps({n: value(c) for n, c in zip(table.header, r, strict=False)}, ensure_ascii=draw(st.booleans()))
        for r in table.records
    ]
    for _ in range(draw(st.integers(0, 3))):
        line = draw(st.one_of(st.sampled_from(_JSON), odd_cells))
        lines.insert(draw(st.integers(min(len(lines), 1), len(lines))), line)
    if draw(st.sampled_from([False, False, False, True])):
        text = "[" + ",\n".join(lines) + draw(st.sampled_from(["]", "", ",]", "]]"]))
    else:
        text = draw(st.sampled_from(["\n", "\r\n", "\n\n", "\r"])).join(lines)
    return text.encode(errors="replace")


_SHEET = "xl/worksheets/sheet1.xml"


def _as_workbook(draw: Any, table: Table, folder: Path) -> bytes:
    def cell(text: str) -> Any:
        text = "".join(sign for sign in text if sign.isprintable() or sign in "\n\t")[:32_000]
        try:
            return float(text) if draw(st.booleans()) else text
        except ValueError:
            return text

    width = 26
    rows = [[cell(each) for each in record[:width]] for record in (table.header, *table.records)]
    sheets = {"S": rows} | ({"T": []} if draw(st.booleans()) else {})
    return write_workbook(folder / "draft.xlsx", sheets, change=draw(st.sampled_from(_CHANGES_OF_SHEETS))).read_bytes()


_CHANGES_OF_SHEETS: list[Callable[[str], str]] = [
    lambda xml: xml,
    lambda xml: xml,
    lambda xml: xml.replace('r="A2"', 'r="XFD1048576"'),
    lambda xml: xml.replace('r="B2"', 'r="ZZZZ99999999"'),
    lambda xml: xml.replace('r="A', 'r="'),
    lambda xml: xml.replace("<v>", "<v>1e999"),
    lambda xml: xml.replace("<v>", "<v>#REF!").replace('s="1"', 't="e"'),
    lambda xml: xml.replace("<v>", "<f>A1/0</f><v>"),
    lambda xml: xml.replace('t="inlineStr"', 't="s"'),
    lambda xml: xml.replace('t="inlineStr"', 't="d"'),
    lambda xml: xml.replace("</worksheet>", ""),
    lambda xml: xml[: len(xml) // 2],
    lambda xml: xml.replace("<sheetData>", '<dimension ref="A1:XFD1048576"/><sheetData>'),
    lambda xml: xml.replace("<sheetData>", '<!DOCTYPE a [<!ENTITY b "c">]><sheetData>'),
    lambda _: "",
]
FORMATS = {"csv": _as_csv, "packed": _as_packed, "parquet": _as_parquet, "json": _as_json, "xlsx": _as_workbook}


@st.composite
def broken_files(draw: Any, name: str, written: str, folder: Path) -> bytes:
    """A file of a table in a format; one of six is broken as such, too: cut, or with bytes of another."""
    content = FORMATS[written](draw, draw(broken_tables(name)), folder)
    if not draw(st.integers(0, 5)) and content:
        at, more = draw(st.integers(0, len(content))), draw(st.integers(0, 40))
        other = draw(st.one_of(st.just(b""), st.binary(max_size=8), st.sampled_from([b"\xff", b"\0" * 9, b"\n", b'"'])))
        content = content[:at] + other + (content[at + more :] if draw(st.booleans()) else b"")
    return content
