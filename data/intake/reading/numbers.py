"""How numbers are written, found by evidence over a whole column: their marks, currencies and negatives."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import duckdb

from data.errors import InputError
from data.intake.reading.currencies import CODES, CURRENCY, WORDS
from data.intake.reading.pasting import paste
from data.intake.sql import only_row, quote

MARKS = (".", ",", " ", "'")
"""Marks that may stand between thousands; a blank is any kind of space, an apostrophe any kind of it."""

_INDIAN = r"[1-9]\d?(?:,\d\d)+,\d{3}(?:\.\d*)?"
_SPACES = r"[\s\p{Zs}]+"
_OF_NUMBERS = r"[-eE−–‒﹣－+()\d.,'’ʼ‘`´\s\p{Zs}]"
"""A sign that a number may hold beside its currency: a cell with any other is none."""


@dataclass(frozen=True)
class NumberFormat:
    """What a reader says of a table's numbers.

    Parameters
    ----------
    decimal
        The decimal mark, "." or ","; None: found by evidence.
    thousands
        The mark between thousands, one of `MARKS`, or "" for none; None: found by evidence.
    """

    decimal: str | None = None
    thousands: str | None = None


@dataclass(frozen=True)
class NumberReading:
    """How one column's numbers are read.

    Parameters
    ----------
    decimal
        The decimal mark.
    thousands
        The marks that may stand between thousands.
    plain
        Whether no number has more than digits, a sign and a point, so that they can be cast as they are.
    currency
        ISO code of the currency that the cells name, or its sign where that is of several; None where none is named.
    decided
        Whether a cell can be read with this decimal mark only.
    notes
        What is said of it, in sentences.
    between
        The mark that stands between thousands in some cell; empty where none does.
    """

    decimal: str = "."
    thousands: tuple[str, ...] = ()
    plain: bool = True
    currency: str | None = None
    decided: bool = False
    notes: tuple[str, ...] = field(default=())
    between: str = ""

    @property
    def example(self) -> str:
        """1234.5 as it is written in the column."""
        return f"1{self.between}234{self.decimal}5"

    def cell(self, text: str) -> str:
        """Write SQL for a number's text as a plain number; what is none starts with a question mark."""
        body = f"number_body({text})"
        marks = "".join(self.thousands).replace(self.decimal, "")
        digits = f"translate({body}, {quote(self.decimal + marks)}, '.')"
        return (
            f"CASE WHEN NOT is_like_number({text}) THEN '? ' || {text} "
            f"WHEN regexp_full_match({body}, {quote(number_pattern(self.decimal, self.thousands))}) "
            f"THEN {digits} ELSE '? ' || {text} END"
        )


def create_number_macros(connection: duckdb.DuckDBPyConnection) -> None:
    """Define the functions that strip a number of all but its sign, digits and marks."""
    currency, signs = f"(?:{CURRENCY})", "[-+(]"
    like = quote(f"{_OF_NUMBERS}*{currency}?{_OF_NUMBERS}*{currency}?{_OF_NUMBERS}*")
    for macro in (
        # Both are fast, and taking signs off is slow.
        r"is_bare(x) AS regexp_full_match(x, '[-+]?\d([\d.,]*\d)?')",
        f"is_like_number(x) AS is_bare(x) OR regexp_full_match(x, {like})",
        # Spaces, minus signs and apostrophes of all kinds become one kind.
        f"unified(x) AS trim(translate(regexp_replace(x, '{_SPACES}', ' ', 'g'), '−–‒﹣－’ʼ‘`´', '-----'''''''''''))",
        # 12.- and 12,-- are whole amounts, 12- and 12.50- negative ones.
        rf"""number_body(x) AS CASE WHEN is_bare(x) THEN x ELSE
            regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(regexp_replace(unified(x),
            '^({signs}?) ?{currency} ?', '\1'), ' ?{currency} ?([-)]?)$', '\1'), '[.,] ?--?$', ''),
            '^\( ?([^-+()]+?) ?\)$', '-\1'), '^([^-+()]+?) ?-$', '-\1'), '^([-+]) ', '\1') END""",
        rf"currency_of(x) AS coalesce(nullif(regexp_extract(unified(x), '^{signs}? ?({currency})', 1), ''), "
        rf"nullif(regexp_extract(unified(x), '({currency}) ?[-)]?$', 1), ''))",
    ):
        connection.execute(f"CREATE MACRO {macro}")


