"""A project deployed to a Prefect server of its own, and what it published: made once for all tests of this folder."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pandas as pd
import pytest
from mlflow.tracking import MlflowClient

from data.simulation.shop import ShopSettings, write_shop

ROOT = Path(__file__).parents[2]
BIN = Path(sys.executable).parent
CUSTOMERS = 1_000
# A shop that asks many and whose customers show what they think, so that the scorer holds trees.
SHOP = ShopSettings(
    invited_share=0.6,
    response_rate=0.5,
    contact_rate=0.6,
    contact_effect=1.5,
    return_effect=1.5,
    late_share=0.25,
    reliability=0.9,
)
AS_OF = "2024-03-01"
# Cold machines import slowly, and two cores may be shared.
PATIENCE = 300.0
SETTINGS = """\
transactions = ["shop/transactions.parquet"]
answers = ["shop/answers.parquet"]
events = ["shop/events.parquet"]
customers = ["shop/customers.parquet"]
"""


def clean_environment(**more: str) -> dict[str, str]:
    """Return this process's environment without the variables of Prefect, MLflow, Python and Revealed."""
    foreign = ("PREFECT_", "MLFLOW_", "REVEALED_", "PYTHON", "COV_", "VIRTUAL_ENV")
    return {**{k: v for k, v in os.environ.items() if not k.startswith(foreign)}, "DO_NOT_TRACK": "true", **more}


def call(command: Sequence[str | Path], folder: Path, environment: Mapping[str, str]) -> str:
    """Run a command that must succeed, and return what it printed."""
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done.stdout


def free_port() -> int:
    """Return a port of this machine on which nothing listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running(
    command: Sequence[str | Path], ready: str, folder: Path, environment: Mapping[str, str]
) -> Iterator[list[str]]:
    """Run a server or worker for as long as the block lasts; the block begins when it has printed that it is ready."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        start_new_session=True,
    )
    lines: list[str] = []
    is_ready, heard = False, threading.Event()

    def listen() -> None:
        nonlocal is_ready
        assert process.stdout is not None
        for line in process.stdout:
            lines.append(line)
            if ready in line:
                is_ready = True
                heard.set()
        heard.set()

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        heard.wait(PATIENCE)
        assert is_ready, f"{command} never printed {ready!r}:\n{''.join(lines)}"
        yield lines
    finally:
        _end(process)
        listener.join(PATIENCE)


def _end(process: subprocess.Popen[str]) -> None:
    """End a process and all its children."""
    for sign, patience in ((signal.SIGTERM, 30.0), (signal.SIGKILL, PATIENCE)):
        try:
            os.killpg(process.pid, sign)
            process.wait(patience)
        except ProcessLookupError:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            continue


