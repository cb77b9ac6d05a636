"""A server of PostgreSQL's for all tests of this folder."""

import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.consumers.conftest import BIN, clean_environment
from tests.consumers.databases.postgresql import Server, find_programs, running_server


def revealed(server: Server, folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder, with the password of the server in the environment."""
    variables = {"PGPASSWORD": server.password, **environment}
    return subprocess.run(
        [BIN / "revealed", *arguments],
        cwd=folder,
        env=clean_environment(**variables),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of PostgreSQL's."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed, so that no table of it was read: apt-get install postgresql")
    # The path of a socket has at most 107 letters.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, running_server(programs, Path(folder)) as running_one:
        yield running_one
