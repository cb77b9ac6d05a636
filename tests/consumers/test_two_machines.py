"""Two machines that share a server of MLflow's: tickets keep them apart."""

import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

import pytest
from mlflow.tracking import MlflowClient

from models.registry.locking.holder import Holder
from models.registry.locking.tickets import TicketLock
from tests.consumers.conftest import BIN, clean_environment, free_port, running
from tests.consumers.two_machines import check_two_machines, machine

MACHINES, TIMES, WORKERS = 6, 3, 3


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server of MLflow's without anything in it; gives its address."""
    folder, port = tmp_path_factory.mktemp("mlflow"), free_port()
    command = [BIN / "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", str(WORKERS)]
    keeps = ["--backend-store-uri", f"sqlite:///{folder}/mlflow.db", "--artifacts-destination", folder / "artifacts"]
    with running([*command, *keeps], "Application startup complete", folder, clean_environment()):
        yield f"http://127.0.0.1:{port}"


def test_the_server_keeps_two_machines_apart_and_is_free_some_time_after_a_kill(server, tmp_path):
    check_two_machines(tmp_path, {"MLFLOW_TRACKING_URI": server})


class Cable:
    """What connects a machine with a server, at an address of its own, until it is cut: then nothing comes through."""

    def __init__(self, port):
        self._port, self._whole = port, threading.Event()
        self._whole.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.address = f"http://127.0.0.1:{self._listening.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def cut(self):
        self._whole.clear()

    def mend(self):
        self._whole.set()

    def _serve(self):
        while True:
            ours, _ = self._listening.accept()
            theirs = socket.create_connection(("127.0.0.1", self._port))
            for pair in ((ours, theirs), (theirs, ours)):
                threading.Thread(target=self._carry, args=pair, daemon=True).start()

    def _carry(self, source, target):
        with suppress(OSError):
            while data := source.recv(65_536):
                self._whole.wait()
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)


def test_a_machine_that_is_cut_off_loses_the_store_and_finds_it_when_the_network_is_back(server, tmp_path):
    cable = Cable(int(server.rpartition(":")[2]))
    with machine(tmp_path, {"MLFLOW_TRACKING_URI": cable.address}, "rome", "retrain", 0, "stay") as first:
        assert any(line == "held\n" for line in first.stdout), "the first never got the store"
        cable.cut()
        waiting = machine(tmp_path, {"MLFLOW_TRACKING_URI": server}, "oslo", "score", 5, "go")
        printed, _ = waiting.communicate(timeout=300)
        assert waiting.returncode == 0, printed
        assert f"held by retrain, process {first.pid} on rome" in printed
        cable.mend()
        printed, _ = first.communicate(timeout=300)
    assert first.returncode == 1, printed
    assert "passed over by score, process" in printed
    assert "nothing of this one became current; run it again" in printed


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
