import gzip
import threading
import traceback
from base64 import b64encode
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from data.errors import InputError
from data.intake.reading.content import is_parquet, read_text
from data.intake.sources import File, Source, find_files

CSV = "customer_id,ts,amount\n007,2024-01-02,1.5\n"


def names(source, folder):
    return [file.path.name for file in find_files(source, "transactions", folder)[0]]


def text(path, encoding=None):
    return b"".join(read_text(File("transactions", path.name, path), encoding)).decode()


class Shop(BaseHTTPRequestHandler):
    """Serves one file to whoever knows the password or the signature."""

    def do_GET(self):
        signed = self.path.endswith("?sig=s3cret")
        if not signed and self.headers.get("Authorization") != "Basic " + b64encode(b"ann:p@ss").decode():
            self.send_error(403)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(CSV) + (9 if "short" in self.path else 0)))
        self.end_headers()
        self.wfile.write(CSV.encode())

    def log_message(self, *args):
        pass


@pytest.fixture(scope="module")
def shop():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Shop)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


def test_paths_folders_and_globs_are_found_each_file_once(tmp_path):
    for name in ("b.csv", "a.parquet", "sub/c.csv.gz", ".hidden.csv", "_SUCCESS", "_temporary/d.csv", "read me.md"):
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).touch()
    folder = tmp_path / "in"
    assert names(Source(folder), tmp_path) == ["a.parquet", "b.csv", "c.csv.gz"]
    assert names(Source(str(folder / "*.csv")), tmp_path) == ["b.csv"]
    assert names(Source(str(folder / "**" / "*.csv.gz")), tmp_path) == ["c.csv.gz"]
    assert names(Source(str(tmp_path / "i*")), tmp_path) == ["a.parquet", "b.csv", "c.csv.gz"]
    assert names(Source([folder, folder / "b.csv", str(folder / "b*")]), tmp_path) == ["a.parquet", "b.csv", "c.csv.gz"]
    assert "read me.md" in find_files(Source(folder), "transactions", tmp_path)[1][0]


def test_links_are_followed_within_a_folder_and_not_out_of_it(tmp_path):
    folder, outside = tmp_path / "in", tmp_path / "secrets.csv"
    folder.mkdir()
    outside.write_text(CSV)
    (folder / "b.csv").symlink_to(outside)
    with pytest.raises(
        InputError, match=r"holds no file .* Not read, .*lead out of the folder: .*b\.csv \(1 files\); name"
    ):
        find_files(Source((str(folder),)), "transactions", tmp_path / "work")
    (folder / "a.csv").write_text(CSV)
    (folder / "c.csv").symlink_to(folder / "a.csv")
    files, notes = find_files(Source((str(folder),)), "transactions", tmp_path / "work")
    assert "secrets.csv" not in {file.path.resolve().name for file in files}
    assert {file.path.name for file in files} <= {"a.csv", "c.csv"}
    assert any("lead out of the folder" in note and "b.csv" in note for note in notes)
    # Whoever names a link itself means it.
    assert names(Source((str(folder / "b.csv"),)), tmp_path) == ["b.csv"]


def test_a_name_with_brackets_is_a_path_before_it_is_a_glob(tmp_path):
    (tmp_path / "sales [1].csv").write_text(CSV)
    assert names(Source(tmp_path / "sales [1].csv"), tmp_path) == ["sales [1].csv"]


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("sale.csv", r"'.*sale\.csv' is not there.*Nearest: '.*sales\.csv'"),
        ("nowhere/sales.csv", "is not there"),
        ("*.parquet", "no file matches"),
        ("empty", "holds no file that ends in .csv"),
    ],
)
def test_what_is_not_there_is_told(tmp_path, path, message):
    (tmp_path / "sales.csv").touch()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=f"(?s)transactions: .*{message}"):
        find_files(Source(str(tmp_path / path)), "transactions", tmp_path)


def test_no_path_is_a_mistake(tmp_path):
    with pytest.raises(InputError, match="no path is given"):
        find_files(Source([]), "transactions", tmp_path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"decimal": ";"}, "decimal must be"),
        ({"separator": ";;"}, "separator must be one character"),
        ({"separator": "§"}, "separator must be one character"),
        ({"encoding": "latin-99"}, "encoding is a text of 8 characters, and not known.*Nearest: 'latin_1'"),
        ({"encoding": "base64"}, "encoding is a text of 6 characters, and not known"),
    ],
)
def test_a_wrong_setting_is_told(settings, message):
    with pytest.raises(InputError, match=message):
        Source("x.csv", **settings)


