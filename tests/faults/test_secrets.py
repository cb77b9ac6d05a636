"""Secrets in settings, URLs and variables: whole runs, plain and in Prefect, after which every file is searched."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote

import pyarrow.parquet as pq
import pytest

from tests.faults.conftest import PATIENCE, QUICK, ROOT

SECRET = "Zq9sesame"
PASSWORD = f"p/@#?:{SECRET}"
# As it is, in a header of HTTP at any offset, and as Python writes bytes.
TRACES = [SECRET.encode(), *(base64.b64encode(b"x" * k + SECRET.encode())[4:-4] for k in range(3))]
LOGIN = f"me:{quote(PASSWORD, safe='')}"
PREFECT = """
import sys
from flows import deployed
from flows.run_settings import RunSettings
from flows.settings import Settings

state = getattr(deployed, sys.argv[1])(RunSettings.of(Settings.load()), return_state=True)
print(state.type, state.name, state.message)
"""
# A mistake in the code, whose words hold what the step was given.
BROKEN = """
import flows.steps.tasks
from pathlib import Path

def broken(settings, *_):
    try:
        raise ValueError(settings.transactions[0].get_secret_value())
    except ValueError as error:
        raise RuntimeError(str(error)) from error

flows.steps.tasks.read_inputs = broken
"""
COMMAND = """
import sys
from flows.command.main import main

sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Place:
    """A working folder, the URL of the sales, and all that was printed there."""

    folder: Path
    url: str
    printed: list[str]

    def run(self, code: str, *arguments: str, environment: Mapping[str, str]) -> int:
        """Run a program in the folder, with secrets in many variables."""
        own = {
            "PYTHONPATH": str(ROOT),
            "HOME": str(self.folder / "home"),
            "PREFECT_HOME": str(self.folder / "prefect"),
            "OMP_NUM_THREADS": "1",
            "PGPASSWORD": SECRET,
            "PREFECT_API_KEY": SECRET,
            "MLFLOW_TRACKING_TOKEN": SECRET,
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "REVEALED_SPARK_REMOTE": f"sc://127.0.0.1/;token={SECRET}",
            "REVEALED_SCORES_LOCATION": f"s3a://key:{SECRET}@bucket/scores",
        }
        plain = {name: value for name, value in os.environ.items() if not name.startswith(("REVEALED_", "MLFLOW_"))}
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments],
            cwd=self.folder,
            env={**plain, **own, **environment},
            capture_output=True,
            timeout=PATIENCE,
            check=False,
        )
        self.printed.append((done.stdout + done.stderr).decode())
        return done.returncode

    def leaks(self) -> list[str]:
        """Name the files that hold the secret, and `printed` where it was."""
        files = [file for file in self.folder.rglob("*") if file.is_file() and file.name != "revealed.toml"]
        texts = {str(file): file.read_bytes() + _unpacked(file) for file in files}
        texts |= {f"printed {number}": text.encode() for number, text in enumerate(self.printed)}
        texts |= {f"name of {file}": str(file.relative_to(self.folder)).encode() for file in self.folder.rglob("*")}
        assert len(texts) > 10
        return [name for name, text in texts.items() if any(trace in text for trace in TRACES)]


def _unpacked(file: Path) -> bytes:
    return str(pq.read_table(file).to_pylist()).encode() if file.suffix == ".parquet" else b""


@pytest.fixture(scope="module")
def server(shop: Path) -> Iterator[str]:
    """Serve the sales to who has the password; to all others say it back."""
    wanted = f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"

    class Sales(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            is_let_in = self.headers["Authorization"] == wanted
            self.send_response(200 if is_let_in else 403, None if is_let_in else f"not for {self.path}")
            self.end_headers()
            self.wfile.write(shop.read_bytes() if is_let_in else SECRET.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Sales) as serving:
        Thread(target=serving.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{serving.server_port}"
        serving.shutdown()


@pytest.fixture
def place(server: str, tmp_path: Path) -> Place:
    """An empty folder, and the URL of the sales with the password in it."""
    return Place(tmp_path, f"http://{LOGIN}@{server}/sales.parquet?sig={SECRET}#{SECRET}", [])


def test_a_plain_run_leaves_no_secret(place):
    (place.folder / "revealed.toml").write_text(f'transactions = "{place.url}"\nmlruns = "store"\n')
    for command in (("check",), ("retrain", *QUICK), ("score",), ("scores",), ("report",), ("rollback",)):
        code = place.run(COMMAND, *command, environment={})
        assert (code == 0) == (command != ("rollback",)), place.printed[-1]
    wrong = place.url.replace(LOGIN, f"me:{SECRET}")
    for url in (wrong, place.url.replace("127.0.0.1", f"{SECRET}.invalid"), place.url.replace("http", "htp")):
        for command in ("check", "score", "retrain"):
            assert place.run(COMMAND, command, environment={"REVEALED_TRANSACTIONS": url}) == 2, place.printed[-1]
    for command in ("retrain", "score"):
        assert place.run(BROKEN + COMMAND, command, environment={}) == 1, place.printed[-1]
    assert "does not foresee" in place.printed[-1]
    assert place.leaks() == []


def test_a_run_in_prefect_leaves_no_secret(place):
    settings = {"REVEALED_TRANSACTIONS": place.url, "REVEALED_MLRUNS": "store", "REVEALED_SEASON": "off"}
    settings |= {"REVEALED_SECOND_STAGE": "off", "REVEALED_PURCHASE_MODEL": "mbg_nbd"}
    for name, code, own, ended in (
        ("retrain", PREFECT, {}, "Completed"),
        ("score", PREFECT, {}, "Completed"),
        ("score", PREFECT, {"REVEALED_TRANSACTIONS": place.url.replace(LOGIN, f"me:{SECRET}")}, "Failed"),
        ("score", PREFECT, {"REVEALED_NOTES": f'["see https://me:{SECRET}@wiki"]'}, ""),
        ("score", BROKEN + PREFECT, {}, "Failed"),
    ):
        place.run(code, name, environment={**settings, **own})
        assert ended in place.printed[-1]
    assert (place.folder / "prefect" / "prefect.db").stat().st_size > 0
    assert place.leaks() == []


@pytest.mark.parametrize("command", ["score", "scores", "rollback"])
@pytest.mark.parametrize(
    "uri",
    [
        "http://me:p/{}@127.0.0.1:9",
        "http://me:{}@127.0.0.1:9",
        "postgresql://me:{}@127.0.0.1:9/mlflow?application_name={}",
        "postgresql://user:123?{}@127.0.0.1:9",
        "mysql://me:{}@127.0.0.1:9/mlflow",
        "sqlite://user:{}@127.0.0.1:9/x",
        "sqlite:///me:{}@host/x.db",
        "me:{}@host/mlflow",
    ],
)
def test_a_tracking_server_that_cannot_be_reached_is_told_without_its_password(command, uri, place):
    environment = {
        "MLFLOW_TRACKING_URI": uri.replace("{}", SECRET),
        "REVEALED_TRANSACTIONS": place.url,
        # What is tested here is not how long MLflow tries.
        "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
        "MLFLOW_SQLALCHEMYSTORE_POOL_SIZE": "1",
    }
    assert place.run(COMMAND, command, environment=environment) in (1, 2), place.printed[-1]
    assert "Traceback" not in place.printed[-1]
    (place.folder / "more").mkdir()
    assert [name for name in place.printed if SECRET in name] == []
    assert [file for file in place.folder.rglob("*") if SECRET in str(file)] == []
