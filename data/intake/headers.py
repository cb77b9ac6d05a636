"""What headers of files and tables already tell: a mistake in a path or a column is said before any row is read."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import duckdb

from data.contracts import CONTRACTS
from data.intake.databases.address import split_addresses
from data.intake.databases.reading import describe_tables, files_on_disk
from data.intake.raw import read_columns
from data.intake.reading.matching import check_mapping
from data.intake.reading.pasting import naming_section
from data.intake.reading.workbooks import part_by_sheet
from data.intake.sources import Source, find_files
from data.intake.sql import confine

_MOST = 8
"""Files of a table whose headers are read: of a thousand files only the intake reads all."""


def check_headers(sources: Mapping[str, Source]) -> dict[str, tuple[str, ...]]:
    """Check that the files of all tables are there and that their headers hold the required columns.

    Parameters
    ----------
    sources
        As for `data.intake.pipeline.take_in`. What a URL names is left to the intake, which fetches it once.

    Returns
    -------
    dict
        Table -> names of the columns in any of its files, as the intake calls them. A table of which a part comes from
        a URL is left out.

    Raises
    ------
    InputError
        As the intake, for a path, a mapping or a column.
    """
    columns: dict[str, tuple[str, ...]] = {}
    with tempfile.TemporaryDirectory(prefix="revealed-headers-") as name, duckdb.connect() as connection:
        confine(connection, [Path(name)], files_on_disk(sources))
        for table, contract in CONTRACTS.items():
            if table not in sources:
                continue
            source = sources[table]
            for each in (source, *source.own.values()):
                with naming_section(table, each.section, []):
                    check_mapping(contract, each.columns)
            addresses, paths = split_addresses(source.paths)
            local = [path for path in paths if "://" not in str(path)]
            files = find_files(replace(source, paths=local), table, Path(name))[0] if local else []
            files = part_by_sheet(files, source)
            names = dict.fromkeys(describe_tables(source, addresses, contract))
            for number, file in enumerate(files[:_MOST]):
                relation = f"raw_{table}_{number}"
                own = source.of(file)
                with naming_section(table, own.section, []):
                    names |= dict.fromkeys(read_columns(connection, file, own, contract, relation, Path(name)))
            if local == paths and len(files) <= _MOST:
                columns[table] = tuple(names)
    return columns
