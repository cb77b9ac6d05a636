"""A small shop on disk, Prefect's test server, and a command that runs in this process."""

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest

from data.simulation.shop import ShopSettings, write_shop


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, Path]:
    """1,200 customers over 500 days, with answers, events and attributes."""
    settings = ShopSettings(invited_share=0.5, response_rate=0.4, reliability=0.8)
    return write_shop(tmp_path_factory.mktemp("shop"), 1200, seed=7, days=500, settings=settings)


@pytest.fixture
def own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Path]:
    """Work in an empty folder; whatever is set in the environment meanwhile is gone afterwards."""
    before = dict(os.environ)
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith("REVEALED_") or name == "MLFLOW_TRACKING_URI":
            monkeypatch.delenv(name)
    yield tmp_path
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def revealed(own_environment: Path, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Run the command in this process: its exit code, what it printed, and what it said of errors."""
    from flows.command.main import main

    def run(*arguments: object) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """A Prefect server of the tests' own."""
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")
    os.environ.setdefault("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
    from prefect.testing.utilities import prefect_test_harness

    with prefect_test_harness(server_startup_timeout=180):
        yield
