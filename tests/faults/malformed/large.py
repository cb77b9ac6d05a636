"""Large files that are broken in one way through and through, or good, each taken in by a process of its own.

`python -m tests.faults.malformed.large KIND FOLDER MEGABYTES` tells the processor seconds and the memory it took.
"""

import gzip
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from data.errors import InputError, RefusedError
from data.intake.pipeline import Source, take_in
from tests.faults.malformed.judging import RULES, SALES

MEGABYTES = 20
FLOOR = 700
"""Megabytes beyond which the intake of such a file may take twice its size."""

SECONDS = 10
"""Longest that the intake of a file of `MEGABYTES` may take of a processor; a longer one may take longer."""

_HEADER = b"customer_id,ts,amount\n"
_ROW = b"C%07d,2024-01-02,12.50\n"
_OBJECT = b'{"customer_id":"C%07d","ts":"2024-01-02","amount":12.5}'


def _repeated(record: bytes, size: int, header: bytes = _HEADER) -> bytes:
    return header + b"".join(record % number for number in range(size // len(record % 0)))


def _wide(columns: int, rows: int) -> bytes:
    names = b",".join(b"c%d" % k for k in range(columns))
    return b"customer_id," + names + b"\n" + b"".join(b"C%d" % k + b",1" * columns + b"\n" for k in range(rows))


KINDS: dict[str, Callable[[int], bytes]] = {
    "good": lambda size: _repeated(_ROW, size),
    "no number in any row": lambda size: _repeated(b"C%07d,2024-01-02,x2.50\n", size),
    "no time in any row": lambda size: _repeated(b"C%07d,2024/Jan/02,12.50\n", size),
    "too few cells": lambda size: _repeated(b"C%07d,2024-01-02\n", size),
    "one id": lambda size: _repeated(b"A,2024-01-02,%d\n", size),
    "a line without an end": lambda size: _HEADER + b"x" * size,
    "an endless id": lambda size: _HEADER + b"A,2024-01-02,1\n" + b"x" * size + b",2024-01-02,1\n",
    "a quote that is never closed": lambda size: _HEADER + b'"' + _repeated(_ROW, size),
    "quotes within cells": lambda size: _repeated(b'C"%07d,2024-01-02,12".50\n', size),
    "quotes that do not match": lambda size: _repeated(b'"C"%07d","2024"-01-02,"12".50\n', size),
    "quotes of each kind": lambda size: _repeated(b'"C","%07d","2""024",a"b,"x","y"\n', size),
    "quotes only": lambda size: _HEADER + b'"' * size + b"\n",
    "separators only": lambda size: _HEADER + b"," * size + b"\n",
    "blank lines": lambda size: _HEADER + b"A,2024-01-02,1\n" + b"\n" * size,
    "lines of a thousand cells": lambda size: _repeated(b"%d" + b"," * 1_000 + b"\n", size),
    "zero bytes": lambda size: _HEADER + b"\0" * size,
    "packed a thousandfold": lambda size: gzip.compress(_HEADER + b"x" * size),
    "columns without end": lambda size: b",".join(b"c%d" % k for k in range(size // 9)) + b"\n",
    "an endless name": lambda size: b"customer_id,ts,amount," + b"x" * size + b"\nA,2024-01-02,1,\n",
    "20,003 columns": lambda _: _wide(20_002, 20),
    "all columns that are read": lambda _: _wide(999, 500),
    "objects": lambda size: _repeated(_OBJECT + b"\n", size, b""),
    "objects in a list": lambda size: b"[" + _repeated(_OBJECT + b",\n", size, b"") + _OBJECT % 0 + b"]",
    "objects, each with a key of its own": lambda size: _repeated(b'{"customer_id":"C","k%d":1}\n', size, b""),
    "brackets only": lambda size: b'{"customer_id":' + b"[" * size,
    "a list without an end": lambda size: json.dumps([{"customer_id": "A"}] * (size // 24)).encode()[:-1],
}


def main(kind: str, folder: Path, megabytes: int) -> str:
    """Take a file of a kind in, and tell what it took."""
    name = "transactions" if b"amount" in (content := KINDS[kind](megabytes << 20))[:80] else "customers"
    file, sales = folder / "large", folder / "sales.csv"
    file.write_bytes(content)
    sales.write_text(SALES)
    del content
    Path("/proc/self/clear_refs").write_text("5")
    before, began, ended = _peak(), time.process_time(), "taken"
    try:
        take_in({"transactions": Source(sales), name: Source(file)}, folder / "clean", RULES)
    except (InputError, RefusedError) as error:
        ended = type(error).__name__
    seconds, taken = time.process_time() - began, _peak() - before
    size = file.stat().st_size / 2**20
    told = f"{kind} ({size:.1f} MB): {ended}, {seconds:.1f} s, {taken:.0f} MB"
    assert seconds < SECONDS or megabytes > MEGABYTES, told
    assert taken < FLOOR + 2 * size, told
    return told


def _peak() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], Path(sys.argv[2]), int(sys.argv[3])) + "\n")
