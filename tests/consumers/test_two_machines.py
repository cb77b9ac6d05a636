"""Two machines that share a server of MLflow's: tickets keep them apart."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
from mlflow.tracking import MlflowClient

from models.registry.locking.holder import Holder
from models.registry.locking.tickets import TicketLock
from tests.consumers.conftest import BIN, clean_environment, free_port, running
from tests.consumers.two_machines import check_two_machines

MACHINES, TIMES = 6, 3


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of MLflow's without anything in it; gives its address."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [BIN / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    keeps = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts"]
    with running([*command, *keeps], "Application startup complete", folder, clean_environment()):
        yield f"http://127.0.0.1:{port}"


def test_the_server_keeps_two_machines_apart_and_is_free_some_time_after_a_kill(server, tmp_path):
    check_two_machines(tmp_path, {"MLFLOW_TRACKING_URI": server})


def test_many_at_once_hold_it_one_after_the_other(server):
    inside, most = [], 0
    guard = threading.Lock()

    def work(number):
        nonlocal most
        for _ in range(TIMES):
            holder = Holder("score", number, "here", "now")
            lock = TicketLock(MlflowClient(server, server), holder, lambda _: threading.Event().wait(0.05))
            assert lock.acquire(300) is None
            with guard:
                inside.append(number)
                most = max(most, len(inside))
            lock.confirm()
            with guard:
                inside.remove(number)
            lock.release()
        return number

    with ThreadPoolExecutor(MACHINES) as pool:
        assert list(pool.map(work, range(MACHINES))) == list(range(MACHINES))
    assert most == 1
