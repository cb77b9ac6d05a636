"""The options that commands share, and the settings made of them."""

import re
import tomllib
from collections.abc import Callable
from datetime import datetime
from functools import wraps
from inspect import Parameter, Signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from data.errors import InputError
from data.secrecy.showing import describe

if TYPE_CHECKING:
    from flows.settings import Settings

_PAIR = re.compile(r'(?P<name>(?:"[^"]*"|[^"=])+)=(?P<value>.*)', re.DOTALL)
_PART = re.compile(r'"[^"]*"|[^.]+')
"""A setting and its value; a part of a name with points in it stands in quotes, as in TOML."""

INPUT, TIME, STORE = "Input", "Time and horizon", "Store and other settings"
Transactions = Annotated[
    list[str] | None,
    typer.Option(
        help="The shop's transactions: a CSV or Parquet file, a folder, a glob, a URL, or a table in a database.",
        rich_help_panel=INPUT,
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
        "--column",
        metavar="TABLE.OURS=YOURS",
        help="transactions.customer_id=client, for example.",
        rich_help_panel=INPUT,
    ),
]
Timezone = Annotated[str | None, typer.Option(help="The shop's time zone. \\[default: UTC]", rich_help_panel=TIME)]
AsOf = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d"], help="Describe customers as of this day, exclusive.", rich_help_panel=TIME, metavar="DATE"
    ),
]
Horizon = Annotated[int | None, typer.Option(help="Days to look ahead. \\[default: 90]", rich_help_panel=TIME)]
Mlruns = Annotated[str | None, typer.Option(help="Folder of the embedded store.", rich_help_panel=STORE)]
Others = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="Any other setting: --set currency=EUR", rich_help_panel=STORE),
]

Wait = Annotated[
    float | None, typer.Option(help="Minutes to wait for another run. \\[default: 30]", rich_help_panel=STORE)
]
Language = Annotated[str | None, typer.Option(help="Of the report: en, ru or zh. \\[default: en]")]

# Options of every command that reads a shop's tables, by name.
TABLES: dict[str, Any] = {
    "transactions": Transactions,
    "answers": Answers,
    "events": Events,
    "customers": Customers,
    "olist": Olist,
    "column": Columns,
    "timezone": Timezone,
}
RUN: dict[str, Any] = {"as_of": AsOf, "horizon": Horizon, "mlruns": Mlruns, "language": Language}
Verbose = Annotated[bool | None, typer.Option("--verbose", help="Print everything, not one screen of it.")]
Quiet = Annotated[bool | None, typer.Option("--quiet", help="Print nothing but errors.")]
LOUDNESS: dict[str, Any] = {"verbose": Verbose, "quiet": Quiet}

WITHOUT_ANSWERS = typer.Option("--without-answers", help="Carry the champion's NPS model over unchanged.")
SCORER = typer.Option(help="Score with this version, not the champion.")
CUTS = typer.Option(help="How many horizons to go back. \\[default: 3]", rich_help_panel=TIME)
RETRAIN = RUN | LOUDNESS | {"without_answers": Annotated[bool | None, WITHOUT_ANSWERS]}
SCORE = RUN | LOUDNESS | {"scorer": Annotated[int | None, SCORER], "wait": Wait}
BACKTEST = RUN | {"cuts": Annotated[int | None, CUTS]}

# Options of commands about published scores.
SINCE = typer.Option(metavar="VERSION", help="Only rows that are new, gone or moved since this published version.")
TOLERANCE = typer.Option(min=0, max=1, help="With --since: smaller changes are none. \\[default: 0.01]")
OPEN = typer.Option("--open", help="Show it in the browser.")
TO = typer.Option(
    metavar="ADDRESS",
    help="postgresql://USER@HOST/DATABASE/SCHEMA.TABLE, or a SQLite or DuckDB file with /TABLE behind it.",
)

