"""SQL that a store keeps from one run to the next, so that a nightly scoring does not write again what is the same.

Writing it takes a tenth of a retraining of 20,000 customers. The file of a text is named by a digest of all that
decides it: the code, the libraries, the columns of its tables and its settings. It holds names of columns, categories
and kinds of events, as parameters of a scorer do, and nothing of customers. Losing it costs only time.
"""

import hashlib
import json
import sys
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import ibis

from features.engine.kept_files import keep_file

# A run has about forty; more are left by other code or other settings.
MOST_KEPT = 200
# Whose code any text rests on, beside the package of the function that writes it.
_BASIS = ("data", "features")
_LIBRARIES = ("ibis-framework", "sqlglot", "duckdb")
_folder: ContextVar[Path | None] = ContextVar("where texts are kept", default=None)


@contextmanager
def texts_kept_in(folder: Path | None) -> Iterator[None]:
    """Keep texts in a folder, which need not exist yet, while the block runs; None keeps nothing."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def kept_text(
    write: Callable[..., Any],
    columns: tuple[tuple[str, ibis.Schema], ...],
    dates: int,
    settings: Sequence[Hashable],
    text: Callable[[], tuple[str, ibis.Schema]],
) -> tuple[str, ibis.Schema]:
    """Give a text and the schema of its rows as they are kept, else write and keep them.

    Parameters
    ----------
    write, columns, dates, settings
        All that the text depends on, as `features.engine.compiled` has it. What is not plain (texts, numbers, truth
        values, tuples of them) is never kept.
    text
        Writes it.
    """
    folder = _folder.get()
    file = None if folder is None else _file(folder, write, columns, dates, settings)
    if file is None:
        return text()
    found = _read(file)
    if found is None:
        found = text()
        _keep(file, *found)
    return found


def _file(
    folder: Path,
    write: Callable[..., Any],
    columns: tuple[tuple[str, ibis.Schema], ...],
    dates: int,
    settings: Sequence[Hashable],
) -> Path | None:
    # Of a function within another one the name does not tell what it writes.
    if "<" in write.__qualname__:
        return None
    tables, code = [(name, _types(schema)) for name, schema in columns], code_of(write.__module__.partition(".")[0])
    try:
        parts = json.dumps([write.__module__, write.__qualname__, tables, dates, list(settings), code])
    except (TypeError, ValueError, OSError):
        return None
    return folder / f"{hashlib.sha256(parts.encode()).hexdigest()}.json"


@cache
def code_of(package: str) -> str:
    """Give one digest of all code that decides the texts of a package, and of the libraries' versions."""
    digest = hashlib.sha256(" ".join(version(library) for library in _LIBRARIES).encode())
    for name in sorted({*_BASIS, package}):
        digest.update(_files_of(name))
    return digest.hexdigest()


@cache
def _files_of(package: str) -> bytes:
    digest, root = hashlib.sha256(), Path(sys.modules[package].__path__[0])
    for file in sorted(root.rglob("*.py")):
        digest.update(str(file.relative_to(root.parent)).encode())
        digest.update(file.read_bytes())
    return digest.digest()


def _types(schema: ibis.Schema) -> list[tuple[str, str]]:
    return [(name, str(kind)) for name, kind in schema.items()]


def _read(file: Path) -> tuple[str, ibis.Schema] | None:
    """Read a text; None where it is not kept, or what is kept is damaged."""
    try:
        kept = json.loads(file.read_bytes())
        return str(kept["sql"]), ibis.schema([(name, kind) for name, kind in kept["schema"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _keep(file: Path, sql: str, schema: ibis.Schema) -> None:
    """Keep a text, unless its schema cannot be written down."""
    types = _types(schema)
    if ibis.schema(types) == schema:
        keep_file(file, json.dumps({"sql": sql, "schema": types}), MOST_KEPT)
