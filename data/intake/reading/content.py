"""What a file holds: Parquet, or text that may be compressed, in whatever encoding."""

import bz2
import codecs
import gzip
import lzma
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, cast

import pyarrow as pa

from data.errors import InputError
from data.intake.reading.encodings import propose_encodings, propose_wide_encoding
from data.intake.reading.pasting import paste
from data.intake.reading.workbooks import is_workbook
from data.intake.sources import File

_BLOCK = 16 * 2**20
_MARKS = {b"\xff\xfe\0\0": "utf-32", b"\0\0\xfe\xff": "utf-32", b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}


def open_packed(path: Path) -> tuple[BinaryIO, str]:
    """Open a file for reading its text; return how it is compressed as well, empty where it is not."""
    with path.open("rb") as stream:
        start = stream.read(6)
    if start.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.open(path)), "gzip"
    if start.startswith(b"BZh"):
        return cast(BinaryIO, bz2.open(path)), "bzip2"
    if start == b"\xfd7zXZ\0":
        return cast(BinaryIO, lzma.open(path)), "xz"
    if start.startswith(b"\x28\xb5\x2f\xfd"):
        return cast(BinaryIO, pa.CompressedInputStream(pa.OSFile(str(path)), "zstd")), "zstandard"
    return path.open("rb"), ""


def is_parquet(file: File) -> bool:
    """Whether a file is Parquet, by its first bytes.

    Raises
    ------
    InputError
        It cannot be opened, is an archive, or a Parquet file without its end.
    """
    try:
        with file.path.open("rb") as stream:
            start = stream.read(4)
            stream.seek(max(0, file.path.stat().st_size - 4))
            end = stream.read(4)
    except OSError as error:
        raise InputError(f"{file.name} cannot be read: {error.strerror}.") from None
    if start.startswith(b"PK") and not is_workbook(file.path):
        raise InputError(_zip_message(file))
    if start == b"PAR1" and end != b"PAR1":
        raise InputError(f"{file.name} is a Parquet file that was cut short; fetch or write it again.")
    return start == b"PAR1"


def name_encoding(file: File, setting: str | None) -> str:
    """Name the encoding that a file of text is read in: that of the setting, or of its byte-order mark, or UTF-8."""
    if setting:
        return setting
    stream, _ = open_packed(file.path)
    with stream:
        return start_encoding(stream.read(4)).removesuffix("-sig").upper()


def start_encoding(start: bytes) -> str:
    """Name the encoding that a text's byte-order mark tells; UTF-8 where it has none."""
    return next((name for mark, name in _MARKS.items() if start.startswith(mark)), "utf-8-sig")


def read_text(file: File, encoding: str | None) -> Iterator[bytes]:
    """Read a CSV file, compressed or not, as blocks of UTF-8 without byte-order mark; old Mac line ends are new ones.

    Raises
    ------
    InputError
        It is no text, is not in the encoding, or was cut short.
    """
    stream, packing = open_packed(file.path)
    with stream:
        yield from _decode(_blocks(stream, file, packing), file, encoding)


def _blocks(stream: BinaryIO, file: File, packing: str) -> Iterator[bytes]:
    try:
        while block := stream.read(_BLOCK):
            yield block
    except EOFError:
        raise InputError(
            f"{file.name} was cut short: its {packing} stream has no end. Fetch or write it again."
        ) from None
    except (OSError, zlib.error, lzma.LZMAError) as error:
        raise InputError(f"{file.name} cannot be read: {error}.") from None


def _decode(blocks: Iterator[bytes], file: File, setting: str | None) -> Iterator[bytes]:
    lines, encoding, only_returns, decoder = 1, setting, False, None
    for block in _and_end(blocks):
        if decoder is None:
            encoding = setting or start_encoding(block)
            decoder = codecs.getincrementaldecoder(encoding)("strict")
        if lines == 1 and b"\0" in block[:4096] and encoding == "utf-8-sig":
            wide = paste(f"formats.{file.table}", {"encoding": propose_wide_encoding(block[:4096])})
            raise InputError(
                f"{file.name} is not UTF-8 text: it holds zero bytes. CSV, compressed CSV and Parquet are read. "
                f"It may be UTF-16. {wide}"
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
    proposals = propose_encodings(whole_lines(error.object, error.start))
    proposals.pop(setting or "", None)
    section, best = f"formats.{file.table}", next(iter(proposals), None)
    if setting:
        return f"{file.name} line {line} is not {setting} (byte {byte}); correct {section}.encoding."
    if best is None:
        return f"{file.name} line {line} is not UTF-8 (byte {byte}). Say what it was written in: {section}.encoding."
    others = {f'encoding = "{name}"': f"reads {text}" for name, text in proposals.items() if name != best}
    return f"{file.name} line {line} is not UTF-8 (byte {byte}). Read as {best}, it says {proposals[best]!r}. " + paste(
        section, {"encoding": best}, others
    )


def whole_lines(block: bytes, at: int) -> bytes:
    """Cut a part out of a block that holds whole lines: the one at a position, and those after it."""
    return block[block.rfind(b"\n", 0, at) + 1 : at + 2**20].rsplit(b"\n", 1)[0]


def _zip_message(file: File) -> str:
    try:
        with zipfile.ZipFile(file.path) as archive:
            names = archive.namelist()
    except (zipfile.BadZipFile, OSError):
        names = []
    inside = f" It holds {', '.join(names[:5])}." if names else ""
    return f"{file.name} is a zip archive; give the file inside it.{inside}"
