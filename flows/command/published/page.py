"""``revealed report``: the page of the current scores, written again from what their runs have kept."""

import webbrowser
from pathlib import Path

from rich.console import Console

from data.errors import InputError
from flows.reports.page.keeping import page_of_store
from flows.settings import Settings
from flows.steps.stores import open_existing_store


def write_report(settings: Settings, output: Path, console: Console, *, is_opened: bool) -> None:
    """Write the page to a file and, where asked, open it in the browser.

    Parameters
    ----------
    settings : Settings
        ``language`` and the store.
    output : Path
        The file; one that is there is replaced.
    console : rich.console.Console
        Where the file is named.
    is_opened : bool
        Whether the browser shows it.

    Raises
    ------
    InputError
        If the store holds nothing to report, or the file cannot be written.
    """
    page = page_of_store(open_existing_store(settings), settings.language)
    try:
        output.write_text(page, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror or error}") from None
    console.print(f"The report is in {output}", markup=False, soft_wrap=True)
    if is_opened:
        webbrowser.open(output.absolute().as_uri())
