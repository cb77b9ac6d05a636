"""Where tables come from: paths, folders, globs and URLs. Finds or fetches the files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from encodings.aliases import aliases
from fnmatch import fnmatchcase
from glob import glob, has_magic
from pathlib import Path

from data.errors import InputError
from data.intake.urls.fetching import fetch
from data.secrecy.showing import HIDDEN, describe, nearest, shown_location

_PACKED = ("", ".gz", ".bz2", ".xz", ".zst")
_TEXTS = (".csv", ".tsv", ".txt", ".jsonl", ".ndjson", ".json")
SUFFIXES = (
    *(text + packed for packed in _PACKED for text in _TEXTS),
    *(".parquet", ".pq", ".xlsx", ".xlsm", ".xlsb", ".xls", ".ods"),
)
"""Endings of the files that are read from a folder; a path or a glob may name any file."""

COMPUTED = ("customer_id", "amount", "ts", "answered_at")
"""Contract columns that an expression over the files' columns may give."""


@dataclass(frozen=True)
class Source:
    """Where one table is read from, and how.

    Parameters
    ----------
    paths
        Paths, folders, globs or URLs: one, or several.
    columns
        Name in the contract -> name in the files, for those that differ.
    time_format
        `strptime` format of times as text, epoch_s, epoch_ms, epoch_us, epoch_ns or excel; found where None.
    decimal
        The decimal mark of numbers written as text, "." or ","; found by evidence where None.
    thousands
        The mark between thousands of numbers in text: ".", ",", " ", "'", or "" for none; found by evidence where None.
    unit
        "cents" where amounts of money are written in hundredths.
    encoding
        Python's name of the encoding of CSV files; UTF-8, or what a byte-order mark says, where None.
    separator
        The separator of CSV files; found from the header where None.
    sheet
        The sheet of a workbook that is read, or several by their names or by patterns such as ``*``; the first that
        holds anything where None.
    header_line
        The line or row with the names of the columns, from 1; the first that is not blank where None.
    amount, ts, answered_at
        SQL expressions over the files' columns that give these columns; the columns themselves where None.
    rows
        SQL expression over the files' columns that is true for the rows to read; all rows where None.
    repeated
        "drop" where rows that equal another one in every column that is read count once; "keep" where each counts.
    query
        SQL query that is run in the databases among the paths, in the place of a table; none where None.
    before
        The as_of that is asked for: of databases only the rows before it are read; all rows where None.
    redirects
        "any" where the server of a URL may lead on to this machine and to private networks; else "public".
    own
        Name of a file, or a pattern -> how such files are written that are written otherwise: it takes the place of all
        of this but for `paths`, `repeated`, `query`, `before` and `redirects`.
    section
        The section of the settings that says all this, where it is not that of the table.
    """

    # A URL may hold a password: it is kept out of the repr.
    paths: str | Path | Sequence[str | Path] = field(repr=False)
    columns: Mapping[str, str] = field(default_factory=dict)
    time_format: str | None = None
    decimal: str | None = None
    thousands: str | None = None
    unit: str | None = None
    encoding: str | None = None
    separator: str | None = None
    sheet: str | Sequence[str] | None = None
    header_line: int | None = None
    customer_id: str | None = None
    amount: str | None = None
    ts: str | None = None
    answered_at: str | None = None
    rows: str | None = None
    repeated: str = "keep"
    query: str | None = None
    before: date | None = None
    redirects: str = "public"
    own: Mapping[str, "Source"] = field(default_factory=dict)
    section: str = ""

    def __post_init__(self) -> None:
        if self.decimal not in (None, ".", ","):
            raise InputError(f'decimal must be "." or ",", got {describe(self.decimal)}.')
        if self.thousands not in (None, "", ".", ",", " ", "'"):
            raise InputError(f"thousands must be one of . , ' or a blank, or nothing, got {describe(self.thousands)}.")
        if self.thousands and self.thousands == self.decimal:
            raise InputError(f"decimal and thousands are both {self.decimal!r}; they must differ.")
        if self.repeated not in ("keep", "drop"):
            raise InputError(f'repeated must be "keep" or "drop", got {describe(self.repeated)}.')
        if self.unit not in (None, "cents"):
            raise InputError(f'unit must be "cents" or left out, got {describe(self.unit)}.')
        if self.separator is not None and (len(self.separator) != 1 or not self.separator.isascii()):
            raise InputError(
                f'separator must be one character such as ";" or a tab ("\\t"), got {describe(self.separator)}.'
            )
        if self.encoding is not None:
            try:
                b"a".decode(self.encoding, errors="ignore")
            except LookupError:
                raise InputError(
                    f'encoding is {describe(self.encoding)}, and not known; give one of Python\'s names, e.g. "cp1252".'
                    f"{nearest(self.encoding, (name for name in aliases.values() if not name.endswith('_codec')))}"
                ) from None

    @property
    def computed(self) -> dict[str, str]:
        """Contract column -> the expression that gives it, of those that have one."""
        return {name: text for name in COMPUTED if (text := getattr(self, name)) is not None}

    def of(self, file: "File") -> "Source":
        """Return how a file is written: as its own settings say, or those of its workbook, where there are any."""
        for name in (file.name, file.name.removesuffix(f"/{file.sheet}")):
            for pattern, other in self.own.items():
                if f"/{name}".endswith(f"/{pattern}") or fnmatchcase(f"/{name}", f"*/{pattern}"):
                    return other
        return self


