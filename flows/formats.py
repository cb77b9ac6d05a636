"""The settings of how a table is written and read, one section for each of the four."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field


def leave_out_defaults(schema: dict[str, Any]) -> None:
    """Take the defaults out of a JSON schema, from which Prefect draws its form, and tell them in the descriptions."""
    for field in schema.get("properties", {}).values():
        default = field.pop("default", None)
        if default not in (None, [], {}) and not isinstance(default, dict):
            field["description"] = f"{field.get('description', '')} (left alone: as in revealed.toml, else {default})"


class Format(BaseModel):
    """How the files of one table are written, where they do not tell it themselves; and what a database is asked."""

    model_config = ConfigDict(extra="forbid", json_schema_extra=leave_out_defaults)

    time_format: str | None = Field(
        None,
        description="strptime format of its times, such as %d.%m.%Y; or epoch_s, epoch_ms, epoch_us, epoch_ns, excel; "
        "default: found by evidence",
    )
    decimal: Literal[".", ","] | None = Field(
        None, description="mark before the decimals of its numbers; default: found by evidence"
    )
    thousands: Literal["", ".", ",", " ", "'"] | None = Field(
        None, description="mark between thousands, a blank being any space; default: found by evidence"
    )
    unit: Literal["cents"] | None = Field(None, description="cents, where its amounts of money are in hundredths")
    encoding: str | None = Field(None, description="text encoding, such as cp1252; default: UTF-8")
    separator: str | None = Field(
        None, description="sign between the cells of a CSV file; default: found from the header"
    )
    sheet: str | None = Field(
        None, description="sheet of a workbook to read; default: the first that holds anything, and the others are told"
    )
    header_line: int | None = Field(
        None, ge=1, description="line or row with the names of the columns; default: the first that is not blank"
    )
    amount: str | None = Field(
        None, description="of transactions: the amount as SQL over its columns, such as quantity * unit_price"
    )
    rows: str | None = Field(
        None, description="the rows to read as SQL over its columns, such as status in ('paid', 'sent'); default: all"
    )
    repeated: Literal["keep", "drop"] = Field(
        "keep", description="drop: rows that equal another one in every column that is read count once"
    )
    query: str | None = Field(
        None,
        description="SQL query to run in the database instead of reading a table; default: the table of its address",
    )
