"""Which files the settings name, table by table; and where a cluster puts what it writes."""

from pathlib import Path

from data.errors import InputError
from data.intake.reading.pasting import toml_text
from data.intake.sources import Source
from data.secrecy.location import Location, text_of
from flows.formats import Format
from flows.settings import TABLES, Settings


def named_sources(settings: Settings) -> dict[str, Source]:
    """Return the source of each table that is named; none where the Olist files take their place.

    Raises
    ------
    InputError
        Where no transactions are named, or tables and the Olist files.
    """
    named = {table: getattr(settings, table) for table in TABLES if getattr(settings, table)}
    if settings.olist:
        if named:
            raise InputError(f"olist takes the place of the four tables; leave out {', '.join(named)}, or olist")
        if settings.engine == "spark":
            raise InputError('olist is a folder of text files, which engine = "spark" does not read; leave engine out')
        return {}
    if "transactions" not in named:
        raise InputError(
            "no transactions are named: say where they are with --transactions FILE, "
            'with transactions = ["FILE"] in revealed.toml, which `revealed init FILE` writes, or with '
            "REVEALED_TRANSACTIONS"
        )
    return {table: _source(settings, table, paths) for table, paths in named.items()}


def _source(settings: Settings, table: str, paths: list[Location]) -> Source:
    written = settings.formats.get(table, Format())  # type: ignore[call-overload]
    own = {
        pattern: Source((), before=settings.as_of, section=f"files.{table}.{toml_text(pattern)}", **each.model_dump())
        for pattern, each in settings.files.get(table, {}).items()  # type: ignore[call-overload]
    }
    columns = settings.columns.get(table, {})  # type: ignore[call-overload]
    return Source(
        tuple(path.get_secret_value() for path in paths),
        columns=columns,
        before=settings.as_of,
        redirects=settings.url_redirects,
        own=own,
        **written.model_dump(),
    )


def check_scores_location(settings: Settings) -> Path:
    """Return the folder of `scores_location`, which the driver must see under the same path as the cluster.

    Raises
    ------
    InputError
        If it is not set, is a URL, or is no folder.
    """
    location = text_of(settings.scores_location)
    if location is None:
        raise InputError(
            'engine = "spark" needs scores_location: a folder that the cluster, this machine and whoever reads the '
            "scores see under the same path. The tables of a run are kept there while it runs, and its scores stay."
        )
    if "://" in location:
        raise InputError(
            f"scores_location is {settings.scores_location}, and must be a folder: object stores are not written yet. "
            "Mount it under one path on the cluster and here."
        )
    place = Path(location).expanduser().absolute()
    if not place.is_dir():
        raise InputError(
            f"scores_location is {settings.scores_location}, and there is no such folder. Make it, or name another."
        )
    return place


def only_flows() -> InputError:
    """Return the error of a command that does not run on a cluster."""
    return InputError(
        'engine = "spark" serves retrain, backtest and score. Check, measure and draw samples on one machine: with '
        'engine = "duckdb" (REVEALED_ENGINE=duckdb) and the same tables as files, or a sample of whole customers.'
    )
