"""Files of a store without one customer: tables, samples, lists, rows set aside, reports."""

import csv
import io
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from models.registry.privacy.customer import Customer

_ID = "customer_id"
_READ = {".parquet", ".csv", ".json", ".html", ".md", ".txt"}


def may_name_customers(name: str) -> bool:
    """Whether a file of this name may name customers: pictures and models do not."""
    return Path(name).suffix in _READ


def write_without(customer: Customer, file: Path, new: Path) -> int:
    """Write a file without a customer, and say how many rows and places went; 0 where nothing is written.

    Parameters
    ----------
    customer : Customer
        Who is to be forgotten.
    file, new : Path
        The file, and where the new one is written.
    """
    if file.suffix == ".parquet":
        return _write_parquet_without(customer, file, new)
    text = file.read_bytes().decode("utf-8")
    if not any(name in text for name in customer.ids) and not _is_table(file, text):
        return 0
    if file.suffix == ".csv":
        kept, gone = _csv_without(customer, text)
    elif file.suffix == ".json":
        value, gone = customer.out_of_json(json.loads(text))
        kept = json.dumps(value, indent=_indent(text), ensure_ascii=False)
    else:
        kept, gone = customer.out_of_page(text) if file.suffix == ".html" else customer.out_of_text(text)
    if gone:
        new.write_bytes(kept.encode("utf-8"))
    return gone


def _is_table(file: Path, text: str) -> bool:
    """Whether ids in a file may be written otherwise than clean, as in the rows that a run sets aside."""
    return file.suffix == ".csv" and _ID in text.partition("\n")[0]


def _indent(text: str) -> int | None:
    return 1 if text.startswith(("{\n", "[\n")) else None


def _write_parquet_without(customer: Customer, file: Path, new: Path) -> int:
    with pq.ParquetFile(file) as source:
        schema, names = source.schema_arrow, set(source.schema_arrow.names)
        if "record" not in names and _ID not in names:
            return 0
        # A table is written only where the customer is in it.
        gone = sum(_named(customer, source.read_row_group(group)).count(True) for group in range(source.num_row_groups))
        if not gone:
            return 0
        compression = source.metadata.row_group(0).column(0).compression
        with pq.ParquetWriter(new, schema, compression=compression) as sink:
            for group in range(source.num_row_groups):
                rows = source.read_row_group(group)
                sink.write_table(rows.filter(pc.invert(pa.array(_named(customer, rows)))))
    return gone


def _named(customer: Customer, rows: pa.Table) -> list[bool]:
    """Tell for each row whether it is of the customer: by its id, and of rows set aside by any of their cells."""
    if "record" in rows.column_names:
        cells = zip(rows["cell"].to_pylist(), rows["record"].to_pylist(), strict=True)
        return [customer.is_named_by(cell) or _names(customer, record) for cell, record in cells]
    is_named = pc.is_in(rows[_ID], pa.array(sorted(customer.ids), pa.string()))
    return [bool(each) for each in is_named.to_pylist()]


def _names(customer: Customer, record: str | None) -> bool:
    try:
        cells = json.loads(record) if record is not None else []
    except ValueError:
        # Rows of a cluster are kept as a text of their own.
        return any(f"'{name}'" in str(record) for name in customer.ids)
    return any(customer.is_named_by(cell) for cell in (cells.values() if isinstance(cells, dict) else cells))


def _csv_without(customer: Customer, text: str) -> tuple[str, int]:
    """Drop the rows of a table that name the customer; the others stay as they were written."""
    kept: list[str] = []
    gone, at = 0, 0
    lines = list(io.StringIO(text, newline=""))
    reader = csv.reader(lines)
    for row in reader:
        written = "".join(lines[at : reader.line_num])
        at = reader.line_num
        if any(customer.is_named_by(cell) for cell in row):
            gone += 1
        else:
            kept.append(written)
    return "".join(kept), gone


def same_but_for(customer: Customer, before: pa.Table, after: pa.Table) -> bool:
    """Whether a table equals another one, metadata included, but for the rows of a customer."""
    is_named = pc.is_in(before[_ID], pa.array(sorted(customer.ids), pa.string()))
    rest: Any = before.filter(pc.invert(is_named))
    return bool(rest.equals(after, check_metadata=True))
