"""What the command prints steers no terminal."""

import io

import pytest
from rich.table import Table

from flows.command.console import VisibleConsole, console, tell_error

STEERING = "a\x1b]0;title\x07\x1b[2J\r\x9b1m\u202ebad"


def test_signs_that_steer_a_terminal_are_shown_as_their_codes():
    shown = io.StringIO()
    printer = VisibleConsole(file=shown, width=200, highlight=False)
    table = Table(STEERING)
    table.add_row(STEERING)
    for markup in (False, True):
        printer.print(STEERING.replace("[", "(") if markup else STEERING, markup=markup, soft_wrap=True)
    printer.print(table)
    text = shown.getvalue()
    assert not {"\x1b", "\x07", "\r", "\x9b", "\u202e"} & set(text)
    assert r"a\x1b]0;title\x07\x1b[2J\r\x9b1m\u202ebad" in text
    printer.print("two\nlines\tö", markup=False)
    assert "two\nlines" in shown.getvalue()


def test_the_command_prints_on_such_a_console(capsys: pytest.CaptureFixture[str]):
    assert isinstance(console(), VisibleConsole)
    tell_error(STEERING)
    error = capsys.readouterr().err
    assert error.startswith("revealed: a\\x1b]0;title")