# Options of `revealed measures`.
FROM = typer.Option(
    "--from", formats=["%Y-%m-%d"], metavar="DATE", help="First day of the window.", rich_help_panel=TIME
)
DAYS = typer.Option(min=1, help="Length of the window, without --from. \\[default: 90]", rich_help_panel=TIME)
BY = typer.Option(help="By rfm, persona, a column of customers, touchpoint, channel, store or category.")
AS_JSON = typer.Option("--json", help="Print JSON instead of tables.")
MEASURES: dict[str, Any] = {
    "as_of": AsOf,
    "first_day": Annotated[datetime | None, FROM],
    "days": Annotated[int | None, DAYS],
    "by": Annotated[list[str] | None, BY],
    "as_json": Annotated[bool | None, AS_JSON],
    "mlruns": Mlruns,
}

Raw = Annotated[
    bool, typer.Option("--raw", help="In a .csv file, leave texts as they are that a spreadsheet takes for formulas.")
]

# Options of `revealed sample`.
MARGIN = typer.Option(min=0.1, max=100, help="Wanted margin of error of the NPS, in points: half of its 95 % interval.")
OF_SEGMENT = typer.Option(help="Reach the margin in each segment: by rfm, persona or a column of customers.")
LIST = typer.Option(help="Write the customers to invite to this .csv file. \\[default: invitations.csv]")
RATE = typer.Option(min=0.001, max=1, help="Share of invitations that are answered, if the data lack unanswered ones.")
SAMPLE: dict[str, Any] = {
    "margin": Annotated[float | None, MARGIN],
    "by": Annotated[list[str] | None, OF_SEGMENT],
    "output": Annotated[Path | None, LIST],
    "response_rate": Annotated[float | None, RATE],
    "raw": Raw,
    "as_of": AsOf,
    "mlruns": Mlruns,
}

Options = dict[str, Any]


def takes(*groups: dict[str, Any]) -> Callable[[Callable[[Options], None]], Callable[..., None]]:
    """Give a command options that are settings; the command gets their values in one mapping.

    Parameters
    ----------
    *groups : dict
        Annotations of typer by option name; every option may be left out, and ``--set`` is always one.
    """
    kinds = {name: kind for group in groups for name, kind in group.items()} | {"others": Others}
    parameters = [Parameter(name, Parameter.KEYWORD_ONLY, default=None, annotation=kinds[name]) for name in kinds]

    def decorate(command: Callable[[Options], None]) -> Callable[..., None]:
        @wraps(command)
        def wrapped(**options: Any) -> None:
            command(options)

        # Typer reads both of these.
        wrapped.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        wrapped.__annotations__ = kinds
        return wrapped

    return decorate


def settings_from(options: Options) -> "Settings":
    """Build the settings from a command's options.

    Raises
    ------
    InputError
        Where an option is not what it must be.
    """
    from flows.settings import Settings

    # An option that the user left out is None, an empty list or False; 0 is a value.
    named = {key: value for key, value in options.items() if value is not None and value is not False and value != []}
    columns = _columns(named.pop("column", []))
    others = read_pairs(named.pop("others", []))
    if "as_of" in named:
        named["as_of"] = named["as_of"].date()
    for option, setting in {"wait": "wait_minutes", "cuts": "backtest_cuts"}.items():
        if option in named:
            named[setting] = named.pop(option)
    if columns:
        named["columns"] = columns
    return Settings.load(**{**others, **named})


def _columns(pairs: list[str]) -> dict[str, dict[str, str]]:
    columns: dict[str, dict[str, str]] = {}
    for pair in pairs:
        ours, sign, yours = pair.partition("=")
        table, dot, name = ours.partition(".")
        if not (sign and dot and name and yours):
            raise InputError(
                f"--column must be TABLE.OURS=YOURS, such as transactions.customer_id=client; got {describe(pair)}"
            )
        columns.setdefault(table, {})[name] = yours
    return columns


def read_pairs(pairs: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value is TOML where it can be, else text, and a point leads into a section."""
    settings: dict[str, Any] = {}
    for pair in pairs:
        found = _PAIR.fullmatch(pair)
        if found is None:
            raise InputError(f"--set must be NAME=VALUE, such as margin=0.3; got {describe(pair)}")
        name, value = found["name"], found["value"]
        *sections, last = (part.strip('"') for part in _PART.findall(name))
        place = settings
        for section in sections:
            place = place.setdefault(section, {})
            if not isinstance(place, dict):
                raise InputError("two --set give the same setting, one of them a part of it and the other the whole")
        try:
            place[last] = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            place[last] = value
    return settings
