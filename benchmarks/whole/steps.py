"""Run one command on the tables of a folder, in this process, and print what each of its steps took."""

import argparse
import atexit
import importlib
import json
import logging
import resource
import sys
import time
from pathlib import Path

_CLEAR = Path("/proc/self/clear_refs")
_STATUS = Path("/proc/self/status")
TABLES = ("transactions", "answers", "events", "customers")
REST = "between the steps: imports, opening the store"


class Meter(logging.Handler):
    """Reads the log lines with which a step begins and ends, and notes its processor seconds and its largest memory.

    What lies before the first step and between two of them belongs to `REST`.
    """

    def __init__(self) -> None:
        super().__init__()
        self.steps: dict[str, dict[str, float]] = {}
        # Processor seconds so far: what the interpreter took to start belongs to the rest.
        self._until = 0.0
        _forget_peak()

    def emit(self, record: logging.LogRecord) -> None:
        """Note what lasted until this line: the rest where a step begins, the step where it ends."""
        if record.msg == "%s ...":
            self.note(REST)
        elif record.msg == "%s: %.1f s" and isinstance(record.args, tuple):
            self.note(str(record.args[0]))

    def note(self, name: str) -> None:
        """Add what was used since the last line."""
        now = time.process_time()
        step = self.steps.setdefault(name, {"seconds": 0.0, "peak": 0.0})
        step["seconds"] += now - self._until
        step["peak"] = max(step["peak"], _peak())
        self._until = now
        _forget_peak()


def _peak() -> float:
    """Largest resident memory since it was last forgotten, in bytes; where Linux does not tell, since the start."""
    if _STATUS.exists():
        line = next(line for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM"))
        return float(line.split()[1]) * 1024.0
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * (1 if sys.platform == "darwin" else 1024)


def _forget_peak() -> None:
    if _CLEAR.exists():
        _CLEAR.write_text("5")


def main() -> None:
    """Run the command and print one line of JSON: seconds and peak of each step, in their order."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("command", choices=("retrain", "score"))
    parser.add_argument("shop", type=Path, help="folder of Parquet files, one per table")
    parser.add_argument("store", type=Path, help="folder of the store")
    parser.add_argument("--as-of", help="date to retrain or score at; the day after the newest row unless given")
    options = parser.parse_args()
    meter = Meter()
    logging.getLogger("revealed").addHandler(meter)
    atexit.register(importlib.import_module("flows.environment").let_go_of_engine)
    running, settings = (importlib.import_module(f"flows.{name}") for name in ("command.running", "settings"))
    tables = {name: [str(options.shop / f"{name}.parquet")] for name in TABLES}
    of_shop = settings.Settings(**tables, mlruns=str(options.store), as_of=options.as_of)
    try:
        # As the command runs it: with its imports, and its looking for garbage; without a console steps are log lines.
        running.run_plainly(options.command, of_shop, None)
    finally:
        meter.note(REST)
        print(json.dumps(meter.steps))


if __name__ == "__main__":
    main()
