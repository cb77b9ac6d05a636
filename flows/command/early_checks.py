"""What can be checked in an instant: mistakes that are told before anything heavy is imported."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from data.contracts import CONTRACTS
from data.errors import InputError
from data.intake.databases.address import Address, find_address
from data.intake.headers import check_headers
from data.samples.olist import find_olist
from data.secrecy.location import text_of
from data.secrecy.showing import name_or_kind, nearest, shown_location
from flows.settings import Settings
from flows.steps.sources import check_scores_location, named_sources, only_flows

# Names that `--by` takes beside columns of customers.
_BY = "to segment by, beside rfm and persona"
_SEGMENTATIONS = ("rfm", "RFM segment", "persona", "touchpoint", "channel", "store", "category")


def check_named_inputs(settings: Settings, by: str | None = None, *, on_cluster: bool = False) -> None:
    """Check that the files are there, that their headers hold what is needed, and the columns that settings name.

    The run itself checks the same again, for it also runs without the command.

    Parameters
    ----------
    settings : Settings
        What to read.
    by : str or None
        What ``--by`` names.
    on_cluster : bool
        Whether the command also runs on a cluster, whose tables only the run itself can look at.

    Raises
    ------
    InputError
        Where a file, a column, or a column named by a setting is not there.
    """
    sources = named_sources(settings)
    if settings.engine == "spark":
        if not on_cluster:
            raise only_flows()
        check_scores_location(settings)
        return
    if settings.olist:
        find_olist(Path(str(text_of(settings.olist))))
        return
    columns = check_headers(sources)
    if "customers" in sources and "customers" not in columns:
        return
    if by is not None and by not in _SEGMENTATIONS:
        _check_attributes(columns, (by,), _BY)
    _check_attributes(columns, settings.segments, _BY)
    _check_attributes(columns, settings.static_attributes, "for static_attributes")


def check_table_output(output: Path | None) -> None:
    """Refuse a file for a table that is neither .csv nor .parquet, or whose folder is not there.

    Raises
    ------
    InputError
        Saying which.
    """
    if output is None:
        return
    if output.suffix not in (".csv", ".parquet"):
        raise InputError(f"--output must end in .csv or .parquet, got {shown_location(output.name)!r}")
    if not output.absolute().parent.is_dir():
        raise _no_folder(output)


def check_page_output(output: Path) -> None:
    """Refuse a file for a page that does not end in .html, or whose folder is not there.

    Raises
    ------
    InputError
        Saying which.
    """
    if output.suffix not in (".html", ".htm"):
        raise InputError(f"--output must end in .html, got {shown_location(output.name)!r}")
    if not output.absolute().parent.is_dir():
        raise _no_folder(output)


def check_target(to: str) -> Address:
    """Read the address of a table to write.

    Raises
    ------
    InputError
        Where it is none, or names no table.
    """
    address = find_address(to, must_exist=False)
    if address is None:
        raise InputError(
            "--to must be postgresql://USER@HOST/DATABASE/SCHEMA.TABLE, sqlite:///FILE/TABLE or duckdb:///FILE/TABLE, "
            f"got {shown_location(to)}"
        )
    if not address.table:
        raise InputError(f"--to names no table; write {address.shown}/TABLE or {address.shown}/SCHEMA.TABLE")
    return address


def check_list_output(output: Path) -> None:
    """Refuse a file for a list of customers that is there already, is no .csv, or whose folder is not there.

    Raises
    ------
    InputError
        Saying which.
    """
    if output.suffix != ".csv":
        raise InputError(f"--output must end in .csv, got {shown_location(output.name)!r}")
    if output.exists():
        raise InputError(
            f"{output} is there already, and may be a list that was sent: name another file with --output, or delete it"
        )
    if not output.absolute().parent.is_dir():
        raise _no_folder(output)


def _no_folder(output: Path) -> InputError:
    return InputError(f"{shown_location(str(output))} cannot be written: there is no folder of that name")


def _check_attributes(columns: Mapping[str, Sequence[str]], wanted: Iterable[str], purpose: str) -> None:
    clean = [name for name in CONTRACTS["customers"].clean if name not in ("customer_id", "valid_from")]
    attributes = [name for name in columns.get("customers", ()) if name not in CONTRACTS["customers"].names]
    available = [*clean, *attributes] if "customers" in columns else []
    missing = [name for name in wanted if name not in available]
    if missing:
        has = f"it has {', '.join(available)}" if available else "no customers were given (--customers)"
        shown = name_or_kind(missing[0], (*_SEGMENTATIONS, *CONTRACTS["customers"].names))
        raise InputError(f"{shown}: no column of customers {purpose}; {has}.{nearest(missing[0], available)}")
