"""Files that are no tables, such as passwords and keys, given as a source: no message repeats what they hold."""

import gzip

import pytest

from data.errors import InputError
from data.intake.headers import check_headers
from data.intake.pipeline import Source, take_in

SECRET = "hunter2Xyzzy"
FILES = {
    "passwd": f"{SECRET}:x:1000:1000:{SECRET},,,:/home/{SECRET}:/bin/sh\nroot:x:0:0::/root:/bin/sh\n",
    "shadow": f"root:$6${SECRET}$abc:19000:0:99999:7:::\n" * 4,
    "key": f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n{SECRET}\n-----END PRIVATE KEY-----\n",
    "bare key": f"{SECRET}\n" * 3,
    "pgpass": f"localhost:5432:*:ann:{SECRET}\n",
    "env": f"AWS_SECRET={SECRET}\nDB_PASSWORD={SECRET}\n",
    "ini": f"[db]\npassword = {SECRET}\n",
    "json": f'{{"password": "{SECRET}"}}\n',
    "html": f"<html><script>var k = '{SECRET}'</script></html>\n",
    "xml": f"<a p='{SECRET}'>{SECRET}</a>\n",
    "packed": gzip.compress(f"login,{SECRET}\n".encode()),
    "utf-16": f"password {SECRET}\n".encode("utf-16"),
    "latin": f"caf\xe9 {SECRET}\n".encode("latin-1") * 3,
    "elf": b"\x7fELF\x02\x01\x01" + SECRET.encode() + bytes(range(256)) * 20,
    "bytes": bytes(range(1, 256)) * 20 + SECRET.encode(),
    "zip": b"PK\x03\x04" + SECRET.encode() * 5,
    "half of Parquet": b"PAR1" + SECRET.encode() * 20 + b"PAR1",
    "old workbook": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + SECRET.encode() * 300,
    "database": b"SQLite format 3\0" + SECRET.encode() * 300,
    "long line": SECRET * 5_000,
}


@pytest.mark.parametrize("name", FILES)
def test_no_message_repeats_a_file_that_is_no_table(tmp_path, name):
    content = FILES[name]
    file = tmp_path / "given"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    for read in (check_headers, lambda sources: take_in(sources, tmp_path / "out")):
        with pytest.raises(InputError) as error:
            read({"transactions": Source(file)})
        assert SECRET not in str(error.value)
        assert "given" in str(error.value)


def test_names_that_look_like_none_are_counted_and_the_others_shown(take):
    with pytest.raises(InputError, match=r"Its columns: Kunde, Betrag \(€\), and 1 whose names are not shown") as error:
        take(f"Kunde;Betrag (€);ann:{SECRET}@host\nA;1;2\n")
    assert SECRET not in str(error.value)
