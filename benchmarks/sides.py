"""Run one side of the bench in a process of its own; peers that are no dependency of ours get an environment."""

import json
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

HERE = Path(__file__).parent
CACHE = HERE / ".cache"
# As of which release each peer was tried; lifetimes is a dependency of ours and pinned with the others.
PEERS = {"clvkit": "clvkit==0.2.1", "pymc-marketing": "pymc-marketing==0.19.2"}
LONGEST = 1_800


class SideError(Exception):
    """A side could not do the job; the message is one line."""


@dataclass
class Side:
    """What was measured of one side at one size."""

    name: str
    runs: list[dict[str, Any]] = field(default_factory=list)
    failure: str = ""

    def seconds(self, step: str, part: str | None = None) -> float:
        """Median over the runs of the seconds of a step, or of one part of it."""
        return median(
            sum(seconds for of, name, seconds in run["parts"] if of == step and part in (None, name))
            for run in self.runs
        )

    @property
    def total(self) -> float:
        """Median over the runs of the seconds of the whole job."""
        return median(sum(seconds for _, _, seconds in run["parts"]) for run in self.runs)

    @property
    def peak(self) -> float:
        """Largest memory of any run, in GB."""
        return max(float(run["peak"]) for run in self.runs) / 1e9

    @property
    def estimates(self) -> dict[str, float]:
        """Parameters and sums, the same in every run."""
        return dict(self.runs[0]["estimates"])


def run(program: Path | str, script: str, *arguments: object) -> dict[str, Any]:
    """Run a script of this folder and read the line of JSON that it prints last.

    Raises
    ------
    SideError
        With the last line that it wrote to its standard error.
    """
    command = [str(program), str(HERE / script), *map(str, arguments)]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=LONGEST, check=False)
    except subprocess.TimeoutExpired:
        raise SideError(f"not done after {LONGEST} seconds") from None
    if ended.returncode:
        # nanobind reports on standard error, as the interpreter ends, what DuckDB leaves to it.
        errors = [line for line in ended.stderr.splitlines() if "Error" in line] or ended.stderr.splitlines()
        raise SideError(errors[-1].strip() if errors else f"ended with {ended.returncode}")
    lines = ended.stdout.splitlines()
    report: dict[str, Any] = json.loads(lines[-1]) if lines and lines[-1].startswith("{") else {}
    return report


def interpreter(peer: str) -> Path:
    """Make the environment of a peer, once.

    Raises
    ------
    SideError
        If it cannot be made.
    """
    if peer not in PEERS:
        return Path(sys.executable)
    folder = CACHE / "peers" / peer
    ready, program = folder / "ready", folder / "bin" / "python"
    if not ready.exists() or ready.read_text() != PEERS[peer]:
        uv = [str(Path(sys.executable).parent / "uv"), "--quiet"]
        for command in (
            [*uv, "venv", "--clear", "--python", sys.executable, str(folder)],
            [*uv, "pip", "install", "--python", str(program), PEERS[peer], "pyarrow"],
        ):
            ended = subprocess.run(command, capture_output=True, text=True, check=False)
            if ended.returncode:
                errors = ended.stderr.strip().splitlines() or [f"uv ended with {ended.returncode}"]
                raise SideError(f"not installed: {errors[0].strip()}")
        ready.write_text(PEERS[peer])
    return program


def shop(customers: int) -> Path:
    """Write the simulated shop, once."""
    folder = CACHE / "shops" / str(customers)
    if not (folder / "lines").exists():
        run(sys.executable, "shop.py", customers, folder)
    return folder
