"""Pictures that a store keeps from one run to the next: a scoring shows those of its scorer's retraining again.

The file of a picture is named by a digest of all that decides it: its specification, the language of its numbers and
the library that draws. It holds what the page of the run holds. Losing it costs only time.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.metadata import version
from pathlib import Path

from features.engine.kept_files import keep_file
from models.charts.style import Spec

# A page has about a dozen; more are left by earlier runs.
MOST_KEPT = 60
_LIBRARY = "vl-convert-python"
_folder: ContextVar[Path | None] = ContextVar("where pictures are kept", default=None)


@contextmanager
def pictures_kept_in(folder: Path | None) -> Iterator[None]:
    """Keep pictures in a folder, which need not exist yet, while the block runs; None keeps nothing."""
    token = _folder.set(folder)
    try:
        yield
    finally:
        _folder.reset(token)


def kept_picture(spec: Spec, locale: str, draw: Callable[[], str]) -> str:
    """Give a picture as it is kept, else draw and keep it.

    Parameters
    ----------
    spec, locale
        All that it depends on, as `models.charts.drawing.to_svg` has it.
    draw
        Draws it.
    """
    folder = _folder.get()
    if folder is None:
        return draw()
    parts = json.dumps([spec, locale, version(_LIBRARY)])
    file = folder / f"{hashlib.sha256(parts.encode()).hexdigest()}.svg"
    with suppress(OSError, UnicodeDecodeError):
        found = file.read_text(encoding="utf-8")
        # What was cut off is no picture.
        if found.endswith("</svg>"):
            return found
    drawn = draw()
    keep_file(file, drawn, MOST_KEPT)
    return drawn
