"""``revealed init``: from the files of a shop to a commented settings file."""

from typing import Annotated

import typer

FILES = typer.Argument(
    metavar="FILE…", help="Exports of the shop: CSV, Excel, JSON lines, Parquet; folders, URLs, tables in databases."
)
YES = typer.Option("--yes", "-y", help="Ask nothing: take what the files tell, and say what they do not.")
OVERWRITE = typer.Option("--overwrite", help="Replace the revealed.toml that is there.")
SETTINGS = typer.Option(
    "--set", metavar="NAME=VALUE", help="A setting to write: --set 'formats.transactions.time_format=\"%d/%m/%Y\"'"
)


def init(
    files: Annotated[list[str], FILES],
    yes: Annotated[bool, YES] = False,
    overwrite: Annotated[bool, OVERWRITE] = False,
    others: Annotated[list[str] | None, SETTINGS] = None,
) -> None:
    """Look at the files, propose which table each is and how it is read, write revealed.toml, and run check."""
    from flows.command.console import console
    from flows.command.options import read_pairs
    from flows.command.proposing import run_init

    run_init(files, console(), yes=yes, overwrite=overwrite, given=read_pairs(others or []))
