"""Lines of returns that tills write without a sign: a column says which lines are sales, and which are returns."""

import re
from collections.abc import Mapping, Sequence

import duckdb

from data.intake.proposals.profiles import Profile
from data.intake.proposals.proposal import Line
from data.intake.proposals.roles import Role
from data.intake.raw import RawFile
from data.intake.reading.expressions import in_expression
from data.intake.sql import only_row, quote

_RETURN = re.compile(
    r"(sales? )?(returns?|refunds?|credit note)|gutschrift|retoure|retour|rückgabe|rückerstattung|возврат( .*)?"
    r"|退货|退款",
    re.IGNORECASE,
)
_SALE = re.compile(
    r"sales?|sold|purchase|order|invoice|verkauf|rechnung|kauf|продажа|приход|чек|реализация|销售|销售单|购买|出售",
    re.IGNORECASE,
)


def as_returns(
    connection: duckdb.DuckDBPyConnection,
    raw: RawFile,
    profiles: Sequence[Profile],
    roles: Mapping[str, Role],
    lines: list[Line],
) -> list[Line]:
    """Let the amounts of returns count as negative, where a column tells them apart from sales and no sign does.

    Parameters
    ----------
    connection, raw, profiles, roles
        The working database, the file, its columns, and the roles that they play.
    lines
        What is proposed so far; the line of the amount is replaced.
    """
    given = next((line for line in lines if line.key == "amount"), None)
    if given is None and "amount" not in roles:
        return lines
    if given is None or given.section.startswith("columns."):
        amount = in_expression(str(given.value) if given else roles["amount"].column.name)
    else:
        amount = str(given.value)
    for profile in profiles:
        values = [str(value) for value in profile.values]
        returns = [value for value in values if _RETURN.fullmatch(value.strip())]
        if not returns or not any(_SALE.fullmatch(value.strip()) for value in values):
            continue
        if profile.sql_type != "VARCHAR" or _have_signs(connection, raw, profile, returns, profiles):
            continue
        listed = ", ".join(quote(value) for value in returns)
        text = f"case when {in_expression(profile.name)} in ({listed}) then -({amount}) else {amount} end"
        count = sum(profile.values[value] for value in returns)
        reason = f"{profile.name!r} says {returns[0]} of {count:,} rows, whose amounts have no sign"
        reason = f"{given.reason}; {reason}" if given else reason
        others = [line for line in lines if line is not given]
        return [*others, Line("formats.transactions", "amount", text, reason)]
    return lines


def _have_signs(
    connection: duckdb.DuckDBPyConnection,
    raw: RawFile,
    profile: Profile,
    returns: Sequence[str],
    profiles: Sequence[Profile],
) -> bool:
    """Tell whether any number in the lines of returns is written as a negative one."""
    numbers = [each for each in profiles if each.kind == "number" and each is not profile]
    negative = " OR ".join(
        f"regexp_matches(trim(CAST({each.text} AS VARCHAR)), '^[-−(]\\D*\\d|\\d\\s*[-−]$')" for each in numbers
    )
    listed = ", ".join(quote(value) for value in returns)
    condition = f"shape = 0 AND {profile.text} IN ({listed}) AND ({negative or 'false'})"
    return int(only_row(connection, f"SELECT count(*) FROM {raw.relation} WHERE {condition}")[0]) > 0
