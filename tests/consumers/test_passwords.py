"""Servers that ask who comes: MLflow with users and passwords, Prefect with an auth string."""

import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

import pytest

from data.simulation.shop import write_shop
from tests.consumers.conftest import BIN, PATIENCE, clean_environment, free_port, running

PASSWORD = "P4ss/w@rd-of-ann#1"
OTHERS = "wr0ng-pa55word-1"
BOBS = "b0bs-own-pa55word"
# Makes a user without any right, with MLflow's own client.
MAKE_BOB = "from mlflow.server import get_app_client as of; of('basic-auth', '{}').create_user('bob', '{}')"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("shop")
    files = write_shop(folder / "files", 300, seed=7)
    (folder / "revealed.toml").write_text(
        f'transactions = "{files["transactions"]}"\nsecond_stage = "off"\nseason = "off"\n', encoding="utf-8"
    )
    return folder


def revealed(shop: Path, command: str, **environment: str) -> tuple[int, str]:
    """Run a command, and return its code and all that it said; no password may be in it or in a file of the shop's."""
    done = subprocess.run(
        [BIN / "revealed", *command.split()],
        cwd=shop,
        env=clean_environment(**environment),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    said = done.stdout + done.stderr
    assert "Traceback" not in said
    kept = b"".join(file.read_bytes() for file in shop.rglob("*") if file.is_file())
    for password in (PASSWORD, quote(PASSWORD, safe=""), OTHERS, BOBS):
        assert password not in said
        assert password.encode() not in kept
    return done.returncode, said


@pytest.fixture(scope="module")
def tracking(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mapping[str, str]]:
    """A server of MLflow's that asks for a password; gives the variables of its administrator."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    (folder / "auth.ini").write_text(
        f"[mlflow]\ndefault_permission = NO_PERMISSIONS\ndatabase_uri = sqlite:///{folder}/auth.db\n"
        "admin_username = ann\nauthorization_function = mlflow.server.auth:authenticate_request_basic_auth\n"
    )
    server = [BIN / "mlflow", "server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(port)]
    keeps = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts"]
    environment = clean_environment(
        MLFLOW_AUTH_CONFIG_PATH=str(folder / "auth.ini"),
        MLFLOW_AUTH_ADMIN_PASSWORD=PASSWORD,
        MLFLOW_FLASK_SERVER_SECRET_KEY="of-this-test-alone",
    )
    with running([*server, "--workers", "1", *keeps], "Application startup complete", folder, environment):
        uri = f"http://127.0.0.1:{port}"
        ann = {
            "MLFLOW_TRACKING_URI": uri,
            "MLFLOW_TRACKING_USERNAME": "ann",
            "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        }
        subprocess.run(
            [BIN / "python", "-c", MAKE_BOB.format(uri, BOBS)],
            env=clean_environment(**ann),
            check=True,
            timeout=PATIENCE,
        )
        yield ann


def test_scores_are_published_on_a_server_of_mlflow_that_asks_for_a_password(shop, tracking):
    assert revealed(shop, "retrain", **tracking)[0] == 0
    # The password may stand in the address, too.
    address = tracking["MLFLOW_TRACKING_URI"].replace("//", f"//ann:{quote(PASSWORD, safe='')}@")
    code, said = revealed(shop, "score", MLFLOW_TRACKING_URI=address)
    assert (code, "Pull the scores with" in said) == (0, True), said
    assert revealed(shop, "scores --output scores.csv", **tracking)[0] == 0
    assert (shop / "scores.csv").stat().st_size > 0


@pytest.mark.parametrize(
    ("user", "password", "message"),
    [
        ("ann", OTHERS, "does not take this user and password: set MLFLOW_TRACKING_USERNAME and"),
        ("nobody", PASSWORD, "does not take this user and password: set MLFLOW_TRACKING_USERNAME and"),
        ("", "", "does not take this user and password: set MLFLOW_TRACKING_USERNAME and"),
        ("bob", BOBS, "knows this user and refuses what is asked: ask its owner"),
    ],
)
@pytest.mark.parametrize("command", ["score", "scores --output scores.csv"])
def test_mlflow_turns_others_away_in_one_sentence(shop, tracking, command, user, password, message):
    who = {"MLFLOW_TRACKING_USERNAME": user, "MLFLOW_TRACKING_PASSWORD": password} if user else {}
    code, said = revealed(shop, command, MLFLOW_TRACKING_URI=tracking["MLFLOW_TRACKING_URI"], **who)
    assert code == 2, said
    lines = [line for line in said.splitlines() if line.startswith("revealed: ")]
    assert len(lines) == 1
    assert message in " ".join(said.split())


@pytest.fixture(scope="module")
def orchestration(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server of Prefect's that asks for an auth string; gives its address."""
    folder, port = tmp_path_factory.mktemp("prefect"), free_port()
    environment = clean_environment(
        PREFECT_API_URL=f"http://127.0.0.1:{port}/api",
        PREFECT_HOME=str(folder),
        PREFECT_SERVER_ANALYTICS_ENABLED="false",
        PREFECT_SERVER_API_AUTH_STRING=f"ann:{PASSWORD}",
        PREFECT_SERVER_LOGGING_LEVEL="INFO",
    )
    server = [BIN / "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with running(server, "Application startup complete", folder, environment):
        yield environment["PREFECT_API_URL"]


def test_flows_run_on_a_server_of_prefect_that_asks_for_a_password(shop, orchestration, tmp_path):
    variables = {"PREFECT_API_URL": orchestration, "PREFECT_HOME": str(tmp_path / "home")}
    store = f"--mlruns {tmp_path / 'store'}"
    for command in ("retrain", "score"):
        code, said = revealed(shop, f"{command} {store}", **variables, PREFECT_API_AUTH_STRING=f"ann:{PASSWORD}")
        assert code == 0, said
    for wrong in ({"PREFECT_API_AUTH_STRING": f"ann:{OTHERS}"}, {}):
        code, said = revealed(shop, f"score {store}", **variables, **wrong)
        assert (code, said.count("revealed: ")) == (2, 1), said
        assert "does not take this user and password: set PREFECT_API_AUTH_STRING" in " ".join(said.split())
    kept = [file for file in tmp_path.rglob("*") if file.is_file()]
    assert kept
    assert not any(PASSWORD.encode() in file.read_bytes() for file in kept)
