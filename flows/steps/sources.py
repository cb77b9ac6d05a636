"""Which files the settings name, table by table."""

from data.errors import InputError
from data.intake.sources import Source
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
        return {}
    if "transactions" not in named:
        raise InputError(
            "no transactions are named: say where they are with --transactions FILE, "
            'with transactions = ["FILE"] in revealed.toml, or with REVEALED_TRANSACTIONS'
        )
    return {table: _source(settings, table, paths) for table, paths in named.items()}


def _source(settings: Settings, table: str, paths: list[str]) -> Source:
    written = settings.formats.get(table, Format())  # type: ignore[call-overload]
    return Source(tuple(paths), columns=settings.columns.get(table, {}), before=settings.as_of, **written.model_dump())  # type: ignore[call-overload]
