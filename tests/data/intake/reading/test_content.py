import bz2
import lzma
import re
import tomllib
import zipfile

import pyarrow as pa
import pytest

from data.errors import InputError
from data.intake.reading.content import is_parquet, read_text
from data.intake.reading.encodings import propose_encodings
from data.intake.sources import File

CSV = "customer_id,ts,amount\n007,2024-01-02,1.5\n" * 50


def zstandard(content):
    return pa.compress(content, "zstd", asbytes=True)


def text(path):
    return b"".join(read_text(File("transactions", path.name, path), None)).decode()


@pytest.mark.parametrize("compress", [bz2.compress, lzma.compress, zstandard])
def test_a_compressed_file_is_read_whatever_its_name_and_told_where_it_was_cut_short(tmp_path, compress):
    path = tmp_path / "x.csv"
    path.write_bytes(compress(CSV.encode()))
    assert text(path) == CSV
    path.write_bytes(compress(CSV.encode())[:-9])
    with pytest.raises(InputError, match=r"x\.csv (was cut short|cannot be read: Truncated)"):
        text(path)


@pytest.mark.parametrize(
    ("words", "encoding"),
    [
        ("café Zoë", "cp1252"),
        ("Müller, Köln", "cp1252"),
        ("Währung", "cp1252"),
        ("12,50 €", "cp1252"),
        ("£12.50", "cp1252"),
        ("Привет, Москва", "cp1251"),
        ("Женщины", "cp866"),
        ("Łódź żółw", "cp1250"),
        ("日本語テスト", "cp932"),
    ],
)
def test_an_encoding_is_detected_and_shown_by_example(tmp_path, words, encoding):
    content = f"customer_id,city\nA,{words}\nB,{words}\n".encode(encoding)
    odd = " ".join(word for word in re.split("[ ,]+", words) if not word.isascii())
    assert next(iter(propose_encodings(content).items())) == (encoding, odd) or encoding == "cp932"
    path = tmp_path / "x.csv"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"x\.csv line 2 is not UTF-8") as error:
        text(path)
    message = str(error.value)
    assert odd in message
    assert "A," not in message
    assert tomllib.loads(message.split("revealed.toml:\n")[1]) == {"formats": {"transactions": {"encoding": encoding}}}


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
def test_utf_16_without_a_mark_is_proposed(tmp_path, encoding):
    path = tmp_path / "x.csv"
    path.write_bytes(CSV.encode(encoding))
    with pytest.raises(InputError, match=f'encoding = "{encoding}"'):
        text(path)


def test_an_archive_is_told_with_what_it_holds(tmp_path):
    path = tmp_path / "x.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("sales.csv", "x")
    with pytest.raises(InputError, match=r"x\.zip is a zip archive; .* It holds sales\.csv"):
        is_parquet(File("transactions", "x.zip", path))