def number_pattern(decimal: str, thousands: Sequence[str]) -> str:
    """Write the regular expression of a number with these marks, without currency."""
    point = rf"\{decimal}"
    groups = "|".join(rf"(?:{chr(92) + mark if mark in '.,' else mark}\d{{3}})+" for mark in thousands)
    forms = [rf"(?:\d+(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?"]
    forms += [rf"[1-9]\d{{0,2}}(?:{groups})(?:{point}\d*)?"] if groups else []
    forms += [_INDIAN] if decimal == "." and "," in thousands else []
    return f"[+-]?(?:{'|'.join(forms)})"


def find_number_reading(
    connection: duckdb.DuckDBPyConnection, cells: str, asked: NumberFormat, column: str, files: Sequence[str]
) -> NumberReading | None:
    """Find how the numbers of a column are written, by all of its cells.

    Parameters
    ----------
    connection
        The working database.
    cells
        SQL with the columns file (number of the file), line and cell (text, null where nothing is filled).
    asked
        What the settings say.
    column
        Table and name of the column, such as ``transactions.amount``.
    files
        Names of the files by their number, for messages.

    Returns
    -------
    NumberReading or None
        None where each number with a mark has exactly three digits after it, and could mean either.

    Raises
    ------
    InputError
        Some cells can be read in one way only and others in another only, or they are in several currencies.
    """
    plain = _find_plain(connection, cells, asked) if asked.decimal in (None, ".") else None
    if plain is not None:
        return plain
    decimals = [asked.decimal] if asked.decimal else [mark for mark in ".," if mark != asked.thousands]
    patterns = {mark: number_pattern(mark, _marks(mark, asked)) for mark in decimals}
    fits = {mark: f"regexp_full_match(body, {quote(pattern)})" for mark, pattern in patterns.items()}
    both = f"{fits.get('.', 'false')} AS point, {fits.get(',', 'false')} AS comma"
    row = only_row(
        connection,
        f"""
        SELECT count(*) FILTER (point AND NOT comma), count(*) FILTER (comma AND NOT point),
               count(*) FILTER (point AND comma AND marked),
               arg_min((file, line, cell), (file, line)) FILTER (point AND NOT comma AND marked),
               arg_min((file, line, cell), (file, line)) FILTER (comma AND NOT point AND marked),
               count(*) FILTER ((point OR comma) AND regexp_matches(unified(cell), '([^-.,]-|[)])$')),
               list(DISTINCT upper(currency_of(cell))) FILTER (currency_of(cell) IS NOT NULL AND (point OR comma)),
               list(DISTINCT regexp_extract(body, '\\d([., ''])\\d', 1)) FILTER (
                   (point OR comma) AND regexp_matches(body, '\\d[., '']\\d\\d\\d'))
        FROM (SELECT *, {both}, regexp_matches(body, '[.,]') AS marked
              FROM (SELECT *, number_body(cell) AS body FROM ({cells}) WHERE is_like_number(cell)))
        """,
    )
    points, commas, either, a_point, a_comma, behind, signs, marks = row
    if len(decimals) == 1:
        decimal = decimals[0]
    elif points and commas and a_point and a_comma:
        raise InputError(_mixed_message(column, a_point, a_comma, points, commas, files))
    elif either and not points and not commas:
        return None
    else:
        decimal = "," if commas else "."
    assert decimal is not None, "one of the two marks was chosen"
    currency = _one_currency(connection, cells, column, signs or [], files)
    thousands = tuple(mark for mark in marks or [] if mark and mark in _marks(decimal, asked))
    return NumberReading(
        decimal,
        _marks(decimal, asked),
        plain=False,
        currency=currency,
        decided=bool(points or commas),
        notes=_notes(column, decimal, thousands, behind, currency),
        between=thousands[0] if thousands else "",
    )


def as_asked(asked: NumberFormat, decimal: str) -> NumberReading:
    """Read a column whose own cells do not tell by a decimal mark that other columns told."""
    return NumberReading(decimal, _marks(decimal, asked), plain=False)


