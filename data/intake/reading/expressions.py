"""Expressions of the settings over a file's columns, as SQL that computes a value of one row and nothing else."""

import logging
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from difflib import get_close_matches
from typing import Literal

import duckdb
import sqlglot
from sqlglot import exp

from data.errors import InputError
from data.intake.reading.matching import normalise_name
from data.secrecy.reasons import reason_of
from data.secrecy.showing import describe

# It writes a line to the terminal for what it does not know, which is refused here in a sentence.
logging.getLogger("sqlglot").setLevel(logging.ERROR)

_LONGEST = 10_000
"""Most characters of an expression."""

_GROWTH = 100
"""Most times that all `replace` of an expression together may lengthen a text."""

_SHOWN = 300
"""Most characters that are shown of what the engine complains of."""

Kind = Literal["number", "condition", "time", "text"]
"""What an expression must give for each row: a number, true or false, a time, which may be a text, or a text."""

_ALLOWED: tuple[type[exp.Expr], ...] = (
    *(exp.Column, exp.Identifier, exp.Literal, exp.Boolean, exp.Null, exp.Paren, exp.Tuple, exp.Case, exp.If),
    *(exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg, exp.DPipe),
    *(exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.And, exp.Or, exp.Not, exp.In, exp.Between, exp.Is),
    *(exp.Like, exp.ILike, exp.NullSafeEQ, exp.NullSafeNEQ, exp.Cast, exp.TryCast, exp.DataType, exp.DataTypeParam),
    *(exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least, exp.Abs, exp.Sign, exp.Round, exp.Floor, exp.Ceil),
    *(exp.Lower, exp.Upper, exp.Trim, exp.Length, exp.Substring, exp.Replace, exp.Concat, exp.Left, exp.Right),
    *(exp.StartsWith, exp.EndsWith, exp.Contains, exp.StrPosition, exp.RegexpLike, exp.RegexpFullMatch),
)
_TYPES = {"DECIMAL", "DOUBLE", "FLOAT", "INT", "BIGINT", "VARCHAR", "TEXT", "BOOLEAN", "DATE", "TIMESTAMP"}
_NUMBERS = {
    *(
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
    ),
    *("FLOAT", "DOUBLE", "BIGNUM", '"NULL"'),
}
_ARITHMETIC = (exp.Add, exp.Sub, exp.Mul, exp.Div, exp.IntDiv, exp.Mod, exp.Neg)
_NUMERIC = (*_ARITHMETIC, exp.Abs, exp.Sign, exp.Round, exp.Floor, exp.Ceil)
_COMPARISONS = (exp.EQ, exp.NEQ, exp.GT, exp.GTE, exp.LT, exp.LTE, exp.In, exp.Between, exp.NullSafeEQ, exp.NullSafeNEQ)
_THROUGH = (exp.Paren, exp.Case, exp.If, exp.Coalesce, exp.Nullif, exp.Greatest, exp.Least)


@dataclass(frozen=True)
class Expression:
    """An expression as SQL over the columns c0, c1, ... of a file.

    Parameters
    ----------
    sql, sql_type
        The expression, and the SQL type of its value.
    columns
        Positions in the header of the columns it uses.
    blame
        Makes the error that names the setting where the engine cannot compute it.
    """

    sql: str
    sql_type: str
    columns: tuple[int, ...]
    blame: Callable[[duckdb.Error], InputError] = field(repr=False, compare=False)


