"""JSON lines: an object a line becomes a row; the values of objects in objects get columns such as customer.id."""

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

import duckdb
import pyarrow as pa

from data.errors import InputError
from data.intake.sources import File
from data.intake.sql import quote

_BLANK = b" \t\r\n\xef\xbb\xbf"
_TYPES = {"UBIGINT": "HUGEINT", "BIGINT": "HUGEINT", "HUGEINT": "HUGEINT", "DOUBLE": "DOUBLE", "BOOLEAN": "BOOLEAN"}
"""Types in the structure of JSON values -> the SQL type that they are read as; all else stays text."""


def is_json(start: bytes) -> bool:
    """Whether a text is JSON, by how it starts."""
    text = start.lstrip(_BLANK)
    return text.startswith(b"{") or (text.startswith(b"[") and text[1:].lstrip(_BLANK).startswith(b"{"))


def load_json(
    connection: duckdb.DuckDBPyConnection, blocks: Iterable[bytes], relation: str, file: File
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Write the objects of a text into a table as `data.intake.raw.RawFile` describes it.

    A line that is no object has the shape 4. An array of objects is read as well; its lines are counted by objects.

    Parameters
    ----------
    connection
        The working database.
    blocks
        UTF-8 text.
    relation
        Name of the table that is made.
    file
        The file, to name it.

    Returns
    -------
    header, types
        Names of the columns, and their SQL types.

    Raises
    ------
    InputError
        No line is an object, or the array cannot be read.
    """
    lines = f"{relation}_lines"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {lines} (line BIGINT, text VARCHAR)")
    parts = iter(blocks)
    first = next(parts, b"")
    whole = chain([first], parts)
    objects = _array(whole, file) if first.lstrip(_BLANK).startswith(b"[") else _lines(whole)
    for batch in objects:
        connection.register("json_batch", batch)
        connection.execute(f"INSERT INTO {lines} SELECT line, text FROM json_batch WHERE trim(text) <> ''")
        connection.unregister("json_batch")
    is_object = "json_valid(text) AND json_type(CASE WHEN json_valid(text) THEN text END) = 'OBJECT'"
    row = connection.execute(f"SELECT json_group_structure(text::JSON) FROM {lines} WHERE {is_object}").fetchone()
    leaves = list(_leaves(json.loads(row[0]))) if row and row[0] else []
    if not leaves:
        raise InputError(
            f"{file.name} looks like JSON, but no line of it is an object. Write one object a line (JSON lines), "
            "or an array of objects."
        )
    paths = ", ".join(quote(path) for _, path, _ in leaves)
    cells = "".join(
        f", {f'TRY_CAST(cells[{k}] AS {kind})' if kind != 'VARCHAR' else f'cells[{k}]'} AS c{k - 1}"
        for k, (_, _, kind) in enumerate(leaves, start=1)
    )
    connection.execute(
        f"""
        CREATE TABLE {relation} AS
        SELECT line, CASE WHEN good THEN 0 ELSE 4 END::TINYINT AS shape,
               CASE WHEN NOT good THEN [text] END AS odd{cells}
        FROM (SELECT line, text, good, json_extract_string(CASE WHEN good THEN text END, [{paths}]) AS cells
              FROM (SELECT line, text, {is_object} AS good FROM {lines}))
        """
    )
    connection.execute(f"DROP TABLE {lines}")
    return tuple(name for name, _, _ in leaves), tuple(kind for _, _, kind in leaves)


def _leaves(structure: Mapping[str, Any], name: str = "", path: str = "") -> Iterator[tuple[str, str, str]]:
    """Give the name, JSON pointer and SQL type of each value in an object; a list stays one text."""
    for key, kind in structure.items():
        pointer = f"{path}/{key.replace('~', '~0').replace('/', '~1')}"
        full = f"{name}.{key}" if name else key
        if isinstance(kind, Mapping):
            yield from _leaves(kind, full, pointer)
        else:
            yield full, pointer, _TYPES.get(kind, "VARCHAR") if isinstance(kind, str) else "VARCHAR"


def _lines(blocks: Iterable[bytes]) -> Iterator[pa.Table]:
    number, rest = 0, b""
    for block in chain(blocks, [b"\n"]):
        *lines, rest = (rest + block).split(b"\n")
        numbers = pa.array(range(number + 1, number + 1 + len(lines)), pa.int64())
        yield pa.table({"line": numbers, "text": pa.array([line.decode() for line in lines], pa.string())})
        number += len(lines)


def _array(blocks: Iterable[bytes], file: File) -> Iterator[pa.Table]:
    try:
        objects = json.loads(b"".join(blocks))
    except ValueError as error:
        raise InputError(f"{file.name} cannot be read as JSON: {error}. Fetch or write it again.") from None
    texts = pa.array([json.dumps(each, ensure_ascii=False) for each in objects], pa.string())
    yield pa.table({"line": pa.array(range(1, len(objects) + 1), pa.int64()), "text": texts})
