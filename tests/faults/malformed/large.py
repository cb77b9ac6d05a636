"""Files of ten megabytes that are broken in one way through and through, each taken in by a process of its own.

`python -m tests.faults.malformed.large KIND FOLDER` tells the processor seconds and the memory it took.
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

MEGABYTES = 10
FLOOR = 700
"""Megabytes beyond which the intake of such a file may take twice its size."""

SECONDS = 10

_SIZE = MEGABYTES << 20
_HEADER = b"customer_id,ts,amount\n"


def _repeated(record: bytes) -> bytes:
    return _HEADER + b"".join(record % number for number in range(_SIZE // len(record % 0)))


def _wide(columns: int, rows: int) -> bytes:
    names = b",".join(b"c%d" % k for k in range(columns))
    return b"customer_id," + names + b"\n" + b"".join(b"C%d" % k + b",1" * columns + b"\n" for k in range(rows))


KINDS: dict[str, Callable[[], bytes]] = {
    "good": lambda: _repeated(b"C%07d,2024-01-02,12.50\n"),
    "a line without an end": lambda: _HEADER + b"x" * _SIZE,
    "an id of 10 MB": lambda: _HEADER + b"A,2024-01-02,1\n" + b"x" * _SIZE + b",2024-01-02,1\n",
    "a quote that is never closed": lambda: _HEADER + b'"' + _repeated(b"C%07d,2024-01-02,12.50\n"),
    "quotes within cells": lambda: _repeated(b'C"%07d,2024-01-02,12".50\n'),
    "quotes only": lambda: _HEADER + b'"' * _SIZE + b"\n",
    "separators only": lambda: _HEADER + b"," * _SIZE + b"\n",
    "blank lines": lambda: _HEADER + b"A,2024-01-02,1\n" + b"\n" * _SIZE,
    "lines of a thousand cells": lambda: _repeated(b"%d" + b"," * 1_000 + b"\n"),
    "zero bytes": lambda: _HEADER + b"\0" * _SIZE,
    "packed a thousandfold": lambda: gzip.compress(_HEADER + b"x" * _SIZE),
    "columns without end": lambda: b",".join(b"c%d" % k for k in range(_SIZE // 9)) + b"\n",
    "a name of 10 MB": lambda: b"customer_id,ts,amount," + b"x" * _SIZE + b"\nA,2024-01-02,1,\n",
    "20,003 columns": lambda: _wide(20_002, 20),
    "all columns that are read": lambda: _wide(999, 500),
    "objects, each with a key of its own": lambda: _repeated(b'{"customer_id":"C","k%d":1}\n')[len(_HEADER) :],
    "brackets only": lambda: b'{"customer_id":' + b"[" * _SIZE,
    "a list without an end": lambda: json.dumps([{"customer_id": "A"}] * (_SIZE // 24)).encode()[:-1],
}


def main(kind: str, folder: Path) -> str:
    """Take a file of a kind in as customers, and tell what it took."""
    name = "transactions" if b"amount" in (content := KINDS[kind]())[:30] else "customers"
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
    assert seconds < SECONDS, told
    assert taken < FLOOR + 2 * size, told
    return told


def _peak() -> float:
    status = Path("/proc/self/status").read_text()
    return int(next(line for line in status.splitlines() if line.startswith("VmHWM")).split()[1]) / 1024


if __name__ == "__main__":
    sys.stdout.write(main(sys.argv[1], Path(sys.argv[2])) + "\n")
