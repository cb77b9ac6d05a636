"""Two machines on one store: processes with other host names, of which one is killed while it holds the store."""

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from tests.consumers.conftest import BIN, ROOT, clean_environment

HELD = 4
# A holder that is heard of no more counts for so long: two minutes are too long for a test.
LEASE = 6.0
_HOLD = """\
import logging, os, socket, sys
from pathlib import Path
socket.gethostname = lambda: sys.argv[1]
from models.registry.locking import tickets
tickets.LEASE, tickets.RENEWAL = {lease}, {lease} / 6
from data.errors import StoreBusyError
from models.registry.locking.holding import ensure_held, holding
from models.registry.store import open_store
logging.basicConfig(level="WARNING", format="%(message)s")
store = open_store(None, Path.cwd())
with holding(store, sys.argv[2], float(sys.argv[3])):
    print("held", flush=True)
    if sys.argv[4] == "stay":
        sys.stdin.read()
        try:
            ensure_held(store)
        except StoreBusyError as error:
            sys.exit(f"lost: {{error}}")
"""


def machine(
    folder: Path, environment: Mapping[str, str], host: str, what: str, minutes: float, then: str
) -> "subprocess.Popen[str]":
    """Start a process on another machine that holds the store and stays, or goes."""
    command = [sys.executable, "-c", _HOLD.format(lease=LEASE), host, what, str(minutes), then]
    variables = clean_environment(**environment, PYTHONPATH=str(ROOT))
    return subprocess.Popen(
        command,
        cwd=folder,
        env=variables,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def check_two_machines(folder: Path, environment: Mapping[str, str]) -> None:
    """Check that one machine keeps the other out, that it is named, and that the next one goes on after its death."""
    with machine(folder, environment, "rome", "retrain", 0, "stay") as first:
        assert first.stdout is not None
        # What stands before is MLflow's, on its first use of a database.
        assert any(line == "held\n" for line in first.stdout), "the first never got the store"
        refused = subprocess.run(
            [BIN / "revealed", "rollback"],
            cwd=folder,
            env=clean_environment(**environment),
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert refused.returncode == HELD, refused.stdout + refused.stderr
        told = " ".join(refused.stderr.split())
        assert f"retrain, process {first.pid} on rome, since 20" in told, told
        assert "Traceback" not in told
        waiting = machine(folder, environment, "oslo", "score", 5, "go")
        first.kill()
    assert first.returncode != 0
    printed, _ = waiting.communicate(timeout=300)
    assert waiting.returncode == 0, printed
    assert re.search(rf"held by retrain, process {first.pid} on rome, .* ended without giving it back", printed), (
        printed
    )
    assert printed.endswith("held\n")
    last = machine(folder, environment, "lima", "score", 0, "go")
    printed, _ = last.communicate(timeout=300)
    # Given back by the one before, so there is nothing to tell and nothing to wait for.
    assert (last.returncode, "without giving it back" in printed) == (0, False), printed