@pytest.mark.parametrize("where", ["http://ann:p%40ss@{}/shop.csv", "http://{}/shop.csv?sig=s3cret#top"])
def test_a_url_is_fetched_with_its_password_or_signature_and_named_without(tmp_path, shop, where):
    (file,), _ = find_files(Source(where.format(shop)), "transactions", tmp_path)
    assert file.path.read_text() == CSV
    assert file.name == f"http://{shop}/shop.csv"


def test_a_file_url_is_fetched(tmp_path):
    (tmp_path / "shop.csv").write_text(CSV)
    (file,), _ = find_files(Source((tmp_path / "shop.csv").as_uri()), "transactions", tmp_path)
    assert file.path.read_text() == CSV


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("http://ann:s3cret@{}/shop.csv", "the server answers 403"),
        ("http://{}/short.csv?sig=s3cret", "was cut short: 41 of 50 bytes"),
        ("http://ann:s3cret@127.0.0.1:1/shop.csv?sig=s3cret", "cannot be fetched"),
        ("http://ann:s3cret@[bad/shop.csv", "cannot be fetched"),
        ("http://ann:s3cret@{}:nan/shop.csv", "cannot be fetched"),
        ("http://ann:s3cret@{}/a b?sig=s3cret", "cannot be fetched"),
        ("nosuch://ann:s3cret@host/shop.csv", "URLs of http, https, file, s3"),
        ("file:///no/such/shop.csv?sig=s3cret", "cannot be fetched"),
    ],
)
def test_no_secret_of_a_url_shows_in_a_message(tmp_path, shop, url, message):
    source = Source(url.format(shop))
    with pytest.raises(InputError, match=message) as error:
        find_files(source, "transactions", tmp_path)
    assert "s3cret" not in str(error.value)
    assert "s3cret" not in "".join(traceback.format_exception(error.value))
    assert "s3cret" not in repr(source)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_utf_8_and_what_a_byte_order_mark_names_are_read_silently(tmp_path, encoding):
    path = tmp_path / "x.csv"
    path.write_bytes("é,ü\n".encode(encoding))
    assert text(path) == "é,ü\n"


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16-le", "utf-8", "shift_jis"])
def test_a_named_encoding_is_read(tmp_path, encoding):
    path = tmp_path / "x.csv"
    path.write_bytes("a,\nb\n".encode(encoding) if encoding == "shift_jis" else "é,ü\nb\n".encode(encoding))
    assert text(path, encoding).endswith(",\nb\n" if encoding == "shift_jis" else "é,ü\nb\n")


def test_another_encoding_is_told_with_its_line_and_what_to_say(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"a\nb\ncaf\xe9\n")
    with pytest.raises(
        InputError, match=r'(?s)x\.csv line 3 is not UTF-8 \(byte 0xe9\).*says .café.*encoding = "cp1252"'
    ):
        text(path)
    with pytest.raises(InputError, match=r"x\.csv line 3 is not ascii"):
        text(path, "ascii")


def test_the_line_of_a_wrong_byte_is_right_across_blocks(tmp_path, monkeypatch):
    monkeypatch.setattr("data.intake.reading.content._BLOCK", 3)
    path = tmp_path / "x.csv"
    path.write_bytes("é\nüü\n".encode() + b"ok\n\xe9\n")
    with pytest.raises(InputError, match="line 4"):
        text(path)


def test_old_mac_line_ends_become_new_ones(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(b"a,b\r1,2\r3,4")
    assert text(path) == "a,b\n1,2\n3,4"


def test_a_gzipped_file_is_read_whatever_its_name(tmp_path):
    path = tmp_path / "x.csv"
    path.write_bytes(gzip.compress(CSV.encode(), mtime=0) + gzip.compress(b"more\n", mtime=0))
    assert text(path) == CSV + "more\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (gzip.compress(CSV.encode(), mtime=0)[:-9], "was cut short: its gzip stream has no end"),
        (gzip.compress(CSV.encode(), mtime=0)[:12] + b"\0\1\2" * 9, "cannot be read"),
        (b"a\0b\0\n\0", "zero bytes"),
        (CSV.encode() + "é".encode()[:1], "was cut short: line 3 ends within a character"),
    ],
)
def test_a_damaged_file_is_told(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=rf"x\.csv .*{message}"):
        text(path)


@pytest.mark.parametrize(("content", "message"), [(b"PK\3\4 rest", "zip archive"), (b"PAR1 half", "was cut short")])
def test_files_that_are_not_tables_are_told_by_their_first_bytes(tmp_path, content, message):
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=message):
        is_parquet(File("transactions", "x.csv", path))


def test_a_file_that_cannot_be_opened_is_told(tmp_path):
    with pytest.raises(InputError, match="cannot be read: Is a directory"):
        is_parquet(File("transactions", "x", tmp_path))
