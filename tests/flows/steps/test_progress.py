"""Progress: a bar with the time left on a terminal, lines where everything is told, nothing in a file otherwise."""

import io
from types import SimpleNamespace

import pytest
from rich.console import Console

from flows.steps.progress import _PLANS, _TimeLeft, shown_on, step


def shown(*, terminal: bool, verbose: bool, quiet: bool = False) -> str:
    written = io.StringIO()
    console = Console(file=written, force_terminal=terminal, width=80, quiet=quiet, highlight=False)
    with shown_on(console, "score", verbose=verbose):
        for title in ("read and check transactions", "score 12 customers with scorer 1"):
            with step(title):
                pass
    return written.getvalue()


def test_a_file_gets_lines_only_where_everything_is_told():
    assert shown(terminal=False, verbose=False) == ""
    told = shown(terminal=False, verbose=True).splitlines()
    assert [line.rpartition(":")[0] for line in told] == [
        "- read and check transactions",
        "- score 12 customers with scorer 1",
    ]


def test_a_terminal_gets_a_bar_that_is_gone_at_the_end():
    written = shown(terminal=True, verbose=False)
    assert "Score 12 customers with scorer 1" in written
    assert "━" in written
    # The last thing written deletes the line of the bar.
    assert written.rstrip().endswith("\x1b[2K")


@pytest.mark.parametrize("terminal", [True, False])
def test_who_wants_quiet_gets_nothing(terminal):
    assert (
        shown(terminal=terminal, verbose=False, quiet=True).replace("\x1b[?25l", "").replace("\x1b[?25h", "").strip()
        == ""
    )


@pytest.mark.parametrize(
    ("done", "spent", "elapsed", "told"),
    [
        (0.0, 0.0, 3.0, ""),
        (0.5, 10.0, 10.0, "about 10 s left"),
        (0.5, 10.0, 14.0, "about 6 s left"),
        (0.1, 60.0, 60.0, "about 9 min left"),
        (0.9, 9.0, 60.0, "about 1 s left"),
    ],
)
def test_the_time_left_goes_by_the_share_that_is_done(done, spent, elapsed, told):
    task = SimpleNamespace(completed=done, elapsed=elapsed, fields={"spent": spent})
    assert str(_TimeLeft().render(task)) == told


@pytest.mark.parametrize("flow", _PLANS)
def test_the_shares_of_the_steps_add_up(flow):
    assert sum(share for _, share in _PLANS[flow]) == pytest.approx(1.0)
