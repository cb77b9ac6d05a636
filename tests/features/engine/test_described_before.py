"""Everyone as they were described before: used for the same tables, date, settings and code, and where it is whole."""

import os
import stat
from datetime import date

import pytest

from features.engine import described_before
from features.engine.described_before import DescribedBefore

AS_OF = date(2024, 6, 1)


class Asked:
    """What is asked, and how often."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return self

    def to_parquet(self, file):
        file.write_bytes(b"everyone")


@pytest.fixture
def asked():
    return Asked()


@pytest.fixture
def kept(tmp_path):
    """A folder of kept tables, and where the run puts its own."""
    (tmp_path / "kept").mkdir()
    return tmp_path / "kept"


def described(kept, asked, as_of=AS_OF, settings="all", tables="one"):
    """Describe everyone, and give what the run has of it."""
    file = kept.parent / "run.parquet"
    file.unlink(missing_ok=True)
    DescribedBefore(kept / tables, as_of).of(None, settings, asked).to_parquet(file)
    return file.read_bytes()


def test_everyone_is_described_once(kept, asked):
    assert [described(kept, asked) for _ in range(3)] == [b"everyone"] * 3
    assert asked.times == 1
    [file] = kept.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    os.utime(file, (0, 0))
    described(kept, asked)
    assert file.stat().st_mtime > 0
    # Whatever becomes of the kept one, the run has its own.
    file.unlink()
    assert (kept.parent / "run.parquet").read_bytes() == b"everyone"


@pytest.mark.parametrize(
    "other", [{"as_of": date(2024, 6, 2)}, {"settings": "others"}, {"tables": "two"}, {"code": "another"}]
)
def test_another_date_vocabulary_reading_or_code_describes_anew_and_keeps_one(kept, asked, monkeypatch, other):
    described(kept, asked)
    code = other.get("code", described_before.code_of("features"))
    monkeypatch.setattr(described_before, "code_of", lambda _: code)
    described(kept, asked, **{name: value for name, value in other.items() if name != "code"})
    assert asked.times == 2
    of_these = [file for file in kept.iterdir() if file.name.startswith(other.get("tables", "one"))]
    assert len(of_these) == 1


@pytest.mark.parametrize("content", [b"everyonf", b"every", b""])
def test_what_is_damaged_is_described_anew(kept, asked, content):
    described(kept, asked)
    [file] = kept.iterdir()
    file.unlink()
    file.write_bytes(content)
    assert described(kept, asked) == b"everyone"
    assert asked.times == 2
    assert described(kept, asked) == b"everyone"
    assert asked.times == 2


def test_a_folder_that_is_gone_or_knows_no_links_keeps_nothing(kept, asked, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(described_before.os, "link", lambda *_: (_ for _ in ()).throw(OSError))
        assert described(kept, asked) == b"everyone"
    assert list(kept.iterdir()) == []
    kept.rmdir()
    assert described(kept, asked) == b"everyone"
    assert not kept.exists()
