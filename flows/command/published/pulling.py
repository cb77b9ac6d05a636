"""``revealed scores``: the current scores, in a file or for the eye, or those of one customer."""

from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pa_csv
import pyarrow.parquet as pq
from rich.console import Console

from data.errors import InputError
from data.pseudonyms import clean_id, is_pseudonym
from data.spreadsheet_cells import escape_formulas, told
from flows.command.published.customer import show_customer
from flows.settings import Settings
from flows.steps.store_place import locate_existing_store
from models.population.scores_table import read_metadata, read_scores_at
from models.registry.location import StoreLocation
from models.registry.privacy.key_file import read_key
from models.registry.published_file import current_file, pull_line

SHOWN = ("customer_id", "next_purchase_index", "expected_revenue", "clv", "p_churn", "segment", "nps_category")
_FIRST = 20


def pull(settings: Settings, output: Path | None, customer: str | None, console: Console, *, raw: bool = False) -> None:
    """Show the current scores, one customer's, or write them to a file; `raw` leaves texts that look like formulas.

    Raises
    ------
    InputError
        Where nothing is published, the customer has no scores, or the file cannot be written.
    """
    store = locate_existing_store(settings.mlruns)
    file = current_file(store)
    names = () if customer is None else _names_of(customer, settings, store)
    if file is None:
        from flows.steps.stores import open_existing_store
        from models.registry.reading import read_current

        table = read_current(open_existing_store(settings))
    else:
        # `read_table` imports pandas, which one customer does not need.
        table = read_scores_at(file) if customer is None else _read_around(file, names)
    if customer is not None:
        table = _of_customer(table, names)
    if output is not None:
        escaped = write_table(table, output, raw=raw)
        console.print(f"{table.num_rows:,} customers written to {output}{escaped}", markup=False)
    elif customer is not None:
        show_customer(table.to_pylist()[0], read_metadata(table), console)
    else:
        _show_first(table, store, console)


def _names_of(customer: str, settings: Settings, store: StoreLocation) -> tuple[str, ...]:
    """Return the names by which scores may know a customer: the id as given, and its pseudonym where there is a key."""
    key = read_key(store)
    if key is None:
        return (customer,)
    return customer, key.pseudonym(clean_id(customer, settings.id_case, settings.id_point_zero))


def _read_around(file: Path, names: tuple[str, ...]) -> pa.Table:
    """Read the group of rows that holds a customer; the ids of all where none does."""
    if file.is_dir():
        row = read_scores_at(file, customers=names[:1])
        return row if row.num_rows else read_scores_at(file, ["customer_id"])
    with pq.ParquetFile(file) as rows:
        for group in range(rows.num_row_groups):
            ids = rows.read_row_group(group, columns=["customer_id"])
            if any(_rows_of(ids, name).num_rows for name in names):
                return rows.read_row_group(group)
        return rows.read(columns=["customer_id"])


def _of_customer(table: pa.Table, names: tuple[str, ...]) -> pa.Table:
    for name in names:
        row = _rows_of(table, name)
        if row.num_rows:
            return row
    customer = names[0]
    if is_pseudonym(table["customer_id"][0].as_py()):
        raise InputError(
            f"customer {customer!r} has no scores: pseudonyms stand for ids in them"
            + ("." if len(names) > 1 else ", and only who has the key of the store can look an id up.")
        )
    near = _near(table["customer_id"], customer)
    raise InputError(f"customer {customer!r} has no scores: ids are texts, exactly as they came{near}")


def _rows_of(table: pa.Table, customer: str) -> pa.Table:
    # Arrow imports pandas to make an array of a Python value, but takes the pattern of a comparison as it is.
    begins = table.filter(pc.starts_with(table["customer_id"], pattern=customer))
    ids = begins["customer_id"].to_pylist()
    return begins.slice(ids.index(customer), 1) if customer in ids else begins.slice(0, 0)


def _near(ids: pa.ChunkedArray, customer: str) -> str:
    """Name an id that differs in blanks, case or zeros before it."""
    plain = pc.utf8_ltrim(pc.utf8_lower(pc.utf8_trim_whitespace(ids)), "0")
    near = ids.filter(pc.equal(plain, customer.strip().lower().lstrip("0")))
    return f". Nearest: {near[0].as_py()}" if len(near) else ""


def write_table(table: pa.Table, output: Path, *, raw: bool = False) -> str:
    """Write a table to a .csv or .parquet file, which appears only when it is whole; say what was escaped in it."""
    escaped = 0
    if output.suffix == ".csv" and not raw:
        table, escaped = escape_formulas(table)
    draft = output.with_name(f".{output.name}.draft")
    try:
        pa_csv.write_csv(table, draft) if output.suffix == ".csv" else pq.write_table(table, draft)
        draft.replace(output)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise InputError(f"{output} cannot be written: {error.strerror or error}") from None
    return f"\n{told(escaped)}" if escaped else ""


def _show_first(table: pa.Table, store: StoreLocation, console: Console) -> None:
    # The words of reports need pandas, which one customer does not.
    from flows.reports.sections import Section, number, show

    metadata = read_metadata(table)
    origin = f"as of {table['as_of'][0]}, by scorer {metadata['scorer_version']}, horizon {metadata['horizon']} days"
    frame = table.slice(0, _FIRST).select(list(SHOWN)).to_pandas()
    frame = frame.map(lambda v: number(v) if isinstance(v, float) else str(v))
    show([Section("Scores", (f"{table.num_rows:,} customers {origin}", pull_line(store)), frame)], console)
