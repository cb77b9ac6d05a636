"""Where tables come from: paths, folders, globs and URLs. Finds or fetches the files and recognises their kind."""

import codecs
import gzip
import shutil
import urllib.error
import urllib.request
import zlib
from base64 import b64encode
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from glob import glob, has_magic
from http.client import HTTPException
from pathlib import Path
from typing import BinaryIO, cast
from urllib.parse import unquote, urlsplit, urlunsplit

from data.errors import InputError

SUFFIXES = (".csv", ".tsv", ".txt", ".csv.gz", ".tsv.gz", ".txt.gz", ".parquet", ".pq")
"""Endings of the files that are read from a folder; a path or a glob may name any file."""

_SCHEMES = ("file", "s3", "gs", "abfs", "hdfs")
_BLOCK = 16 * 2**20
_SECONDS = 60
_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


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
        `strptime` format of times written as text; ISO forms where None.
    decimal
        The decimal mark of numbers written as text, "." or ",".
    encoding
        Python's name of the encoding of CSV files; UTF-8, or what a byte-order mark says, where None.
    separator
        The separator of CSV files; found from the header where None.
    """

    # A URL may hold a password: it is kept out of the repr.
    paths: str | Path | Sequence[str | Path] = field(repr=False)
    columns: Mapping[str, str] = field(default_factory=dict)
    time_format: str | None = None
    decimal: str = "."
    encoding: str | None = None
    separator: str | None = None

    def __post_init__(self) -> None:
        if self.decimal not in (".", ","):
            raise InputError(f'decimal must be "." or ",", got {self.decimal!r}.')
        if self.separator is not None and (len(self.separator) != 1 or not self.separator.isascii()):
            raise InputError(f'separator must be one character such as ";" or a tab ("\\t"), got {self.separator!r}.')
        if self.encoding is not None:
            try:
                b"a".decode(self.encoding, errors="ignore")
            except LookupError:
                raise InputError(
                    f'encoding {self.encoding!r} is not known; give one of Python\'s names, e.g. "cp1252".'
                ) from None


@dataclass(frozen=True)
class File:
    """One file of a table: its name in messages, which holds no secrets, and where it lies on disk."""

    table: str
    name: str
    path: Path


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
            matches = [_fetch(str(path), table, folder / f"fetched_{table}_{len(files)}")]
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
        raise InputError(f"{table}: no file matches {pattern!r}.")
    siblings = [other.name for other in path.parent.iterdir()] if path.parent.is_dir() else []
    close = get_close_matches(path.name, siblings, n=1)
    near = f" Nearest: {str(path.parent / close[0])!r}." if close else ""
    raise InputError(f"{table}: {pattern!r} is not there (looked in {Path.cwd()}).{near}")


def _files_in(folder: Path, table: str, notes: list[str]) -> list[Path]:
    readable: list[Path] = []
    unread: list[Path] = []
    for path in sorted(folder.rglob("*")):
        hidden = any(part.startswith((".", "_")) for part in path.relative_to(folder).parts)
        if path.is_file() and not hidden:
            (readable if path.name.lower().endswith(SUFFIXES) else unread).append(path)
    if not readable:
        raise InputError(f"{table}: the folder {str(folder)!r} holds no file that ends in {', '.join(SUFFIXES)}.")
    if unread:
        notes.append(f"{table}: not read, for their endings: {', '.join(map(str, unread[:5]))} ({len(unread)} files).")
    return readable


def redact(url: str) -> str:
    """Strip a URL of user, password, query and fragment, which may be secrets."""
    parts = urlsplit(url)
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def _fetch(url: str, table: str, target: Path) -> File:
    name = "the URL"
    try:
        name = redact(url)
        scheme = urlsplit(url).scheme
        if scheme in ("http", "https"):
            _fetch_http(url, target)
        elif scheme not in _SCHEMES:
            raise InputError(f"{name} cannot be fetched: URLs of http, https, {', '.join(_SCHEMES)} are.")
        else:
            _fetch_other(url, target)
    except InputError:
        raise
    except urllib.error.HTTPError as error:
        raise InputError(f"{name} cannot be fetched: the server answers {error.code} {error.reason}.") from None
    except (OSError, ValueError, HTTPException) as error:
        # The message of a library about a failed request may repeat the whole address.
        reason = error.reason if isinstance(error, urllib.error.URLError) else type(error).__name__
        raise InputError(f"{name} cannot be fetched: {reason}.") from None
    return File(table, name, target)


def _fetch_http(url: str, target: Path) -> None:
    parts = urlsplit(url)
    request = urllib.request.Request(  # noqa: S310 (the scheme is http or https)
        urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], fragment=""))
    )
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        # Not sent on to another host that the server may redirect to.
        request.add_unredirected_header("Authorization", f"Basic {b64encode(pair.encode()).decode()}")
    with urllib.request.urlopen(request, timeout=_SECONDS) as response, target.open("wb") as out:  # noqa: S310
        shutil.copyfileobj(response, out, _BLOCK)
        expected = response.headers.get("Content-Length")
    if expected is not None and int(expected) != target.stat().st_size:
        raise InputError(
            f"{redact(url)} was cut short: {target.stat().st_size:,} of {int(expected):,} bytes came. Try again."
        )


def _fetch_other(url: str, target: Path) -> None:
    """Fetch a file from any of the file systems that Arrow reads."""
    import pyarrow.fs

    system, path = pyarrow.fs.FileSystem.from_uri(url)
    with system.open_input_stream(path) as stream, target.open("wb") as out:
        shutil.copyfileobj(stream, out, _BLOCK)


def is_parquet(file: File) -> bool:
    """Whether a file is Parquet, by its first bytes.

    Raises
    ------
    InputError
        It cannot be opened, is an archive or a workbook, or a Parquet file without its end.
    """
    try:
        with file.path.open("rb") as stream:
            start = stream.read(4)
            stream.seek(max(0, file.path.stat().st_size - 4))
            end = stream.read(4)
    except OSError as error:
        raise InputError(f"{file.name} cannot be read: {error.strerror}.") from None
    if start.startswith(b"PK"):
        raise InputError(f"{file.name} is a zip archive or a workbook; give the CSV or Parquet file inside it.")
    if start == b"PAR1" and end != b"PAR1":
        raise InputError(f"{file.name} is a Parquet file that was cut short; fetch or write it again.")
    return start == b"PAR1"


def read_text(file: File, encoding: str | None) -> Iterator[bytes]:
    """Read a CSV file, gzipped or not, as blocks of UTF-8 without byte-order mark; old Mac line ends become new ones.

    Raises
    ------
    InputError
        It is no text, is not in the encoding, or was cut short.
    """
    with file.path.open("rb") as stream:
        packed = stream.read(2) == b"\x1f\x8b"
    with gzip.open(file.path) if packed else file.path.open("rb") as opened:
        yield from _decode(_blocks(cast(BinaryIO, opened), file), file, encoding)


def _blocks(stream: BinaryIO, file: File) -> Iterator[bytes]:
    try:
        while block := stream.read(_BLOCK):
            yield block
    except EOFError:
        raise InputError(f"{file.name} was cut short: its gzip stream has no end. Fetch or write it again.") from None
    except (OSError, zlib.error) as error:
        raise InputError(f"{file.name} cannot be read: {error}.") from None


def _decode(blocks: Iterator[bytes], file: File, setting: str | None) -> Iterator[bytes]:
    lines, encoding, only_returns, decoder = 1, setting, False, None
    for block in _and_end(blocks):
        if decoder is None:
            encoding = setting or next((name for mark, name in _MARKS.items() if block.startswith(mark)), "utf-8-sig")
            decoder = codecs.getincrementaldecoder(encoding)("strict")
        if lines == 1 and b"\0" in block[:4096] and encoding == "utf-8-sig":
            raise InputError(
                f"{file.name} is not UTF-8 text: it holds zero bytes. CSV, gzipped CSV and Parquet are read. "
                f'If it is UTF-16, say formats.{file.table}.encoding = "utf-16-le".'
            )
        try:
            text = decoder.decode(block, final=not block)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode(encoding or "utf-8", errors="ignore").count("\n")
            raise InputError(_encoding_message(file, lines + before, error, setting, final=not block)) from None
        text = text.removeprefix("\ufeff") if lines == 1 else text
        only_returns = only_returns or (lines == 1 and "\r" in text[:-1] and "\n" not in text)
        text = text.replace("\r", "\n") if only_returns else text
        lines += text.count("\n")
        yield text.encode()


def _and_end(blocks: Iterator[bytes]) -> Iterator[bytes]:
    yield from blocks
    yield b""


def _encoding_message(file: File, line: int, error: UnicodeDecodeError, setting: str | None, *, final: bool) -> str:
    if final and "unexpected end" in error.reason:
        return f"{file.name} was cut short: line {line} ends within a character. Fetch or write it again."
    byte = f"0x{error.object[error.start]:02x}"
    if setting:
        return f"{file.name} line {line} is not {setting} (byte {byte}); correct formats.{file.table}.encoding."
    return (
        f"{file.name} line {line} is not UTF-8 (byte {byte}). Say what the file was written in, "
        f'e.g. formats.{file.table}.encoding = "cp1252" for a file from Windows.'
    )
