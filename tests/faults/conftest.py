"""A tiny shop, and processes that run a command on it and can be killed."""

import json
import multiprocessing
import os
import random
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from data.simulation.shop import write_shop
from tests.faults import child
from tests.faults.child import Kill

ROOT = Path(__file__).parents[2]
SEED = int(os.environ.get("FAULTS_SEED", "1"))
KILLS = int(os.environ.get("FAULTS_KILLS", "200"))
ROUNDS = int(os.environ.get("FAULTS_ROUNDS", "20"))
MINUTES = float(os.environ.get("FAULTS_MINUTES", "20"))
# However busy the machine is.
PATIENCE = 600
QUICK = ("--set", "second_stage=off", "--set", "season=off", "--set", "purchase_model=mbg_nbd")

# Forked from a server that has imported everything and has no threads.
os.environ["PYTHONPATH"] = str(ROOT)
processes = multiprocessing.get_context("forkserver")
processes.set_forkserver_preload(["tests.faults.child"])


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit code (negative: by a signal), what it printed, and the calls that wrote."""

    code: int | None
    text: str
    calls: list[str]


class Started:
    """A command that runs in a process of its own."""

    def __init__(self, output: Path, *of_child: object) -> None:
        self.output = output
        self.process = processes.Process(target=child.run, args=of_child)
        self.process.start()

    def wait(self) -> Ended:
        """Wait for its end."""
        self.process.join(PATIENCE)
        assert self.process.exitcode is not None, "the command does not end"
        calls = self.output.with_suffix(".calls")
        made = json.loads(calls.read_text()) if calls.exists() else []
        return Ended(self.process.exitcode, self.output.read_text(), made)


Start = Callable[..., Started]


@pytest.fixture
def rng() -> random.Random:
    """Numbers that are the same for the same seed (FAULTS_SEED)."""
    return random.Random(SEED)


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The purchases of 150 customers over 300 days."""
    return write_shop(tmp_path_factory.mktemp("shop"), 150, seed=3, days=300)["transactions"]


def starting_in(folder: Path) -> Start:
    """Return what starts a command, and writes into a folder what it prints."""
    number = iter(range(10**6))

    def start(
        *arguments: object,
        kill: Kill | None = None,
        kept: Path | None = None,
        patch: str | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> Started:
        output = folder / f"output-{next(number)}.txt"
        texts = [str(argument) for argument in arguments]
        own = {"OMP_NUM_THREADS": "1", **(environment or {})}
        return Started(output, texts, output, own, kill or Kill(), kept, patch)

    return start


@pytest.fixture
def start(tmp_path: Path) -> Start:
    """Start the command in a process of its own."""
    return starting_in(tmp_path)


@pytest.fixture(scope="session")
def inputs(shop: Path) -> dict[str, tuple[object, ...]]:
    """What retrain and score read."""
    return {"retrain": ("--transactions", shop, *QUICK), "score": ("--transactions", shop)}


@pytest.fixture(scope="session")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of steps that only compute."""
    return tmp_path_factory.mktemp("kept")


@pytest.fixture(scope="session")
def prepared(kept: Path, inputs: Mapping[str, tuple[object, ...]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with two scorers, the newer of them champion, and scores."""
    folder = tmp_path_factory.mktemp("prepared")
    start = starting_in(folder)
    for command in ("retrain", "score", "retrain", "score"):
        done = start(command, *inputs[command], "--mlruns", folder / "store", kept=kept).wait()
        assert done.code == 0, done.text
    return folder / "store"


@pytest.fixture
def place(prepared: Path, kept: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A copy of that store, and what the steps computed that wrote it."""
    return Path(shutil.copytree(prepared, tmp_path / "store")), kept
