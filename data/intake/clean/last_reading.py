"""The outcome of the last intake, kept with its clean tables: where no file has changed, none is read again.

Files are taken for unchanged where they are the same ones, in the same order, with the same sizes and times, of change
and of their entry in the folder alike: so a file counts as changed whose old time somebody set again. The settings that
decide how rows are read, this code and its libraries must be the same, too. The clean tables are links to the files
that the intake wrote, so that they take no time and no place beside them. What is kept is named by one file, which is
written last and at once; whatever it does not name, or is not as it says, counts for nothing.
"""

import hashlib
import json
import os
import shutil
import sys
import time
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, fields, replace
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from uuid import uuid4

import data
from data.checksum import checksum
from data.errors import InputError
from data.intake.databases.address import split_addresses
from data.intake.report import Intake
from data.intake.rules import Rules
from data.intake.sources import Source, find_files

SETTLED = 2 * 10**9
"""Nanoseconds: a file that changed so shortly before it was read may have changed once more at the same time."""

_SAME = "No file has changed since the last reading, so none was read."
_NAME = "reading.json"
_QUARANTINE = "quarantine"
_LIBRARIES = ("duckdb", "pyarrow", "python-calamine", "charset-normalizer")
_FUTURE = "is in the future"


@dataclass(frozen=True)
class _File:
    """A file as it was when it was read: a digest of its names in the place of these, its size, and its times."""

    table: str
    digest: str
    size: int
    modified: int
    changed: int


