"""Tables as CSV files, with texts that a spreadsheet would take for formulas escaped, as in the other exports."""

import io
from collections.abc import Iterable, Iterator

import pyarrow as pa
import pyarrow.csv as pa_csv
from starlette.responses import Response, StreamingResponse

from data.spreadsheet_cells import escape_formulas


def csv_file(tables: Iterable[pa.Table], name: str) -> Response:
    """Send tables of equal columns as one file, a batch at a time.

    Parameters
    ----------
    tables : iterable of pyarrow.Table
        At least one, be it empty.
    name : str
        Of the file: letters, digits, hyphens and a point.
    """
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingResponse(_written(tables), media_type="text/csv; charset=utf-8", headers=headers)


def _written(tables: Iterable[pa.Table]) -> Iterator[bytes]:
    is_first = True
    for table in tables:
        text = io.BytesIO()
        pa_csv.write_csv(escape_formulas(table)[0], text, pa_csv.WriteOptions(include_header=is_first))
        is_first = False
        yield text.getvalue()