def refuse_to_guess(connection: duckdb.DuckDBPyConnection, cells: str, column: str, files: Sequence[str]) -> InputError:
    """Make the error of a column in which each number with a mark has exactly three digits after it."""
    file, line, cell = only_row(
        connection,
        f"""
        SELECT file, line, cell FROM ({cells}) WHERE regexp_matches(number_body(cell), '[.,]')
        ORDER BY file, line LIMIT 1
        """,
    )
    mark = "," if "," in cell else "."
    return InputError(
        f"{column}: each number with a mark has exactly three digits after it, such as {cell!r} in {files[file]} "
        f"line {line}. This may be {_digits(cell)}, or a number with three decimals, and nothing in the column tells "
        "which. "
        + paste(
            f"formats.{column.split('.')[0]}",
            {"thousands": mark},
            {f'decimal = "{mark}"': f"in its place, where {cell} has three decimals"},
        )
    )


def _digits(cell: str) -> str:
    return "".join(letter for letter in cell if letter.isdigit())


def _find_plain(connection: duckdb.DuckDBPyConnection, cells: str, asked: NumberFormat) -> NumberReading | None:
    """Return the reading of cells that can all be cast as they are, which is the common case, and else None."""
    # A point before exactly three digits, after one to three of them.
    three = "strpos(cell, '.') = length(cell) - 3 AND regexp_full_match(cell, '[+-]?[1-9]\\d{0,2}\\.\\d{3}')"
    odd, unclear, clear = only_row(
        connection,
        f"""
        SELECT count(*) FILTER (TRY_CAST(cell AS DOUBLE) IS NULL), count(*) FILTER ({three}),
               count(*) FILTER (strpos(cell, '.') > 0 AND NOT ({three}))
        FROM ({cells}) WHERE cell IS NOT NULL
        """,
    )
    needs_evidence = asked.decimal is None and unclear and not clear
    if odd or needs_evidence or (asked.thousands == "." and unclear):
        return None
    return NumberReading(decided=bool(clear))


def _marks(decimal: str, asked: NumberFormat) -> tuple[str, ...]:
    if asked.thousands is not None:
        return (asked.thousands,) if asked.thousands else ()
    return tuple(mark for mark in MARKS if mark != decimal)


def _mixed_message(column: str, point: Any, comma: Any, points: int, commas: int, files: Sequence[str]) -> str:
    told = [f"{cell['cell']!r} in {files[cell['file']]} line {cell['line']}" for cell in map(_as_cell, (point, comma))]
    return (
        f"{column}: {points:,} numbers can only be read with a decimal point, such as {told[0]}, and {commas:,} only "
        f"with a decimal comma, such as {told[1]}. Write them alike; or say which is right, and the other rows are set "
        "aside. " + paste(f"formats.{column.split('.')[0]}", {"decimal": "." if points >= commas else ","})
    )


def _as_cell(row: Any) -> Mapping[str, Any]:
    values = list(row.values()) if isinstance(row, dict) else list(row)
    return dict(zip(("file", "line", "cell"), values, strict=True))


def _one_currency(
    connection: duckdb.DuckDBPyConnection, cells: str, column: str, signs: Sequence[str], files: Sequence[str]
) -> str | None:
    by_code = {_code(sign): sign for sign in sorted(signs)}
    if len(by_code) < 2:
        return next(iter(by_code), None)
    examples = []
    for sign in list(by_code.values())[:3]:
        file, line, cell = only_row(
            connection,
            f"SELECT file, line, cell FROM ({cells}) WHERE upper(currency_of(cell)) = {quote(sign)} "
            "ORDER BY file, line LIMIT 1",
        )
        examples.append(f"{cell!r} ({files[file]} line {line})")
    raise InputError(
        f"{column}: amounts are in {len(by_code)} currencies: {', '.join(examples)}. Amounts of several cannot be "
        "added. Convert them to one, or give the rows of one currency only."
    )


def _code(sign: str) -> str:
    return WORDS.get(sign.lower(), "RUB" if sign == "RUR" else sign)


def is_code(currency: str) -> bool:
    """Return whether a currency is told by its ISO code, and not by a sign of several."""
    return currency in CODES.split("|")


def _notes(column: str, decimal: str, thousands: Sequence[str], behind: int, currency: str | None) -> tuple[str, ...]:
    parts = [f"with a decimal {'comma' if decimal == ',' else 'point'}"]
    if thousands:
        parts.append("thousands are set apart by " + " or ".join("a blank" if m == " " else repr(m) for m in thousands))
    if currency:
        parts.append(f"{currency} beside the numbers was taken off")
    if behind:
        parts.append(f"{behind:,} in parentheses or with a minus behind are negative")
    if decimal == "." and len(parts) == 1:
        return ()
    return (f"{column} was read {parts[0]}" + "".join(f"; {part}" for part in parts[1:]) + ".",)
