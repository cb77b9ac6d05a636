import io

import pandas as pd
from rich.console import Console

from flows.reports.sections import Section, number, show, tell, to_markdown
from flows.steps.progress import shown_on, step

SECTION = Section("Read", ("All is well.",), pd.DataFrame({"table": ["a|b", "c"], "rows": ["1,000", "–"]}))


def printed(width=80, terminal=False):
    return Console(file=io.StringIO(), width=width, force_terminal=terminal, highlight=False)


def test_numbers_are_written_for_people():
    assert [number(value) for value in (0.12345, 12345.678, float("nan"), -20000.0)] == [
        "0.123",
        "12,346",
        "–",
        "-20,000",
    ]


def test_a_section_is_shown_with_title_table_and_sentences():
    console = printed()
    show([SECTION], console)
    lines = console.file.getvalue().splitlines()
    assert [line.rstrip() for line in lines] == [
        "",
        "Read",
        "table   rows",
        "a|b    1,000",
        "c          –",
        "All is well.",
    ]


def test_an_id_that_looks_like_markup_is_shown_as_it_is():
    console = printed()
    show([Section("[x]", (), pd.DataFrame({"customer": ["[/b]evil", "[abc]"]}))], console)
    assert {"[x]", "[/b]evil", "[abc]"} <= {line.strip() for line in console.file.getvalue().splitlines()}


def test_markdown_sets_figures_right_and_escapes_the_bar():
    assert to_markdown("Run", [SECTION]) == (
        "# Run\n\n## Read\n\n| table | rows |\n| :-- | --: |\n| a\\|b | 1,000 |\n| c | – |\n\nAll is well.\n"
    )


def test_steps_are_plain_lines_without_a_terminal_and_ticks_on_one():
    plain, terminal = printed(), printed(terminal=True)
    for console in (plain, terminal):
        with shown_on(console), step("fit"):
            pass
    assert plain.file.getvalue().startswith("- fit: 0.")
    assert "✓" in terminal.file.getvalue()


def test_without_a_console_steps_and_report_are_log_lines(caplog):
    caplog.set_level("INFO", logger="revealed")
    with step("fit"):
        pass
    tell([SECTION])
    assert caplog.messages[0] == "fit ..."
    assert "## Read" in caplog.messages
