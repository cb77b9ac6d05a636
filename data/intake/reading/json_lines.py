"""JSON lines: an object a line becomes a row; the values of objects in objects get columns such as customer.id."""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain, islice
from typing import Any

import duckdb
import pyarrow as pa

from data.errors import InputError
from data.intake.reading.matching import check_header, check_width
from data.intake.sources import File
from data.intake.sql import only_row, quote
from data.intake.streaming.json_array import JsonArray

_BLANK = b" \t\r\n\xef\xbb\xbf"
DEEPEST = 64
"""Most objects and lists that may stand in each other; the engine's functions fail at a hundred."""

_AT_ONCE = 50_000
_MANY = 10_000
"""Structures of objects from which on their names are counted before all is put together."""

_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*"|[\[{]|[\]}]')
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

    A line that is no object has the shape 4, and one that is nested deeper than `DEEPEST` the shape 5. An array of
    objects is read as well; its lines are counted by objects.

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
        No line is an object, there are too many names in them, or the array cannot be read.
    """
    lines = f"{relation}_lines"
    connection.execute(f"CREATE OR REPLACE TEMP TABLE {lines} (line BIGINT, text VARCHAR, deep BOOLEAN DEFAULT false)")
    parts = iter(blocks)
    first = next(parts, b"")
    whole = chain([first], parts)
    objects = _array(whole, file) if first.lstrip(_BLANK).startswith(b"[") else _lines(whole)
    for batch in objects:
        connection.register("json_batch", batch)
        connection.execute(f"INSERT INTO {lines} (line, text) SELECT line, text FROM json_batch WHERE trim(text) <> ''")
        connection.unregister("json_batch")
    _mark_deep(connection, lines)
    is_object = "json_valid(text) AND json_type(CASE WHEN json_valid(text) THEN text END) = 'OBJECT' AND NOT deep"
    structure = _structure(connection, lines, is_object, file)
    # Of objects that are all empty there is no structure.
    leaves = list(_leaves(structure)) if isinstance(structure, Mapping) else []
    if not leaves:
        raise InputError(
            f"{file.name} looks like JSON, but no line of it is an object. Write one object a line (JSON lines), "
            "or an array of objects."
        )
    check_header([name for name, _, _ in leaves], file.name)
    paths = ", ".join(quote(path) for _, path, _ in leaves)
    cells = "".join(
        f", {f'TRY_CAST(cells[{k}] AS {kind})' if kind != 'VARCHAR' else f'cells[{k}]'} AS c{k - 1}"
        for k, (_, _, kind) in enumerate(leaves, start=1)
    )
    connection.execute(
        f"""
        CREATE TABLE {relation} AS
        SELECT line, CASE WHEN deep THEN 5 WHEN good THEN 0 ELSE 4 END::TINYINT AS shape,
               CASE WHEN NOT good THEN [text] END AS odd{cells}
        FROM (SELECT line, text, deep, good, json_extract_string(CASE WHEN good THEN text END, [{paths}]) AS cells
              FROM (SELECT line, text, deep, {is_object} AS good FROM {lines}))
        """
    )
    connection.execute(f"DROP TABLE {lines}")
    return tuple(name for name, _, _ in leaves), tuple(kind for _, _, kind in leaves)


def _mark_deep(connection: duckdb.DuckDBPyConnection, lines: str) -> None:
    """Mark the lines that are nested too deep: of the few that hold so many brackets each is looked at."""
    brackets = "length(text) - length(translate(text, '[{', ''))"
    found = connection.execute(f"SELECT line, text FROM {lines} WHERE {brackets} > {DEEPEST}")
    deep = []
    while rows := found.fetchmany(1_000):
        deep += [line for line, text in rows if _depth(text) > DEEPEST]
    if deep:
        connection.execute(f"UPDATE {lines} SET deep = true WHERE line IN (SELECT unnest(?::BIGINT[]))", [deep])


def _depth(text: str) -> int:
    """Return how many brackets are open at most; what stands in quotes opens none."""
    depth = deepest = 0
    for match in _BRACKETS.finditer(text):
        sign = text[match.start()]
        depth += (sign in "[{") - (sign in "]}")
        deepest = max(deepest, depth)
        if deepest > DEEPEST:
            break
    return deepest


def _structure(connection: duckdb.DuckDBPyConnection, lines: str, is_object: str, file: File) -> Any:
    """Put the structures of all objects together; nothing where there is none."""
    # One line of each structure does: the engine holds all of them at once.
    connection.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE structures AS
        SELECT min(line) AS line, arg_min(text, line) AS text FROM {lines} WHERE {is_object}
        GROUP BY json_structure(text)
        """
    )
    try:
        if only_row(connection, "SELECT count(*) FROM structures")[0] > _MANY:
            keys = "SELECT count(DISTINCT key) FROM (SELECT unnest(json_keys(text)) AS key FROM structures)"
            check_width(only_row(connection, keys)[0], file.name)
        query = "SELECT json_structure('[' || string_agg(text, ',' ORDER BY line) || ']') -> 0 FROM structures"
        (structure,) = only_row(connection, query)
    finally:
        connection.execute("DROP TABLE structures")
    return json.loads(structure) if structure else {}


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


def _array(blocks: Iterator[bytes], file: File) -> Iterator[pa.Table]:
    number, values = 0, JsonArray(blocks).values()
    try:
        while texts := list(map(json.dumps, islice(values, _AT_ONCE))):
            numbers = pa.array(range(number + 1, number + 1 + len(texts)), pa.int64())
            yield pa.table({"line": numbers, "text": pa.array(texts, pa.string())})
            number += len(texts)
    except RecursionError:
        raise InputError(f"{file.name} cannot be read as JSON: it is nested too deep. Write it flatter.") from None
    except ValueError as error:
        raise InputError(f"{file.name} cannot be read as JSON: {error}. Fetch or write it again.") from None