@dataclass
class LastReading:
    """A folder with the clean tables of one intake, for their owner only: they are customers' data.

    Parameters
    ----------
    folder
        Where they lie. None: nothing is kept.
    sources, rules
        What is to be taken in now.

    Attributes
    ----------
    why
        Why `find` found nothing, as the end of a sentence.
    """

    folder: Path | None
    sources: Mapping[str, Source]
    rules: Rules
    why: str = field(default="", init=False)
    _files: list[_File] = field(default_factory=list, init=False)
    _settings: str = field(default="", init=False)
    _began: int = field(default=0, init=False)

    def find(self, place: Path) -> Intake | None:
        """Put the clean tables into a folder where they are those that reading all files would give; else None."""
        if self.folder is None:
            return None
        self._began = time.time_ns()
        try:
            self.why = self._look() or self._differs(told := self._told())
        except (InputError, OSError):
            # The intake says what is wrong.
            self.folder = None
            return None
        if not self.why:
            try:
                return self._taken(told, place)
            except (OSError, ValueError, KeyError, TypeError):
                self.why = "what was kept of it is not whole"
                for name in (*self.sources, _QUARANTINE):
                    (place / f"{name}.parquet").unlink(missing_ok=True)
        # It is of no use any more: its place is free before the new tables are written.
        with suppress(OSError):
            self._drop_all_but("")
        return None

    def keep(self, intake: Intake) -> Intake:
        """Keep what was taken in, where nothing stands against it; say why all was read."""
        if self.folder is None:
            return intake
        token = uuid4().hex if self._files and self._is_settled() and not _has_future(intake) else ""
        try:
            if token:
                self._write(intake, token)
        except OSError:
            # Of a file system without links, or that is full, all is read each time.
            token = ""
        with suppress(OSError):
            self._drop_all_but(token)
        told = f"The tables of the last reading are not used: {self.why}."
        kept = self.folder / token if token else None
        return replace(intake, files_read=(*intake.files_read, told), kept_as=kept)

    def _look(self) -> str:
        """Note the files and the settings; say why an outcome can never be kept, if it is so."""
        notes = []
        self._files = []
        for table, source in self.sources.items():
            addresses, paths = split_addresses(source.paths)
            if addresses or any("://" in str(path) for path in paths):
                self._files = []
                return f"{table} are in a database or behind a URL, which do not tell what has changed"
            found, told = find_files(replace(source, paths=paths), table, Path())
            notes += told
            for file in found:
                state, names = file.path.stat(), json.dumps([table, file.name, str(file.path.resolve())])
                digest = hashlib.sha256(names.encode()).hexdigest()
                self._files.append(_File(table, digest, state.st_size, state.st_mtime_ns, state.st_ctime_ns))
        rules = {each.name: getattr(self.rules, each.name) for each in fields(self.rules)}
        protection = rules.pop("protection")
        del rules["now"]
        # as_of decides what is read of databases alone.
        sources = {table: asdict(replace(source, before=None)) for table, source in self.sources.items()}
        said = [sources, rules, protection.state, sorted(protection.forgotten), notes, _code()]
        self._settings = hashlib.sha256(json.dumps(said, default=str).encode()).hexdigest()
        return ""

    def _told(self) -> dict[str, Any]:
        assert self.folder is not None, "nothing is kept"
        try:
            told: dict[str, Any] = json.loads((self.folder / _NAME).read_bytes())
        except (OSError, ValueError):
            return {}
        return told if isinstance(told, dict) else {}

    def _differs(self, told: Mapping[str, Any]) -> str:
        """Say what is not as it was when the kept tables were read; empty where all is."""
        try:
            if not told:
                return "none is kept"
            before = [_File(*each) for each in told["files"]]
            if before != self._files:
                new = Counter(file.table for file in self._files if file not in before)
                changed = ", ".join(f"{count:,} of {table}" for table, count in new.items())
                return f"files that are new or changed: {changed}" if changed else "files are gone, or in another order"
            if told["settings"] != self._settings:
                return "settings, the code or what else lies in the folders are others"
            return "the clock went back" if told["now"] > self.rules.local_now().isoformat() else ""
        except (KeyError, TypeError):
            return "what was kept of it is not whole"

    def _taken(self, told: Mapping[str, Any], place: Path) -> Intake:
        """Link the tables into a folder, and make sure that they are as they were written."""
        assert self.folder is not None, "nothing is kept"
        for name, (size, summed) in told["tables"].items():
            kept, file = self.folder / f"{told['token']}-{name}.parquet", place / f"{name}.parquet"
            file.unlink(missing_ok=True)
            if name == _QUARANTINE:
                # The run keeps it, with rights of its own.
                shutil.copyfile(kept, file)
            else:
                os.link(kept, file)
            if file.stat().st_size != size or checksum(file) != summed:
                raise ValueError("not as it was written")
            # The newest use decides how long it stays.
            os.utime(kept)
        os.utime(self.folder / _NAME)
        self._drop_all_but(told["token"])
        intake = Intake.from_dict(told["intake"] | {"folder": str(place), "files_read": [_SAME]})
        return replace(intake, kept_as=self.folder / told["token"])

    def _is_settled(self) -> bool:
        """Whether the files are those of the beginning still, and had not changed just before it."""
        before = self._files
        try:
            self._look()
        except (InputError, OSError):
            return False
        return before == self._files and all(
            max(file.modified, file.changed) <= self._began - SETTLED for file in self._files
        )

    def _write(self, intake: Intake, token: str) -> None:
        assert self.folder is not None, "nothing is kept"
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        tables = {}
        for name in (*intake.tables, _QUARANTINE):
            file, kept = intake.folder / f"{name}.parquet", self.folder / f"{token}-{name}.parquet"
            if name == _QUARANTINE:
                shutil.copyfile(file, kept)
            else:
                os.link(file, kept)
            kept.chmod(0o600)
            tables[name] = (kept.stat().st_size, checksum(kept))
        told = {
            "token": token,
            "settings": self._settings,
            "now": self.rules.local_now().isoformat(),
            "files": [list(asdict(file).values()) for file in self._files],
            "tables": tables,
            "intake": intake.to_dict(),
        }
        draft = self.folder / f"{token}.json"
        draft.write_text(json.dumps(told))
        draft.chmod(0o600)
        draft.replace(self.folder / _NAME)

    def _drop_all_but(self, token: str) -> None:
        """Delete what is kept of other readings, and what killed ones left."""
        if self.folder is None or not self.folder.is_dir():
            return
        for file in self.folder.iterdir():
            if not (token and (file.name == _NAME or file.name.startswith(f"{token}-"))):
                file.unlink(missing_ok=True)


def _has_future(intake: Intake) -> bool:
    """Whether a row was set aside for its time, which may have come when it is read next."""
    return any(reason.endswith(_FUTURE) for report in intake.tables.values() for reason in report.reasons)


@cache
def _code() -> str:
    """Give one digest of this package's code, and of the versions of what it rests on."""
    digest = hashlib.sha256(" ".join((sys.version, *map(version, _LIBRARIES))).encode())
    root = Path(data.__path__[0])
    for file in sorted(root.rglob("*.py")):
        digest.update(str(file.relative_to(root)).encode())
        digest.update(file.read_bytes())
    return digest.hexdigest()
