"""The command ``revealed``."""

import atexit
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from typer.exceptions import Abort, TyperException

from data.errors import FaultError, InputError, RevealedError
from data.secrecy.showing import describe
from flows.command.console import console, tell_error
from flows.command.init import init
from flows.command.options import (
    BACKTEST,
    MEASURES,
    OPEN,
    RETRAIN,
    SAMPLE,
    SCORE,
    SINCE,
    TABLES,
    TO,
    TOLERANCE,
    Language,
    Mlruns,
    Options,
    Quiet,
    Raw,
    Verbose,
    settings_from,
    takes,
)
from flows.command.privacy.commands import add_commands
from flows.command.published.opening import APP, open_app
from flows.command.settings_list import settings
from flows.command.usage import describe_usage

if TYPE_CHECKING:
    from flows.settings import Settings

app = typer.Typer(
    name="revealed",
    help=(
        "Scores every customer of a shop from what they do: next purchase, value, churn, segment, and the category "
        "(detractor, passive, promoter) they would give in an NPS survey.\n\n"
        "Start with [bold]revealed demo[/]; with data of your own, with [bold]revealed init FILE[/], "
        "then retrain, then score. Every setting can also be in revealed.toml, or in the environment as REVEALED_NAME."
    ),
    epilog="Exit codes: 0 done, 1 a fault, 2 bad input or settings, 3 refused by a gate or limit, 4 the store is held.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
)


@app.command()
def demo(mlruns: Mlruns = None, verbose: Verbose = None, quiet: Quiet = None) -> None:
    """Score 23,570 real customers: all CDNOW purchases and a simulated survey, from raw rows to published scores.

    It has a store of its own, mlruns/demo, and touches no other.
    """
    from flows.steps.store_place import project_folder

    folder = mlruns or str(project_folder() / "mlruns" / "demo")
    from flows.command.demo import run_demo

    run_demo(folder, console(quiet=quiet), verbose=bool(verbose))


app.command()(init)


@app.command()
@takes(TABLES)
def check(options: Options) -> None:
    """Read the tables, show what was understood and what looks wrong, with the lines that mend it. Fits nothing."""
    settings = _checked(options)
    from flows.command.check import run_check

    run_check(settings, console())


@app.command()
@takes(TABLES, RETRAIN)
def retrain(options: Options) -> None:
    """Fit a scorer, judge it beside the champion, register it and promote it. Publishes no scores."""
    _run("retrain", options)


@app.command()
@takes(TABLES, SCORE)
def score(options: Options) -> None:
    """Score every customer with the champion and publish one row for each."""
    _run("score", options, reads_store=True)


@app.command()
@takes(TABLES, BACKTEST)
def backtest(options: Options) -> None:
    """Fit at past dates, compare with what happened afterwards and with simple rules. Publishes nothing."""
    settings = _checked(options, flow=True)
    from flows.command.running import run_flow

    run_flow("backtest", settings, console())


@app.command()
@takes(TABLES, MEASURES)
def measures(options: Options) -> None:
    """Show the usual measures over a window: NPS of the survey, CSAT, repurchase, retention, ARPU and more.

    The window ends before --as-of and is compared with the window before it.
    """
    first_day, days, by, as_json = (options.pop(name) for name in ("first_day", "days", "by", "as_json"))
    settings = _checked(options, by)
    from flows.command.measures import run_measures

    start = None if first_day is None else first_day.date()
    run_measures(settings, start, days, _one(by), as_json=bool(as_json), console=console())


@app.command()
@takes(TABLES, SAMPLE)
def sample(options: Options) -> None:
    """Say how many customers to invite for a wanted margin of error of the NPS, and draw a probability sample."""
    margin, by, output, rate, raw = (options.pop(name) for name in ("margin", "by", "output", "response_rate", "raw"))
    if margin is None:
        raise InputError("--margin is missing: the wanted margin of error of the NPS in points, such as --margin 3")
    from flows.command.early_checks import check_list_output

    output = output or Path("invitations.csv")
    check_list_output(output)
    settings = _checked(options, by, store=True)
    from flows.command.sampling import run_sample

    run_sample(settings, margin, _one(by), output, rate, console(), raw=bool(raw))


app.command()(settings)
app.command("app")(takes(TABLES, APP)(open_app))


