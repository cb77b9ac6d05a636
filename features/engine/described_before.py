"""Everyone as they were described before: kept with the clean tables that tell it, for the next run.

A scoring that follows a retraining, or another scoring, on files that have not changed describes nobody again. One
table is kept, that of the date of the run: it lies with the clean tables of the last reading, bears their name, and
goes with them (`data.intake.clean.last_reading`).
"""

import hashlib
import os
from collections.abc import Callable, Hashable
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from data.checksum import checksum
from features.engine.compiled import Rows
from features.engine.kept_texts import code_of
from features.engine.parts import Parts


@dataclass(frozen=True)
class DescribedBefore:
    """Where everyone at one date is kept.

    Attributes
    ----------
    tables : Path
        Folder and beginning of the names of the clean tables.
    as_of : date
        The only date that is kept.
    """

    tables: Path
    as_of: date

    def of(self, engine: Any, settings: Hashable, describe: Callable[[], Rows | Parts]) -> "Described":
        """Give everyone at this date: as they are kept, if they are, else as an expression describes them.

        Parameters
        ----------
        engine
            Holds the clean tables.
        settings
            All that the expression depends on beside the tables, the date and the code.
        describe
            Gives the expression.
        """
        parts = repr((self.as_of, settings, code_of("features")))
        digest = hashlib.sha256(parts.encode()).hexdigest()[:32]
        return Described(engine, self.tables.with_name(f"{self.tables.name}-everyone"), digest, describe)


@dataclass(frozen=True)
class Described:
    """Everyone at a date, to be put into a file.

    Attributes
    ----------
    engine : ibis backend
        Holds the clean tables.
    beginning : Path
        Folder and beginning of the names of all that is kept.
    digest : str
        Of all that decides what is in the table.
    describe : callable
        Gives the expression that describes everyone.
    """

    engine: Any
    beginning: Path
    digest: str
    describe: Callable[[], Rows | Parts]

    def get_backend(self) -> Any:
        """Give the engine."""
        return self.engine

    def to_parquet(self, file: Path, /) -> None:
        """Link what is kept to a file, else run the expression into it and keep that."""
        if not self._found(file):
            self.describe().to_parquet(file)
            self._keep(file)

    def _found(self, file: Path) -> bool:
        for kept in self._kept(self.digest):
            with suppress(OSError):
                os.link(kept, file)
                if _said_of(file) == kept.stem.rpartition("-")[2]:
                    # The newest use decides how long it stays.
                    os.utime(kept)
                    return True
            file.unlink(missing_ok=True)
        return False

    def _keep(self, file: Path) -> None:
        """Put a table in the place of the one before; where the folder is gone, or knows no links, nothing is kept."""
        others = self._kept("*")
        # What it holds stands in its name, so that it is there whole or counts for nothing.
        kept = self.beginning.with_name(f"{self.beginning.name}-{self.digest}-{_said_of(file)}.parquet")
        with suppress(OSError):
            for other in others:
                other.unlink(missing_ok=True)
            os.link(file, kept)
            kept.chmod(0o600)

    def _kept(self, digest: str) -> list[Path]:
        return sorted(self.beginning.parent.glob(f"{self.beginning.name}-{digest}-*.parquet"))


def _said_of(file: Path) -> str:
    return f"{file.stat().st_size:x}x{checksum(file):08x}"
