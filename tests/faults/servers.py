"""Servers of MLflow's on this machine, in groups of processes of their own."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

import httpx

from tests.faults.conftest import PATIENCE

BIN = Path(sys.executable).parent
_PAGE = os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with closing(socket.socket()) as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


@contextmanager
def running(
    command: list[str | Path], health: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a server until the block ends; it begins when the server answers at an address."""
    variables = {**os.environ, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **environment}
    with (folder / "server.txt").open("a") as output:
        server = subprocess.Popen(
            command, stdout=output, stderr=output, start_new_session=True, cwd=folder, env=variables
        )
    try:
        _await(health, server)
        yield server
    finally:
        if server.poll() is None:
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()


def _await(health: str, server: subprocess.Popen[bytes]) -> None:
    """Wait until a server answers: looked at twice a second, however busy the machine is."""
    for _ in range(2 * PATIENCE):
        assert server.poll() is None, "the server ended"
        try:
            if httpx.get(health, timeout=PATIENCE).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            threading.Event().wait(0.5)
    raise AssertionError("the server does not answer")


@contextmanager
def tracking_server(folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A tracking server of MLflow's; gives its process."""
    options: list[str | Path] = ["--backend-store-uri", f"sqlite:///{folder}/server.db"]
    options += ["--artifacts-destination", folder / "files", "--serve-artifacts", "--workers", "1"]
    command = [BIN / "mlflow", "server", *options, "--host", "127.0.0.1", "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}/health", folder, {}) as server:
        yield server


@contextmanager
def model_server(model: str, tracking: str, folder: Path, port: int) -> Iterator[subprocess.Popen[bytes]]:
    """A registered model, served as a consumer does it; gives its process."""
    command: list[str | Path] = [BIN / "mlflow", "models", "serve", "-m", model, "--env-manager", "local"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    # The command starts Python and uvicorn by their names.
    environment = {"MLFLOW_TRACKING_URI": tracking, "PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}"}
    with running(command, f"http://127.0.0.1:{port}/health", folder, environment) as server:
        yield server


def resident_memory(group: int) -> int:
    """Return the bytes of memory that the processes of a group hold."""
    total = 0
    for place in Path("/proc").iterdir():
        if not place.name.isdigit():
            continue
        try:
            if int((place / "stat").read_text().rpartition(") ")[2].split()[2]) == group:
                total += int((place / "statm").read_text().split()[1]) * _PAGE
        except (OSError, IndexError):
            # It has ended meanwhile.
            continue
    return total
