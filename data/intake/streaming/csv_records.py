"""CSV text to records, in columns: where each record starts and ends, and which separators are real ones.

DuckDB's own CSV reader is not used: it fails on mixed line ends, and after a quote that is never closed it drops the
lines that follow without a message. Here a block of a file becomes an Arrow table of records. One control character
joins the cells of a record, and DuckDB splits them again. Only blocks with broken quotes are read row by row.
"""

import csv
import re
from collections.abc import Iterable, Iterator
from io import StringIO
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from data.errors import InputError
from data.intake.reading.matching import normalise_name

CELL_END = "\x1f"
"""Stands between the cells of a record (the ASCII unit separator)."""

SEPARATORS = ",;\t|"
LONGEST_RECORD = 16 * 2**20
"""Bytes after which an open quote is taken for a stray one rather than for a long cell."""

_NEWLINE, _RETURN, _QUOTE = 10, 13, 34
_BATCH, _HEADER_BYTES = 50_000, 2**20

Bytes = npt.NDArray[np.uint8]


def read_header(block: bytes, separator: str) -> list[str]:
    """Return the names in the first record that is not blank, without white space around them."""
    text = StringIO(block[:_HEADER_BYTES].decode("utf-8", errors="ignore"), newline="")
    try:
        record = next((cells for cells in csv.reader(text, delimiter=separator) if any(cells)), [])
    except csv.Error:  # one cell of more than 131,072 characters: no header
        return []
    return [name.strip() for name in record]


def find_separator(block: bytes, required: Iterable[str]) -> str:
    """Find the separator that gives the header most of the required columns; where several do, most columns."""
    names = {normalise_name(name) for name in required}

    def count_columns(separator: str) -> tuple[int, int]:
        header = read_header(block, separator)
        return len(names & set(map(normalise_name, header))), len(header)

    return max(SEPARATORS, key=count_columns)


def read_records(blocks: Iterable[bytes], separator: str, file: str) -> Iterator[pa.Table]:
    """Cut UTF-8 text into records.

    Parameters
    ----------
    blocks
        The text, in blocks of any size.
    separator
        One ASCII character.
    file
        What to call the file in a message.

    Yields
    ------
    pyarrow.Table
        line (int64): number of the record in the file, the first being 1, blank lines counted;
        text (string): its cells, unquoted, joined by `CELL_END`; broken (bool): the quotes of this line
        do not match, and its text is the bare line. Where the last record has no line end,
        the schema's metadata holds `b"open_end"`.

    Raises
    ------
    InputError
        A quote is still open at the end of the file: the file was cut short.
    """
    line, rest = 1, b""
    for block in blocks:
        text = rest + block
        batch, used = _cut(text, separator, line, file, final=False)
        yield batch
        line += batch.num_rows
        rest = text[used:]
        if len(rest) > 4 * LONGEST_RECORD:
            raise InputError(f"{file} line {line}: no line end in {len(rest):,} bytes; this is not a CSV file.")
    if rest:
        ended = rest.endswith(b"\n")
        batch, _ = _cut(rest if ended else rest + b"\n", separator, line, file, final=True)
        yield batch if ended else batch.replace_schema_metadata({b"open_end": b"1"})


def _cut(text: bytes, separator: str, line: int, file: str, *, final: bool) -> tuple[pa.Table, int]:
    """Cut the records off a text that starts with one; return them and how many bytes they took."""
    codes = np.frombuffer(text, np.uint8)
    newline = codes == _NEWLINE
    real = codes == ord(separator)
    dropped = np.empty(0, np.int64)
    # Where no cell starts with a quote, all quotes are ordinary characters.
    is_quoted = b'"' in text and _opening_quote(separator).search(text) is not None
    if is_quoted:
        quote = codes == _QUOTE
        # Sums of bytes wrap at 256, which leaves their parity as it is.
        outside = np.cumsum(quote, dtype=np.uint8) & 1 == 0
        newline &= outside
        real &= outside
    ends = np.flatnonzero(newline)
    used = int(ends[-1]) + 1 if len(ends) else 0
    if is_quoted:
        quotes = np.flatnonzero(quote[:used])
        opening, closing = quotes[0::2], quotes[1::2]
        stuck = used == 0 and (final or len(text) > LONGEST_RECORD)
        # At the end of a file, text is left over only where a quote is still open.
        left_over = final and used < len(text)
        if stuck or left_over or not _quotes_match(codes, opening, closing, ord(separator)):
            return _cut_by_hand(text, separator, line, file, final=final)
        # One quote of an escaped pair stays: the second.
        starts_cell = (opening == 0) | (codes[opening - 1] != _QUOTE)
        dropped = np.concatenate([opening[starts_cell], closing])
    kept = np.ones(used, bool)
    kept[dropped] = False
    kept[ends] = False
    kept[ends[(ends > 0) & (codes[ends - 1] == _RETURN)] - 1] = False
    out = codes[:used].copy()
    out[real[:used]] = ord(CELL_END)
    offsets = np.zeros(len(ends) + 1, np.int32)
    if used:
        starts = np.concatenate([[0], ends[:-1] + 1])
        np.cumsum(np.add.reduceat(kept.view(np.uint8), starts, dtype=np.int32), out=offsets[1:])
    strings = pa.StringArray.from_buffers(len(ends), pa.py_buffer(offsets), pa.py_buffer(out[kept]))
    return _as_table(strings, line, None), used