def compile_expression(
    connection: duckdb.DuckDBPyConnection,
    setting: str,
    text: str,
    relation: str,
    header: Sequence[str],
    as_number: Callable[[int], str],
    as_text: Callable[[int], str],
    *,
    kind: Kind,
) -> Expression:
    """Check an expression and write it as SQL.

    Columns are named as in the file, without regard to case, blanks, `_` and `-`. A column is read as a number where
    the expression calculates with it or compares it with a number, and as a text elsewhere.

    Parameters
    ----------
    connection
        The working database.
    setting
        Name of the setting, such as ``formats.transactions.amount``.
    text
        The expression.
    relation, header
        The file's table in the database, and the names of its columns.
    as_number, as_text
        Give SQL for the column at a position as a number and as a text.
    kind
        What the expression must give.

    Raises
    ------
    InputError
        It is no expression, uses what is not allowed, or a column that is not there.
    """
    _check_length(setting, text)
    tree = _parse(setting, text)
    # Any SQL of ours stands in the tree as one name, and is put in its place when the tree is written.
    stand_ins: dict[str, str] = {}
    positions: list[int] = []
    for column in list(tree.find_all(exp.Column)):
        position = _find(setting, column, header)
        numeric = _is_numeric(column, is_number=kind == "number")
        name = f"\x1f{position}{'n' if numeric else 't'}"
        stand_ins[name] = as_number(position) if numeric else as_text(position)
        positions.append(position)
        column.set("this", exp.to_identifier(name, quoted=True))
    sql = _written(setting, tree)
    for name, replacement in stand_ins.items():
        sql = sql.replace(f'"{name}"', f"({replacement})")
    known = [*header, *(node.sql_name() for node in tree.find_all(exp.Func) if not isinstance(node, exp.Anonymous))]

    def blame(error: duckdb.Error) -> InputError:
        reason = reason_of(error, [text], known)
        return InputError(f"{setting} cannot be computed: {(reason.partition(': ')[2] or reason)[:_SHOWN]}.")

    sql_type = _type_of(connection, setting, sql, relation, kind, blame)
    return Expression(sql, sql_type, tuple(dict.fromkeys(positions)), blame)


def in_expression(name: str) -> str:
    """Write a column's name as it stands in an expression: in double quotes where SQL needs them."""
    if re.fullmatch(r"\w+", name):
        try:
            tree = sqlglot.parse_one(f"{name} <> 0", read="duckdb")
        except sqlglot.errors.SqlglotError:
            tree = None
        if isinstance(tree, exp.NEQ) and isinstance(tree.this, exp.Column):
            return name
    return '"' + name.replace('"', '""') + '"'


def columns_of(setting: str, text: str, header: Sequence[str]) -> tuple[int, ...]:
    """Return the positions in the header of the columns that an expression uses; raises as `compile_expression`."""
    _check_length(setting, text)
    return tuple(dict.fromkeys(_find(setting, column, header) for column in _parse(setting, text).find_all(exp.Column)))


def _check_length(setting: str, text: str) -> None:
    if len(text) > _LONGEST:
        raise InputError(f"{setting} has {len(text):,} characters; an expression may have {_LONGEST:,}.")


def _too_deep(named: str) -> InputError:
    return InputError(f"{named} is nested too deep.")


def _written(named: str, tree: exp.Expr) -> str:
    try:
        return str(tree.sql(dialect="duckdb", comments=False))
    except RecursionError:
        raise _too_deep(named) from None


def _parse(named: str, text: str) -> exp.Expr:
    try:
        trees = sqlglot.parse(text, read="duckdb")
    except RecursionError:
        raise _too_deep(named) from None
    except sqlglot.errors.SqlglotError as error:
        reason = reason_of(str(error).splitlines()[0].split(". Line")[0], [text])
        raise InputError(f"{named} is no SQL expression: {reason}.") from None
    tree = trees[0] if len(trees) == 1 else None
    if tree is None:
        raise InputError(f'{named} must be one SQL expression, such as "quantity * unit_price".')
    for node in tree.walk():
        if isinstance(node, exp.DataType):
            if node.this.name.removesuffix("NTZ") not in _TYPES:
                raise InputError(f"{named} uses the type {node.this.name}; allowed are {', '.join(sorted(_TYPES))}.")
        elif type(node) not in _ALLOWED or "\x1f" in node.name:
            raise InputError(
                f"{named} uses {_what(node)}, which is not allowed: an expression may hold columns, literals, "
                "operators, CASE and functions of one row's values, such as round, coalesce, lower or trim."
            )
    _check_growth(named, tree)
    for cast in tree.find_all(exp.Cast):
        if not isinstance(cast, exp.TryCast):
            cast.replace(exp.TryCast(this=cast.this, to=cast.args["to"]))
    return tree if not isinstance(tree, exp.Cast) else exp.TryCast(this=tree.this, to=tree.args["to"])