@dataclass(frozen=True)
class Scheduler:
    """A Prefect server, as a data engineer uses it from the project's folder."""

    project: Path
    api: str
    environment: Mapping[str, str]
    worker: Sequence[str]

    def prefect(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run ``prefect`` in the project's folder."""
        return subprocess.run(
            [BIN / "prefect", *arguments],
            cwd=self.project,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=2 * PATIENCE,
            check=False,
        )

    def trigger(self, deployment: str, **settings: Any) -> dict[str, Any]:
        """Trigger a run by hand, wait for its end, and return it as the server knows it."""
        # A run is named by what it does and as of when; a tag stays.
        tag = f"by-hand-{uuid4()}"
        ended = self.prefect(
            *("deployment", "run", deployment, "--param", f"settings={json.dumps(settings)}"),
            *("--tag", tag, "--watch", "--watch-timeout", f"{PATIENCE:.0f}"),
        )
        runs = self.ask("/flow_runs/filter", {"flow_runs": {"tags": {"all_": [tag]}}})
        assert len(runs) == 1, ended.stdout + ended.stderr
        return dict(runs[0])

    def ask(self, path: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Ask the server's API."""
        response = httpx.post(self.api + path, json=body, timeout=PATIENCE)
        response.raise_for_status()
        return list(response.json())

    def logs(self, run: Mapping[str, Any]) -> list[str]:
        """Return the log lines of a run, oldest first."""
        where = {"flow_run_id": {"any_": [run["id"]]}}
        return [line["message"] for line in self.ask("/logs/filter", {"logs": where, "sort": "TIMESTAMP_ASC"})]


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of what git tracks, with a small simulated shop and settings that name its tables."""
    folder = tmp_path_factory.mktemp("project")
    tracked = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in tracked.split("\0"):
        if name and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, folder / name)
    write_shop(folder / "shop", CUSTOMERS, seed=7, settings=SHOP)
    (folder / "revealed.toml").write_text(SETTINGS, encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def scheduler(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scheduler]:
    """A Prefect server with all deployments and a worker, set up with the README's commands."""
    port = free_port()
    api = f"http://127.0.0.1:{port}/api"
    environment = clean_environment(
        PREFECT_API_URL=api,
        PREFECT_HOME=str(tmp_path_factory.mktemp("prefect")),
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        # Only then does the server say when it is ready.
        PREFECT_SERVER_LOGGING_LEVEL="INFO",
    )
    prefect = BIN / "prefect"
    server = [prefect, "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(server, "Application startup complete", project, environment):
        call([prefect, "work-pool", "create", "revealed", "--type", "process"], project, environment)
        call([prefect, "--no-prompt", "deploy", "--all"], project, environment)
        worker = [prefect, "worker", "start", "--pool", "revealed"]
        with running(worker, "started!", project, environment) as lines:
            yield Scheduler(project, api, environment, lines)


@dataclass(frozen=True)
class Published:
    """What runs triggered by hand left in the project's store, read from the store's own files."""

    project: Path
    retrained: Mapping[str, Any]
    scored: Mapping[str, Any]

    @property
    def uri(self) -> str:
        """The store as an MLflow client names it."""
        return f"sqlite:///{self.project}/mlruns/mlflow.db"

    def current(self) -> pd.DataFrame:
        """Read the table alias ``current`` points to."""
        client = MlflowClient(self.uri, self.uri)
        return self.scores(client.get_model_version_by_alias("customer_scores", "current").version)

    def scores(self, version: str) -> pd.DataFrame:
        """Read a version of the table."""
        source = MlflowClient(self.uri, self.uri).get_model_version("customer_scores", version).source
        return pd.read_parquet(Path(source.removeprefix("file://")) / "scores.parquet")


@pytest.fixture(scope="session")
def published(scheduler: Scheduler) -> Published:
    """Trigger a retraining, then a scoring of a date: a champion, and current scores as of `AS_OF`."""
    retrained = scheduler.trigger("retrain/weekly", horizon=60)
    scored = scheduler.trigger("score/nightly", as_of=AS_OF)
    return Published(scheduler.project, retrained, scored)


@dataclass(frozen=True)
class Shared:
    """What a team shares: an MLflow server, and the folder in which it alone keeps its files."""

    uri: str
    folder: Path


@pytest.fixture(scope="session")
def shared(scheduler: Scheduler, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shared]:
    """An MLflow server to which the command has published scores."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    uri = f"http://127.0.0.1:{port}"
    server = [BIN / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    keeps = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts"]
    with running([*server, *keeps], "Application startup complete", folder, clean_environment()):
        environment = {**scheduler.environment, "MLFLOW_TRACKING_URI": uri}
        for command in ("retrain", "score"):
            call([BIN / "revealed", command], scheduler.project, environment)
        yield Shared(uri, folder)


@dataclass(frozen=True)
class Consumer:
    """Somebody with an environment and a folder of their own."""

    python: Path
    folder: Path

    def run(self, code: str, **environment: str) -> str:
        """Run Python code there, and return what it printed."""
        return call([self.python, "-c", code], self.folder, clean_environment(**environment))

    @contextmanager
    def serving(self, model: str, **environment: str) -> Iterator[str]:
        """Serve a registered model there with MLflow's command; gives the address that takes rows."""
        port, folder = free_port(), self.python.parent
        # The command starts Python and uvicorn by their names.
        variables = clean_environment(**environment, PATH=f"{folder}{os.pathsep}{os.environ['PATH']}")
        command = [folder / "mlflow", "models", "serve", "-m", model, "--env-manager", "local", "--port", str(port)]
        with running(command, "Application startup complete", self.folder, variables):
            yield f"http://127.0.0.1:{port}/invocations"


@pytest.fixture(scope="session")
def consumer_with(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Consumer]:
    """Make consumers whose environment holds some packages alone, in the versions of the lock."""

    def build(*requirements: str | Path) -> Consumer:
        folder = tmp_path_factory.mktemp("consumer")
        uv, python = BIN / "uv", folder / "venv" / "bin" / "python"
        call([uv, "venv", "--quiet", "--python", sys.executable, folder / "venv"], folder, clean_environment())
        locked = ["--constraint", ROOT / "requirements.lock"]
        call([uv, "pip", "install", "--quiet", "--python", python, *locked, *requirements], folder, clean_environment())
        return Consumer(python, folder)

    return build
