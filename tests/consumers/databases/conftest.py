"""A server of PostgreSQL's for all tests of this folder."""

import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import mlflow
import pandas as pd
import pyarrow.parquet as pq
import pytest

from data.simulation.shop import write_shop
from tests.consumers.conftest import AS_OF, BIN, CUSTOMERS, clean_environment
from tests.consumers.databases.postgresql import OWNER, Server, find_programs, running_server


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


@dataclass(frozen=True)
class Project:
    """A folder with a store, whose settings name a table in the database, and what its commands printed."""

    folder: Path
    printed: str

    def current(self) -> pd.DataFrame:
        """Read the current scores."""
        uri = f"sqlite:///{self.folder}/mlruns/mlflow.db"
        version = mlflow.MlflowClient(uri, uri).get_model_version_by_alias("customer_scores", "current")
        return pd.read_parquet(Path(version.source.removeprefix("file://")) / "scores.parquet")


@pytest.fixture(scope="session")
def scored(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Scores of a shop whose transactions lie in the database; the URL in its settings holds the password."""
    folder = tmp_path_factory.mktemp("scored")
    write_shop(folder / "shop", CUSTOMERS, seed=7)
    server.fill("sold", "transactions", pq.read_table(folder / "shop" / "transactions.parquet"))
    url = server.url("sold.transactions").replace(OWNER, f"{OWNER}:{server.password}")
    (folder / "revealed.toml").write_text(f'transactions = "{url}"\nas_of = "{AS_OF}"\n')
    printed = ""
    for command in ("retrain", "score"):
        done = revealed(server, folder, command, PGPASSWORD="")
        assert done.returncode == 0, done.stdout + done.stderr
        printed += done.stdout + done.stderr
    return Project(folder, printed)


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    """A server of PostgreSQL's."""
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed, so that no table of it was read: apt-get install postgresql")
    # The path of a socket has at most 107 letters.
    with tempfile.TemporaryDirectory(prefix="pg-") as folder, running_server(programs, Path(folder)) as running_one:
        yield running_one
