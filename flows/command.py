"""The command ``revealed``."""

import atexit
import os
import sys
import tomllib
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer
from rich.console import Console
from rich.markup import escape

from data.errors import InputError, RevealedError

app = typer.Typer(
    name="revealed",
    help=(
        "Scores every customer of a shop from what they do: next purchase, value, churn, segment, and the category "
        "(detractor, passive, promoter) they would give in an NPS survey.\n\n"
        "Begin with [bold]revealed demo[/]; with data of your own, [bold]revealed check --transactions FILE[/], then "
        "retrain, then score. Every setting can also stand in revealed.toml, or in the environment as REVEALED_NAME."
    ),
    epilog="Exit codes: 0 done, 1 a fault, 2 bad input or settings, 3 refused by a gate or limit, 4 the store is held.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)

INPUT, TIME, STORE = "Input", "Time and horizon", "Store and other settings"
Transactions = Annotated[
    list[str] | None,
    typer.Option(
        help="The shop's transactions: a CSV or Parquet file, a folder, a glob or a URL.", rich_help_panel=INPUT
    ),
]
Answers = Annotated[list[str] | None, typer.Option(help="The answers of surveys.", rich_help_panel=INPUT)]
Events = Annotated[list[str] | None, typer.Option(help="Deliveries, support contacts, visits.", rich_help_panel=INPUT)]
Customers = Annotated[list[str] | None, typer.Option(help="Attributes of customers.", rich_help_panel=INPUT)]
Olist = Annotated[
    str | None, typer.Option(help="A folder with the public Olist files, instead of tables.", rich_help_panel=INPUT)
]
Columns = Annotated[
    list[str] | None,
    typer.Option(
        "--column", metavar="TABLE.OURS=YOURS", help="transactions.customer_id=client, say.", rich_help_panel=INPUT
    ),
]
Timezone = Annotated[str | None, typer.Option(help="The shop's time zone. [default: UTC]", rich_help_panel=TIME)]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Describe customers as of this day, exclusive.", rich_help_panel=TIME, metavar="DATE"
    ),
]
Horizon = Annotated[int | None, typer.Option(help="Days to look ahead. [default: 90]", rich_help_panel=TIME)]
Mlruns = Annotated[str | None, typer.Option(help="Folder of the embedded store.", rich_help_panel=STORE)]
Others = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any other setting: --set margin=0.3", rich_help_panel=STORE),
]


@app.command()
def demo(mlruns: Mlruns = None) -> None:
    """Score 23,570 real customers: all CDNOW purchases and a simulated survey, from raw rows to published scores.

    It has a store of its own, mlruns/demo, and touches no other.
    """
    own = mlruns or os.path.join("mlruns", "demo")  # noqa: PTH118 - a setting is text
    _prepare_prefect(own)
    from flows.demo import run_demo

    run_demo(own, _console())


@app.command()
def check(
    transactions: Transactions = None,
    answers: Answers = None,
    events: Events = None,
    customers: Customers = None,
    olist: Olist = None,
    column: Columns = None,
    timezone: Timezone = None,
    others: Others = None,
) -> None:
    """Read and validate the tables, and say what would be set aside and why. Nothing is fitted or written."""
    settings = _settings(locals())
    from flows.checking import run_check

    run_check(settings, _console())


@app.command()
def retrain(
    transactions: Transactions = None,
    answers: Answers = None,
    events: Events = None,
    customers: Customers = None,
    olist: Olist = None,
    column: Columns = None,
    timezone: Timezone = None,
    as_of: AsOf = None,
    horizon: Horizon = None,
    without_answers: Annotated[
        bool, typer.Option("--without-answers", help="Carry the champion's NPS model over unchanged.")
    ] = False,
    mlruns: Mlruns = None,
    others: Others = None,
) -> None:
    """Fit a scorer, judge it beside the champion, register it and promote it. Publishes no scores."""
    settings = _settings(locals())
    _prepare_prefect(settings.mlruns)
    from flows.retrain import retrain as flow
    from flows.running import run_flow

    run_flow(flow, settings, _console())