@app.command()
def scores(
    output: Annotated[Path | None, typer.Option(help="Write them to this .csv or .parquet file.")] = None,
    customer: Annotated[str | None, typer.Option(help="Show this customer only.")] = None,
    since: Annotated[int | None, SINCE] = None,
    tolerance: Annotated[float | None, TOLERANCE] = None,
    raw: Raw = False,
    mlruns: Mlruns = None,
) -> None:
    """Show the current scores, write them to a file, look up one customer, or tell what changed since a version."""
    settings = settings_from({"mlruns": mlruns})
    if output is not None:
        from flows.command.early_checks import check_table_output

        check_table_output(output)
    if since is None and tolerance is not None:
        raise InputError("--tolerance belongs to --since VERSION, which is missing")
    if since is not None:
        if customer is not None:
            raise InputError("--since and --customer cannot be combined: leave one of them out")
        _check_store(settings)
        from flows.command.published.changes import show_changes
        from models.monitoring.changed_scores import TOLERANCE as DEFAULT

        show_changes(settings, since, DEFAULT if tolerance is None else tolerance, output, console(), raw=raw)
        return
    from flows.command.published.pulling import pull

    pull(settings, output, customer, console(), raw=raw)


@app.command()
def report(
    output: Annotated[Path, typer.Option(help="Write it to this file.")] = Path("report.html"),
    is_opened: Annotated[bool, OPEN] = False,
    language: Language = None,
    mlruns: Mlruns = None,
) -> None:
    """Write the report of the current scores as one page of HTML, which loads nothing."""
    settings = settings_from({"mlruns": mlruns, "language": language})
    from flows.command.early_checks import check_page_output

    check_page_output(output)
    _check_store(settings)
    from flows.command.published.page import write_report

    write_report(settings, output, console(), is_opened=is_opened)


@app.command()
def publish(to: Annotated[str, TO], mlruns: Mlruns = None) -> None:
    """Write the current scores into a table of a database, in one transaction; the table before stays until then."""
    settings = settings_from({"mlruns": mlruns})
    from flows.command.early_checks import check_target

    address = check_target(to)
    _check_store(settings)
    from flows.command.published.publishing import publish as publish_scores

    publish_scores(settings, address, console())


@app.command()
def rollback(mlruns: Mlruns = None) -> None:
    """Make the previous scorer the champion again, and its newest scores the current scores."""
    settings = settings_from({"mlruns": mlruns})
    _check_store(settings)
    from flows.command.rollback import roll_back_all

    roll_back_all(settings, console())


add_commands(app)


def main(arguments: list[str] | None = None) -> int:
    """Run the command. A mistake of the user gives one message and an exit code, never a traceback.

    Parameters
    ----------
    arguments : list of str, optional
        What follows ``revealed``; None: the arguments of the process.

    Returns
    -------
    int
        The exit code.
    """
    try:
        code = app(arguments, prog_name="revealed", standalone_mode=False)
    except RevealedError as error:
        tell_error(str(error))
        return error.exit_code
    except TyperException as error:
        if (told := describe_usage(error)) is not None:
            tell_error(told)
        return error.exit_code
    except Abort:
        tell_error("aborted")
        return FaultError.exit_code
    except Exception as error:
        from flows.faults import describe_fault, describe_unforeseen

        tell_error(describe_fault(error) or describe_unforeseen(error))
        return FaultError.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else 0
    return code if isinstance(code, int) else 0


def run() -> NoReturn:
    """Run the command as a process of its own.

    Prefect's threads outlive the command and hold DuckDB's module, which then prints errors while the interpreter shuts
    down. So this runs the exit handlers itself, and ends the process without a shutdown.
    """
    code = main()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _one(by: list[str] | None) -> str | None:
    """Return the segmentation that --by names; None where it was left out."""
    if by and len(by) > 1:
        raise InputError(f"--by takes one segmentation at a time, got {describe(by)}")
    return by[0] if by else None


def _checked(options: Options, by: list[str] | None = None, *, store: bool = False, flow: bool = False) -> "Settings":
    """Build the settings and check what can be checked in an instant, before anything heavy is imported."""
    settings = settings_from(options)
    from flows.command.early_checks import check_named_inputs

    check_named_inputs(settings, _one(by), on_cluster=flow)
    if store:
        _check_store(settings)
    return settings


def _run(flow: str, options: Options, *, reads_store: bool = False) -> None:
    """Run a flow, and tell one screen of it, everything, or nothing."""
    verbose, quiet = options.pop("verbose"), options.pop("quiet")
    settings = _checked(options, store=reads_store, flow=True)
    from flows.command.running import run_flow

    run_flow(flow, settings, console(quiet=quiet), verbose=bool(verbose))


def _check_store(settings: "Settings") -> None:
    from flows.steps.store_place import locate_existing_store

    locate_existing_store(settings.mlruns)
