"""What a hostile server may do to whoever fetches a table from it: lead elsewhere, never end, never answer."""

import threading
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data.errors import InputError
from data.intake.sources import Source, find_files
from data.intake.urls import connections, fetching
from data.intake.urls.connections import Deadline, Way, is_private

CSV = "customer_id,ts,amount\n007,2024-01-02,1.5\n"
SECRET = "of another service of this machine"


class Server(ThreadingHTTPServer):
    """Leads on to where its paths say, and knows what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.place = f"http://127.0.0.1:{self.server_port}"
        self.asked: list[tuple[str, str | None]] = []
        self.leads: dict[str, str] = {}
        self.ended = threading.Event()


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append((self.path, self.headers.get("Authorization")))
        if self.path in self.server.leads:
            self.send_response(302)
            self.send_header("Location", self.server.leads[self.path])
            self.end_headers()
        elif self.path == "/silent":
            self.server.ended.wait(60)
        else:
            self.send_response(200)
            if self.path == "/told":
                self.send_header("Content-Length", str(10**6))
            self.end_headers()
            self.wfile.write(CSV.encode())
            if self.path == "/slow":
                self.wfile.flush()
                self.server.ended.wait(60)

    def log_message(self, *args) -> None:
        pass


@pytest.fixture
def servers() -> Iterator[tuple[Server, Server]]:
    """The server that is named, and another service of this machine."""
    both = Server(), Server()
    for server in both:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield both
    for server in both:
        server.ended.set()
        server.shutdown()
        server.server_close()


def fetched(url, folder, redirects="public"):
    return find_files(Source(url, redirects=redirects), "transactions", folder)[0][0].path.read_text()


def test_a_redirect_to_another_service_of_this_machine_is_refused_unless_allowed(tmp_path, servers):
    named, other = servers
    named.leads["/a.csv"] = f"{other.place}/private?token=s3cret"
    url = f"{named.place.replace('//', '//ann:p4ss@')}/a.csv"
    with pytest.raises(InputError, match=r"leads on to http://127\.0\.0\.1:\d+, an address of this machine") as error:
        fetched(url, tmp_path)
    assert "s3cret" not in str(error.value)
    assert "p4ss" not in str(error.value)
    assert other.asked == []
    assert fetched(url, tmp_path, "any") == CSV
    # The password is for the place that was named.
    assert named.asked[-1][1] is not None
    assert other.asked == [("/private?token=s3cret", None)]


def test_a_redirect_within_the_place_that_was_named_is_followed(tmp_path, servers):
    named, _ = servers
    named.leads |= {"/a.csv": "/b.csv", "/b.csv": f"{named.place}/c.csv", "/round": "/round"}
    assert fetched(f"{named.place}/a.csv", tmp_path) == CSV
    with pytest.raises(InputError, match="leads on in a circle"):
        fetched(f"{named.place}/round", tmp_path)


def test_a_name_that_comes_to_mean_this_machine_after_it_was_checked_is_refused(tmp_path, servers, monkeypatch):
    named, other = servers
    named.leads["/a.csv"] = f"{other.place}/private"
    monkeypatch.setattr(connections, "_addresses", lambda host: ["93.184.216.34"])
    with pytest.raises(InputError, match="an address of this machine"):
        fetched(f"{named.place}/a.csv", tmp_path)
    assert other.asked == []


@pytest.mark.parametrize(
    "place", ["file:///etc/passwd", "ftp://127.0.0.1/a.csv", "gopher://x/", "http://", "http://[x"]
)
def test_a_redirect_to_what_is_no_place_of_http_is_refused(tmp_path, servers, place):
    named, _ = servers
    named.leads["/a.csv"] = place
    with pytest.raises(InputError, match="cannot be fetched"):
        fetched(f"{named.place}/a.csv", tmp_path)


def test_a_redirect_from_https_to_http_is_refused():
    handler = connections._Redirects(Way("https://shop.example/a.csv", Deadline(60), any_redirect=True))
    with pytest.raises(InputError, match=r"leads on to http://cdn\.example, which is not as safe"):
        handler.redirect_request(
            urllib.request.Request("https://shop.example/a.csv"), None, 302, "Found", {}, "http://cdn.example/a.csv"
        )


@pytest.mark.parametrize(
    "host", ["localhost", "2130706433", "0x7f.1", "127.1", "[::ffff:127.0.0.1]", "0.0.0.0", "169.254.169.254"]
)
def test_other_ways_to_write_a_private_address_are_known(tmp_path, servers, host):
    named, other = servers
    named.leads["/a.csv"] = f"http://{host}:{other.server_port}/private"
    with pytest.raises(InputError, match="an address of this machine"):
        fetched(f"{named.place}/a.csv", tmp_path)
    assert other.asked == []


@pytest.mark.parametrize(
    ("address", "private"),
    [
        *dict.fromkeys(
            ("127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "169.254.1.1", "100.64.0.1"), True
        ).items(),
        *dict.fromkeys(("::1", "fe80::1%eth0", "fd00::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"), True).items(),
        *dict.fromkeys(("2002:7f00:1::", "224.0.0.1", "ff02::1", "0.0.0.0", "no address"), True).items(),
        *dict.fromkeys(
            ("93.184.216.34", "2606:4700::1111", "::ffff:93.184.216.34", "64:ff9b::5db8:d822"), False
        ).items(),
    ],
)
def test_private_addresses_are_told_from_public_ones(address, private):
    assert is_private(address) is private


@pytest.mark.parametrize("path", ["/told", "/plain"])
def test_a_file_that_is_too_large_is_given_up(tmp_path, servers, monkeypatch, path):
    monkeypatch.setattr(fetching, "LARGEST", 20)
    with pytest.raises(InputError, match=r"is larger than 1\.86e-08 GB, the most that is fetched: bring it here"):
        fetched(servers[0].place + path, tmp_path)
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) <= 20


@pytest.mark.parametrize("path", ["/silent", "/slow"])
def test_a_server_that_does_not_end_is_given_up(tmp_path, servers, monkeypatch, path):
    monkeypatch.setattr(fetching, "LONGEST", 0.3)
    with pytest.raises(InputError, match=r"took longer than 0\.005 minutes, and was given up"):
        fetched(servers[0].place + path, tmp_path)