@dataclass(frozen=True)
class File:
    """One file of a table.

    Parameters
    ----------
    table, name
        The table, and the file's name in messages, which holds no secrets.
    path
        Where it lies on disk.
    numerics
        Columns of text that hold numbers as a database writes them.
    unread
        Columns that were left in the database.
    later
        A file with the ids of customers who have rows from as_of on; None where there are none apart.
    written
        What a Parquet file was before, in words.
    sheet
        The sheet that this is of a workbook; None where the source tells it.
    """

    table: str
    name: str
    path: Path
    numerics: frozenset[str] = frozenset()
    unread: tuple[str, ...] = ()
    later: Path | None = None
    written: str = "Parquet"
    sheet: str | None = None


def find_files(source: Source, table: str, folder: Path) -> tuple[list[File], list[str]]:
    """Find every file of a source, and fetch those that a URL names.

    Parameters
    ----------
    source
        The source.
    table
        The table it is for, to name it in messages.
    folder
        Where fetched files are put.

    Returns
    -------
    files, notes
        The files, each once, and sentences on the files of a folder that are not read.

    Raises
    ------
    InputError
        Nothing is there, nothing matches, or a URL cannot be fetched.
    """
    paths = [source.paths] if isinstance(source.paths, (str, Path)) else list(source.paths)
    if not paths:
        raise InputError(f"{table}: no path is given.")
    files: dict[Path, File] = {}
    notes: list[str] = []
    for path in paths:
        if "://" in str(path):
            target = folder / f"fetched_{table}_{len(files)}"
            name = shown_location(str(path))
            fetch(str(path), name, target, any_redirect=source.redirects == "any")
            matches = [File(table, name, target)]
        else:
            matches = [File(table, str(local), local) for local in _local_files(str(path), table, notes)]
        for file in matches:
            files.setdefault(file.path.resolve(), file)
    return list(files.values()), notes


def _local_files(pattern: str, table: str, notes: list[str]) -> list[Path]:
    path = Path(pattern).expanduser()
    if path.is_file():
        return [path]
    if path.is_dir():
        return _files_in(path, table, notes)
    if has_magic(pattern):
        matches = sorted(Path(name) for name in glob(str(path), recursive=True))  # noqa: PTH207 (any root)
        files = [file for match in matches for file in (_files_in(match, table, notes) if match.is_dir() else [match])]
        if files:
            return files
        raise InputError(f"{table}: no file matches {shown_location(pattern)!r}.")
    siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    near = nearest(path.name, siblings)
    name = shown_location(pattern)
    said = "" if HIDDEN not in name else f" Of {describe(pattern)} only what is there is shown: it may hold a password."
    raise InputError(f"{table}: {name!r} is not there (looked in {Path.cwd()}).{near}{said}")


def _files_in(folder: Path, table: str, notes: list[str]) -> list[Path]:
    readable: list[Path] = []
    unread: list[Path] = []
    outside: list[Path] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            # Who may write into the folder must not choose which other files of this machine are read.
            if not path.resolve().is_relative_to(folder.resolve()):
                outside.append(path)
                continue
            (readable if path.name.lower().endswith(SUFFIXES) else unread).append(path)
    links = (
        f"not read, for these links lead out of the folder: {', '.join(map(str, outside[:5]))} ({len(outside)} files)"
    )
    if not readable:
        also = f" {links[0].upper()}{links[1:]}; name the files themselves." if outside else ""
        raise InputError(f"{table}: the folder {str(folder)!r} holds no file that ends in {', '.join(SUFFIXES)}.{also}")
    if outside:
        notes.append(f"{table}: {links}.")
    if unread:
        notes.append(f"{table}: not read, for their endings: {', '.join(map(str, unread[:5]))} ({len(unread)} files).")
    return readable
