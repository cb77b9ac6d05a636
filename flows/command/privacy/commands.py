"""The commands as the command line takes them."""

from typing import Annotated

import typer

from flows.command.options import Mlruns, settings_from

CUSTOMER = typer.Argument(metavar="CUSTOMER", help="The id, as it stands in the shop's tables, or its pseudonym.")
NEW = typer.Option("--new", help="Make a new key, where the old one is lost or known to others.")
DO_IT = typer.Option("--yes", help="Remove it; without, it is listed only.")


def forget(customer: Annotated[str, CUSTOMER], mlruns: Mlruns = None) -> None:
    """Remove a customer from all that the store keeps of single customers, and leave them out from now on."""
    from flows.command.console import console
    from flows.command.privacy.forgetting import run_forget

    run_forget(settings_from({"mlruns": mlruns}), customer, console())


def prune(yes: Annotated[bool, DO_IT] = False, mlruns: Mlruns = None) -> None:
    """List what nothing points to and what is past its retention (retention_days); remove it with --yes."""
    from flows.command.console import console
    from flows.command.privacy.pruning import run_prune

    run_prune(settings_from({"mlruns": mlruns}), console(), is_done=yes)


def key(new: Annotated[bool, NEW] = False, mlruns: Mlruns = None) -> None:
    """Show where the key of the customers' pseudonyms is, and its fingerprint."""
    from flows.command.console import console
    from flows.command.privacy.key import run_key

    run_key(settings_from({"mlruns": mlruns}), console(), is_new=new)


def add_commands(app: typer.Typer) -> None:
    """Add them to the command line."""
    for command in (forget, prune, key):
        app.command()(command)
