"""Two machines with networks, host names and process numbers of their own share a store; one is killed holding it."""

import os
import re
import signal
import sys
import tempfile
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from models.registry.published_file import CURRENT, SCORES
from tests.consumers.conftest import clean_environment, running
from tests.consumers.databases.postgresql import OWNER, find_programs, running_server
from tests.faults.conftest import QUICK, ROOT
from tests.faults.hosts import HUB, children, may_have_hosts, network, wait_for_line
from tests.faults.servers import BIN, free_port

DONE, HELD = 0, 4
# The command itself; a ticket counts for six seconds, as two minutes are too long for a test.
_COMMAND = """\
import sys
import flows.retrain
from flows.command.main import main
from models.registry.locking import tickets
tickets.LEASE, tickets.RENEWAL = 6.0, 1.0
if "stay" in sys.argv:
    sys.argv.remove("stay")
    flows.retrain.fit_scorer = lambda *_: (print("fitting", flush=True), sys.stdin.read())
sys.exit(main(sys.argv[1:]))
"""


@pytest.fixture
def hosts(tmp_path):
    """Two machines."""
    if not may_have_hosts():
        pytest.skip("machines of their own need root, and the programs unshare, nsenter and ip")
    with network(tmp_path, "rome", "oslo") as made:
        yield made


@pytest.fixture(params=["an MLflow server", "PostgreSQL"])
def tracking(request, hosts, tmp_path):
    """What both share: its address for each of them, and for this process."""
    if request.param == "PostgreSQL":
        programs = find_programs()
        if programs is None:
            pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
        # The path of a socket has at most 107 letters.
        with tempfile.TemporaryDirectory(prefix="pg-") as folder, running_server(programs, Path(folder)) as server:
            uri = f"postgresql://{OWNER}:{server.password}@/postgres?host={server.folder}"
            yield [uri, uri], uri
        return
    port, kept = free_port(), f"sqlite:///{tmp_path}/server.db"
    command = [*hosts.at_hub, BIN / "mlflow", "server", "--host", "0.0.0.0", "--port", str(port), "--workers", "1"]
    command += ["--backend-store-uri", kept, "--artifacts-destination", tmp_path / "files"]
    with running(command, "Application startup complete", tmp_path, clean_environment()):
        yield [f"http://{HUB.format(number)}:{port}" for number in (1, 2)], kept


def test_a_killed_holder_is_followed_whatever_runs_elsewhere_under_its_number(hosts, tracking, shop):
    rome, oslo = hosts.hosts
    addresses, kept = tracking
    variables = [clean_environment(MLFLOW_TRACKING_URI=uri, PYTHONPATH=str(ROOT)) for uri in addresses]
    call = [sys.executable, "-c", _COMMAND]
    inputs = ("--transactions", shop)
    retrain = [*call, "retrain", *inputs, *QUICK]
    score = [*call, "score", *inputs]
    for command in (retrain, score):
        code, printed = rome.run(command, variables[0])
        assert code == DONE, printed
    with rome.start([*retrain, "stay"], variables[0]) as fitting:
        wait_for_line(fitting, "fitting")
        code, printed = oslo.run([*call, "rollback"], variables[1])
        assert code == HELD, printed
        named = re.search(r"retrain, process (\d+) on rome, since 20", printed)
        assert named, printed
        holder = f"process {named[1]} on rome"
        with oslo.occupy(int(named[1])) as bystander, oslo.start(score, variables[1]) as waiting:
            os.kill(children(fitting.pid)[0], signal.SIGKILL)
            printed = " ".join(waiting.communicate(timeout=600)[0].split())
            assert bystander.poll() is None
            bystander.communicate()
    assert waiting.returncode == DONE, printed
    assert re.search(rf"held by retrain, {holder}, since 20\S+ .* ended without giving it back", printed), printed
    assert f"{holder}) was cut off: it is closed now, and its temporary files go with the next run on rome" in printed
    client = MlflowClient(kept, kept)
    assert client.get_model_version_by_alias(SCORES, CURRENT).version == 2
    experiments = [each.experiment_id for each in client.search_experiments()]
    assert client.search_runs(experiments, "attributes.status = 'RUNNING'") == []
    work = rome.folder / "mlruns" / "work"
    assert len(list(work.iterdir())) == 2
    code, printed = rome.run(score, variables[0])
    assert code == DONE, printed
    assert [each.name for each in work.iterdir()] == [".lock"]