def _opening_quote(separator: str) -> re.Pattern[bytes]:
    """Write the regular expression of a quote at the start of a cell, or of what may be one."""
    return re.compile(rb"(?<![^\n" + re.escape(separator.encode()) + rb'])"')


def _quotes_match(codes: Bytes, opening: Any, closing: Any, separator: int) -> bool:
    """Return whether each quote opens at the start of a cell and closes at its end, or is one of a pair."""
    if not len(opening):
        return True
    before = np.where(opening == 0, _NEWLINE, codes[opening - 1])
    after = codes[closing + 1]
    after_next = codes[np.minimum(closing + 2, len(codes) - 1)]
    opens = (before == separator) | (before == _NEWLINE) | (before == _QUOTE)
    closes = (after == separator) | (after == _NEWLINE) | (after == _QUOTE)
    closes |= (after == _RETURN) & (after_next == _NEWLINE)
    return bool(opens.all() and closes.all())


def _cut_by_hand(text: bytes, separator: str, line: int, file: str, *, final: bool) -> tuple[pa.Table, int]:
    """Cut a text whose quotes are broken: mark bad lines as such, and read on at the next line.

    A quote inside a cell that does not start with one is an ordinary character.
    """
    opening_quote = _opening_quote(separator)
    sep = re.escape(separator.encode())
    quoted = rb'"(?:[^"]++|"")*+"(?=' + sep + rb"|\r?\n)"
    cell = re.compile(rb"(?:" + quoted + rb'|(?!")[^\n' + sep + rb"]*+)")
    record = re.compile(cell.pattern + rb"(?:" + sep + cell.pattern + rb")*+\r?\n")
    cells = re.compile(rb'(?:"((?:[^"]++|"")*+)"|((?!")[^\n' + sep + rb"]*+))(?:" + sep + rb"|\n)")
    open_cell = rb'"(?:[^"]++|"")*+"?\r?\Z'
    still_open = re.compile(rb"(?:" + cell.pattern + sep + rb")*+" + open_cell)
    # Of the last record of a block, the rest may stand in the next one.
    not_ended = re.compile(rb"(?:" + cell.pattern + sep + rb")*+(?:" + open_cell + rb'|(?!")[^\n' + sep + rb"]*+\Z)")
    texts: list[bytes] = []
    broken: list[bool] = []
    at = 0
    while (newline := text.find(b"\n", at)) >= 0:
        opening = opening_quote.search(text, at)
        quote = opening.start() if opening else len(text)
        if quote > newline:
            # The lines before the one with the next quote are cut at once.
            end = text.rfind(b"\n", at, quote) + 1
            lines = text[at : end - 1].replace(separator.encode(), CELL_END.encode()).split(b"\n")
            texts += [each.removesuffix(b"\r") for each in lines]
            broken += [False] * len(lines)
            at = end
            continue
        match = record.match(text, at)
        if match is None and (still_open if final else not_ended).match(text, at):
            if final:
                raise InputError(
                    f"{file} line {line + len(texts)}: a quote opens and is not closed before the file ends. "
                    "Either the file was cut short (fetch it again) or the quote is a stray one (remove it)."
                )
            if len(text) - at <= LONGEST_RECORD:
                break
        whole = text[at : match.end() if match else newline + 1].removesuffix(b"\n").removesuffix(b"\r")
        at += len(match[0]) if match else newline + 1 - at
        texts.append(whole if match is None else _join(cells.findall(whole + b"\n")))
        broken.append(match is None)
    return _as_table(pa.array(texts, pa.string()), line, broken), at


def _join(cells: Iterable[tuple[bytes, bytes]]) -> bytes:
    """Join the cells of a record, each of them quoted or plain."""
    return CELL_END.encode().join(quoted.replace(b'""', b'"') or plain for quoted, plain in cells)


def _as_table(strings: pa.Array, first_line: int, broken: list[bool] | None) -> pa.Table:
    """Put records into an Arrow table of small chunks, so that all threads of DuckDB have work."""
    lines = pa.array(np.arange(first_line, first_line + len(strings), dtype=np.int64))
    flags = pa.array(broken, pa.bool_()) if broken is not None else pa.array(np.zeros(len(strings), bool))
    table = pa.table({"line": lines, "text": strings, "broken": flags})
    return pa.Table.from_batches(table.to_batches(max_chunksize=_BATCH), schema=table.schema)
