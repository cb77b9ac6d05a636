"""What the command prints on: names and ids of customers reach a terminal without signs that steer it."""

import re
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.text import Text

# Control characters but tab and line feed, and those that turn the direction of writing.
_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


class VisibleConsole(Console):
    r"""A console that writes what would steer a terminal as its code, such as ``\x1b``."""

    def render_str(self, text: str, **options: Any) -> Text:
        """Render text, all of whose signs can be seen."""
        return super().render_str(visible(text), **options)


def visible(text: str) -> str:
    """Write each sign that steers a terminal as its code."""
    return _STEERING.sub(lambda sign: sign[0].encode("unicode_escape").decode(), text)


def console(*, quiet: bool | None = None) -> Console:
    """Return the console of what a command is asked for."""
    return VisibleConsole(highlight=False, quiet=bool(quiet))


def tell_error(message: str) -> None:
    """Print what went wrong on standard error."""
    errors = VisibleConsole(stderr=True, highlight=False)
    errors.print("[red]revealed:[/] " + escape(message), soft_wrap=True, emoji=False)
