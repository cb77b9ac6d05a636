"""From settings to clean tables: what a run reads, and its as_of."""

import hashlib
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from data.errors import InputError
from data.intake.pipeline import Intake, Rules, Source, take_in
from data.pseudonyms import Protection
from data.samples.olist import write_olist
from features.engine.described_before import DescribedBefore
from features.tables import Tables, open_tables
from flows.settings import Settings
from flows.steps.progress import step
from flows.steps.sources import named_sources, only_flows


@dataclass(frozen=True)
class Inputs:
    """What a run works on: the checked tables, the intake's report on them, and as_of."""

    tables: Tables
    intake: Intake
    as_of: date


def read_inputs(
    settings: Settings,
    folder: Path,
    kept: Path | None = None,
    protection: Protection | None = None,
    last: Path | None = None,
) -> Intake:
    """Read, check and type the tables the settings name.

    Parameters
    ----------
    settings : Settings
        They name files, columns, formats, time zone and limits.
    folder : Path
        The clean tables are written here.
    kept : Path, optional
        Where the checked rows of unchanged files are kept between runs; None: every file is read.
    protection : Protection, optional
        What the store asks for the privacy of customers; None where nothing is kept of what is read.
    last : Path, optional
        Where the clean tables of the last reading are kept, which are used where no file has changed; None: nowhere.

    Raises
    ------
    InputError
        If the input cannot be read, or no row of a table is valid.
    RefusedError
        If too large a share of a table was set aside.
    """
    if settings.engine == "spark":
        raise only_flows()
    sources = _sources(settings, folder / "source")
    with step(f"read and check {', '.join(sources)}"):
        # The tables that are made of the Olist files are new in each run.
        return take_in(sources, folder, rules_of(settings, protection), kept, None if settings.olist else last)


def rules_of(settings: Settings, protection: Protection | None = None) -> Rules:
    """Take from the settings what holds for all tables of an intake."""
    limits = {str(table): share for table, share in settings.quarantine_limit.items()}
    return Rules(
        settings.timezone,
        settings.currency,
        quarantine_limit=limits,
        ces_version=settings.ces_version,
        scales=settings.scales,
        id_case=settings.id_case,
        id_point_zero=settings.id_point_zero,
        protection=protection or Protection(),
    )


def open_inputs(intake: Intake, settings: Settings) -> Inputs:
    """Open the clean tables and determine as_of, as `as_of_of` does."""
    as_of = as_of_of(intake, settings)
    before = None if intake.kept_as is None else DescribedBefore(intake.kept_as, as_of)
    return Inputs(open_tables(intake.folder, before), intake, as_of)


def as_of_of(intake: Intake, settings: Settings) -> date:
    """Determine as_of: the day after the newest transaction, unless the settings name it.

    Raises
    ------
    InputError
        If as_of is not after the first transaction, or lies in the future.
    """
    as_of = settings.as_of or intake.newest_day + timedelta(days=1)
    today = datetime.now(ZoneInfo(settings.timezone)).date()
    if as_of > max(today, intake.newest_day) + timedelta(days=1):
        raise InputError(
            f"as_of is {as_of}, which lies in the future (today is {today}): there are no data until then. "
            "Name a date up to tomorrow with --as-of, or leave it out."
        )
    if as_of <= intake.first_day:
        raise InputError(
            f"as_of is {as_of}, but the first transaction is from {intake.first_day}: nothing is visible before as_of. "
            f"Name a date from {intake.first_day + timedelta(days=1)} on with --as-of."
        )
    return as_of


def input_digest(intake: Intake) -> str:
    """Return one digest of all valid rows in all tables."""
    parts = [f"{name}:{report.digest}" for name, report in sorted(intake.tables.items())]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:32]


def _sources(settings: Settings, folder: Path) -> dict[str, Source]:
    sources = named_sources(settings)
    if not settings.olist:
        return sources
    with step("convert the Olist files to tables"):
        return {
            table: Source((str(path),))
            for table, path in write_olist(Path(settings.olist.get_secret_value()), folder).items()
        }
