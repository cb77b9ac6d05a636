"""Reading tables where they lie: by name, or Parquet, Delta, Iceberg or ORC by the cluster's own readers."""

import os
import re
from pathlib import Path

import ibis.expr.types as ir

from data.errors import InputError
from data.intake.cluster.session import ClusterBackend, first_line
from data.intake.sources import COMPUTED, Source
from data.secrecy.reasons import reason_of
from data.secrecy.showing import shown_location

FORMATS = ("parquet", "delta", "iceberg", "orc")
"""What may stand before a path, as in delta:/lake/orders."""

_NAME = re.compile(r"[\w`-]+(\.[\w`-]+){0,3}")
_TEXT_FILES = (".csv", ".tsv", ".txt", ".gz", ".zip", ".zst", ".bz2", ".xz")
_OF_FILES = (
    *("time_format", "decimal", "thousands", "unit", "encoding", "separator", "query", "rows"),
    *COMPUTED,
    "repeated",
)


def is_table_name(path: str) -> bool:
    """Whether a source names a table of the cluster, and no path."""
    return _NAME.fullmatch(path) is not None and not path.lower().endswith((*_TEXT_FILES, ".parquet", ".pq", ".orc"))


def read_sources(backend: ClusterBackend, source: Source, table: str) -> tuple[list[ir.Table], tuple[str, ...]]:
    """Open the sources of a table on the cluster; no row is read yet.

    Parameters
    ----------
    backend
        The session with the cluster.
    source
        Names of tables, and paths that the cluster reads: a file or folder of Parquet (partitioned or not), or
        FORMAT:PATH with one of `FORMATS`.
    table
        Which of the four tables it is, for messages.

    Returns
    -------
    list of Table, tuple of str
        The rows of each, and its name.

    Raises
    ------
    InputError
        Where there is no such table or path, it is text, or the settings say how text is written.
    """
    paths = [source.paths] if isinstance(source.paths, (str, Path)) else list(source.paths)
    _check_settings(source, table)
    for name in map(str, paths):
        if name.lower().endswith(_TEXT_FILES):
            raise InputError(
                f"{table}: {shown_location(name)!r} is text, which a cluster is not asked to parse: its columns "
                'have no types. Write it as Parquet, or read it with engine = "duckdb".'
            )
    tables = [_read(backend, str(path), table) for path in paths]
    # What was read may be named; of a URL what may be shown.
    names = tuple(shown_location(name) if "://" in name else name for name in map(str, paths))
    return tables, names


def _check_settings(source: Source, table: str) -> None:
    default = Source("")
    if source.own:
        raise InputError(f'files.{table} is set, which says how single files are written; engine = "spark" reads none.')
    said = [name for name in _OF_FILES if getattr(source, name) != getattr(default, name)]
    if said:
        raise InputError(
            f'formats.{table}.{said[0]} is set, which says how files are written and read: with engine = "spark" the '
            "columns are taken as they are. Make a view on the cluster that holds what you mean, and name that."
        )


def _read(backend: ClusterBackend, name: str, table: str) -> ir.Table:
    given, _, path = name.partition(":")
    try:
        if is_table_name(name):
            frame = backend.session.table(name)
        elif given in FORMATS and not path.startswith("//"):
            frame = backend.session.read.format(given).load(_absolute(path))
        else:
            frame = backend.session.read.parquet(_absolute(name))
        # The first question to the cluster about it; a folder that is not there has no columns on some servers.
        is_there = bool(frame.columns)
        reason = "nothing is there"
    except Exception as error:
        is_there, reason = False, reason_of(first_line(error), [name])
    if not is_there:
        what = "table" if is_table_name(name) else "path"
        raise InputError(
            f"{table}: the cluster cannot read the {what} {shown_location(name)!r} ({reason}). A source is "
            f"the name of a table, a path to Parquet that the cluster sees, or FORMAT:PATH with {', '.join(FORMATS)}."
        )
    view = f"source_{table}_{abs(hash(name)):x}"
    frame.createOrReplaceTempView(view)
    return backend.table(view)


def _absolute(path: str) -> str:
    return path if "://" in path else os.path.abspath(path)  # noqa: PTH100 - a glob is no Path