def _check_growth(named: str, tree: exp.Expr) -> None:
    """Refuse texts that grow with each of several `replace`: ten times, six times over, fills any memory."""
    growth = 1.0
    for node in tree.find_all(exp.Replace):
        old, new = node.args.get("expression"), node.args.get("replacement")
        if not isinstance(old, exp.Literal) or not isinstance(new, exp.Literal):
            raise InputError(f"{named}: replace must be given two texts in quotes, such as replace(price, ',', '.').")
        growth *= max(1.0, len(new.name) / max(1, len(old.name)))
    if growth > _GROWTH:
        raise InputError(f"{named}: its replace lengthen a text up to {growth:,.0f} times; {_GROWTH} is the most.")


def _what(node: exp.Expr) -> str:
    """Name what stands in an expression, by a word of SQL's own."""
    if isinstance(node, exp.Anonymous):
        with duckdb.connect() as connection:
            rows = connection.execute("SELECT function_name FROM duckdb_functions()").fetchall()
        name = node.name.lower()
        return f"the function {name}" if (name,) in rows else f"a function that is not known ({describe(name)})"
    return f"the function {node.sql_name().lower()}" if isinstance(node, exp.Func) else type(node).__name__.upper()


def _find(named: str, column: exp.Column, header: Sequence[str]) -> int:
    name = column.name
    if column.table:
        raise InputError(f"{named} names a column with a point; write its name in double quotes.")
    if name in header:
        return list(header).index(name)
    alike = [k for k, other in enumerate(header) if other and normalise_name(other) == normalise_name(name)]
    if len(alike) == 1:
        return alike[0]
    plain = {normalise_name(other): other for other in header if other}
    close = get_close_matches(normalise_name(name), list(plain), n=1, cutoff=0.5)
    raise InputError(
        f"{named}: the file has {'several columns' if alike else 'no column'} of a name in it ({describe(name)})."
        + (f" Nearest: {plain[close[0]]!r}." if close and not alike else "")
        + f" Its columns: {', '.join(other for other in header if other)}."
    )


def _is_numeric(column: exp.Column, *, is_number: bool) -> bool:
    """Return whether a column stands where a number must be."""
    node: exp.Expr = column
    while (parent := node.parent) is not None:
        if isinstance(parent, _NUMERIC):
            return True
        if isinstance(parent, _COMPARISONS):
            others = [each for each in parent.iter_expressions() if each is not node]
            return any(_holds_number(each) for each in others)
        if isinstance(parent, exp.If) and node is parent.this:
            return False
        if not isinstance(parent, _THROUGH):
            return False
        node = parent
    return is_number


def _holds_number(node: exp.Expr) -> bool:
    return isinstance(node.unnest(), _NUMERIC) or (isinstance(node, exp.Literal) and not node.is_string)


def _type_of(
    connection: duckdb.DuckDBPyConnection,
    named: str,
    sql: str,
    relation: str,
    kind: Kind,
    blame: Callable[[duckdb.Error], InputError],
) -> str:
    try:
        sql_type = str(connection.execute(f"DESCRIBE SELECT {sql} AS value FROM {relation}").fetchall()[0][1])
    except duckdb.Error as error:
        raise blame(error) from None
    is_time = sql_type == "DATE" or sql_type.startswith("TIMESTAMP")
    if kind == "condition" and sql_type != "BOOLEAN":
        raise InputError(f"{named} must be true or false for each row, such as \"status = 'paid'\"; it is {sql_type}.")
    if kind == "number" and not (sql_type == "VARCHAR" or sql_type.startswith("DECIMAL") or sql_type in _NUMBERS):
        raise InputError(f'{named} must be a number for each row, such as "quantity * unit_price"; it is {sql_type}.')
    if kind == "time" and not is_time and sql_type != "VARCHAR":
        raise InputError(f"{named} must be a time for each row, such as \"date || ' ' || time\"; it is {sql_type}.")
    if kind == "text" and sql_type != "VARCHAR":
        raise InputError(f'{named} must be a text for each row, such as "lower(email)"; it is {sql_type}.')
    return sql_type
