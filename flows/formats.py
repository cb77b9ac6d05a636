"""The settings of how a table is written and read, one section for each of the four; scales and scores in one text."""

import json
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from data.intake.sources import COMPUTED


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
    sheet: str | list[str] | None = Field(
        None,
        description="sheet of a workbook to read, several, or * for all; default: the first that holds anything, and "
        "the others are told",
    )
    header_line: int | None = Field(
        None, ge=1, description="line or row with the names of the columns; default: the first that is not blank"
    )
    customer_id: str | None = Field(
        None, description="the customer as SQL over its columns, such as lower(trim(email)), the same in each table"
    )
    amount: str | None = Field(
        None, description="of transactions: the amount as SQL over its columns, such as quantity * unit_price"
    )
    ts: str | None = Field(
        None,
        description="of transactions and events: the time as SQL over its columns, such as date || ' ' || time",
    )
    answered_at: str | None = Field(None, description="of answers: the same of the time of the answer")
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

    @property
    def computed(self) -> dict[str, str]:
        """Contract column -> the expression that gives it, of those that have one."""
        return {name: text for name in COMPUTED if (text := getattr(self, name)) is not None}


class FileFormat(Format):
    """How files of a table are written that are written otherwise than its others; it takes their place whole."""

    columns: dict[str, str] = Field({}, description="our column name -> the one in these files")


def _read_scores(value: Any) -> Any:
    """Read "4-5", "4" or 4 as the lowest and the highest score."""
    if isinstance(value, int):
        return value, value
    if isinstance(value, str):
        low, _, high = value.partition("-")
        return low, high or low
    return value


Scores = Annotated[tuple[int, int], BeforeValidator(_read_scores)]


def _read_scale(value: Any) -> Any:
    """Read "1-5" as the worst and the best answer."""
    worst, _, best = str(value).partition("-")
    if not (worst.strip().isdecimal() and best.strip().isdecimal()) or int(worst) == int(best):
        raise ValueError("must be a scale from the worst answer to the best, written like 1-5")
    return int(worst), int(best)


Scale = Annotated[tuple[int, int], BeforeValidator(_read_scale, json_schema_input_type=str)]


def read_names(value: Any) -> Any:
    """Read names in one text, or in a JSON list of texts; a repeated name counts once. Anything else stays as it is."""
    if isinstance(value, str) and value.startswith("["):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise ValueError('must be names, such as region,age or ["region", "age"]') from None
    elif isinstance(value, str):
        value = [name.strip() for name in value.split(",")]
    is_names = isinstance(value, list) and all(isinstance(name, str) for name in value)
    return list(dict.fromkeys(value)) if is_names else value
