"""``revealed check``: read and validate, and nothing else."""

import tempfile
from pathlib import Path

from rich.console import Console

from flows.inputs import read_inputs
from flows.intake_report import intake_section
from flows.progress import shown_on, tell
from flows.settings import Settings


def run_check(settings: Settings, console: Console) -> None:
    """Read the tables the settings name and tell what is good, what would be set aside, and why.

    Raises
    ------
    InputError
        Where the input cannot be used.
    RefusedError
        Where more of a table is bad than its limit allows.
    """
    with tempfile.TemporaryDirectory(prefix="revealed-check-") as folder, shown_on(console):
        tell([intake_section(read_inputs(settings, Path(folder)))])
    console.print("\nThese tables can be used: run `revealed retrain` with the same inputs.", markup=False)