@app.command()
def score(
    transactions: Transactions = None,
    answers: Answers = None,
    events: Events = None,
    customers: Customers = None,
    olist: Olist = None,
    column: Columns = None,
    timezone: Timezone = None,
    as_of: AsOf = None,
    horizon: Horizon = None,
    scorer: Annotated[int | None, typer.Option(help="Score with this version, not the champion.")] = None,
    wait: Annotated[
        float | None, typer.Option(help="Minutes to wait for another run. [default: 30]", rich_help_panel=STORE)
    ] = None,
    mlruns: Mlruns = None,
    others: Others = None,
) -> None:
    """Score every customer with the champion and publish one row for each."""
    settings = _settings(locals())
    _prepare_prefect(settings.mlruns)
    from flows.running import run_flow
    from flows.score import score as flow

    run_flow(flow, settings, _console())


@app.command()
def scores(
    output: Annotated[Path | None, typer.Option(help="Write them to this .csv or .parquet file.")] = None,
    customer: Annotated[str | None, typer.Option(help="Show this customer only.")] = None,
    mlruns: Mlruns = None,
) -> None:
    """Pull the current scores: show them, write them to a file, or look one customer up."""
    from flows.pulling import pull

    pull(_settings({"mlruns": mlruns}), output, customer, _console())


@app.command()
def rollback(mlruns: Mlruns = None) -> None:
    """Make the previous scorer the champion again, and its newest scores the current ones."""
    from flows.pulling import roll_back_all

    roll_back_all(_settings({"mlruns": mlruns}), _console())


def main(arguments: list[str] | None = None) -> int:
    """Run the command; a mistake of the user's is one message and an exit code, never a traceback.

    Parameters
    ----------
    arguments : list of str, optional
        What follows ``revealed``; that of the process unless given.

    Returns
    -------
    int
        The exit code.
    """
    try:
        app(arguments, prog_name="revealed")
    except RevealedError as error:
        Console(stderr=True, highlight=False).print(
            "[red]revealed:[/] " + escape(str(error)), soft_wrap=True, emoji=False
        )
        return error.exit_code
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else 0
    return 0


def run() -> NoReturn:
    """Run the command as a process of its own.

    Prefect's threads outlive the command and hold DuckDB's module, which then complains while Python takes itself
    apart. So what was registered for the end is run, and the process ends without that.
    """
    code = main()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _settings(given: dict[str, Any]) -> Any:
    """Build the settings from a command's options."""
    from flows.settings import Settings

    # An option that was not given is None, an empty list or a flag not set; 0 is a value.
    named = {key: value for key, value in given.items() if value is not None and value is not False and value != []}
    columns = _columns(named.pop("column", []))
    others = _others(named.pop("others", []))
    if "as_of" in named:
        named["as_of"] = named["as_of"].date()
    if "wait" in named:
        named["wait_minutes"] = named.pop("wait")
    if columns:
        named["columns"] = columns
    return Settings.load(**{**others, **named})


def _columns(pairs: list[str]) -> dict[str, dict[str, str]]:
    columns: dict[str, dict[str, str]] = {}
    for pair in pairs:
        ours, found, yours = pair.partition("=")
        table, dot, name = ours.partition(".")
        if not (found and dot and name and yours):
            raise InputError(f"--column must be TABLE.OURS=YOURS: transactions.customer_id=client, say; got {pair!r}")
        columns.setdefault(table, {})[name] = yours
    return columns


def _others(pairs: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value is TOML where it can be, else text."""
    found: dict[str, Any] = {}
    for pair in pairs:
        name, sign, value = pair.partition("=")
        if not (name and sign):
            raise InputError(f"--set must be NAME=VALUE, such as margin=0.3; got {pair!r}")
        try:
            found[name] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            found[name] = value
    return found


def _prepare_prefect(mlruns: str | None) -> None:
    """Set Prefect's defaults before it is imported; its log lines would repeat what the command shows."""
    from flows.environment import prepare

    prepare(Path(mlruns or "mlruns").resolve() / "prefect")
    os.environ.setdefault("PREFECT_LOGGING_LEVEL", "CRITICAL")


def _console() -> Console:
    return Console(highlight=False)
