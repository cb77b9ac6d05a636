"""``revealed app`` before it serves: what it needs, and what it says where that is missing."""

import socket
import sys

import pytest


def test_without_its_packages_the_line_of_pip_is_told(revealed, trained, monkeypatch):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    code, _, err = revealed("app", "--mlruns", trained)
    assert (code, err.strip()) == (2, "revealed: the app needs more packages: pip install 'revealed[app]'")


def test_without_a_store_it_says_what_to_run(revealed, own_environment):
    code, _, err = revealed("app", "--mlruns", own_environment / "nothing")
    assert code == 2
    assert "run `revealed retrain` first" in " ".join(err.split())
    assert not (own_environment / "nothing").exists()


@pytest.mark.parametrize("host", ["127.0.0.1", "no-such-host.invalid"])
def test_an_address_that_cannot_be_listened_on_is_told(revealed, trained, host):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, _, err = revealed("app", "--mlruns", trained, "--host", host, "--port", port)
    assert code == 2
    assert f"the app cannot listen on http://{host}:{port}:" in " ".join(err.split())
