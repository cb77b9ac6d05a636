"""Columns of yes and no that say whether a row counts, and lines of totals."""

from collections.abc import Iterator, Sequence

import duckdb

from data.intake.proposals.profiles import Profile
from data.intake.proposals.vocabulary import TOTALS
from data.intake.raw import RawFile
from data.intake.reading.expressions import in_expression
from data.intake.reading.matching import normalise_name
from data.intake.sql import quote

_YES = {"yes", "y", "true", "t", "1", "ja", "да", "истина", "是", "oui", "si", "sí"}
_NO = {"no", "n", "false", "f", "0", "nein", "нет", "ложь", "否", "non"}
_GOOD = {
    *(
        "paid",
        "ispaid",
        "posted",
        "captured",
        "livemode",
        "live",
        "completed",
        "bezahlt",
        "gebucht",
        "проведен",
        "проведён",
    ),
    *("оплачен", "оплачено", "已付款", "已支付", "valid", "isvalid"),
}
_BAD = {
    *(
        "test",
        "istest",
        "testorder",
        "testbestellung",
        "cancelled",
        "canceled",
        "iscancelled",
        "iscanceled",
        "deleted",
        "isdeleted",
    ),
    *(
        "void",
        "voided",
        "isvoid",
        "fraud",
        "storniert",
        "storno",
        "gelöscht",
        "отменен",
        "отменён",
        "отменено",
        "тест",
        "тестовый",
    ),
    *("пометкаудаления", "удален", "удалён", "已取消", "取消", "测试", "是否测试"),
}


def rows_by_flags(profiles: Sequence[Profile]) -> Iterator[tuple[str, str]]:
    """Give conditions on rows, each with its reason, for columns of yes and no that say whether a row counts."""
    for profile in profiles:
        values = {value.casefold(): value for value in profile.values}
        plain, column = normalise_name(profile.name), in_expression(profile.name)
        counts = {value.casefold(): rows for value, rows in profile.values.items()}
        if not values or not set(values) <= _YES | _NO or plain not in _GOOD | _BAD:
            continue
        yes, no = (next((values[each] for each in values if each in words), None) for words in (_YES, _NO))
        if plain in _GOOD and no is not None and yes is not None:
            reason = f"{profile.name} says {no} for {counts[no.casefold()]:,} rows, which are no sales"
            yield _is(profile, column, yes), reason
        elif plain in _BAD and yes is not None and (no is not None or profile.filled < profile.rows):
            reason = f"{profile.name} says {yes} for {counts[yes.casefold()]:,} rows, which are no sales"
            yield f"not coalesce({_is(profile, column, yes)}, false)", reason


def _is(profile: Profile, column: str, value: str) -> str:
    if profile.sql_type == "BOOLEAN":
        return column if value.casefold() in _YES else f"not {column}"
    quoted = "'" + value.replace("'", "''") + "'"
    return f"{column} = {quoted if profile.sql_type == 'VARCHAR' else value}"


def rows_without_totals(
    connection: duckdb.DuckDBPyConnection, raw: RawFile, profiles: Sequence[Profile], time: Profile
) -> tuple[str, str] | None:
    """Give a condition that leaves out lines of totals, with its reason; None where there are none."""
    # A line of totals has no time; or the word stands in its place.
    odd = f"shape = 0 AND ({time.text} IS NULL OR regexp_full_match({time.text}, '\\D+'))"
    rows = f"(SELECT * FROM {raw.relation} WHERE {odd} LIMIT 10000)"
    if time.sql_type != "VARCHAR":
        rows = f"(SELECT * FROM {raw.relation} WHERE shape = 0 AND {time.column} IS NULL LIMIT 10000)"
    if connection.execute(f"SELECT 1 FROM {rows} LIMIT 1").fetchone() is None:
        return None
    for profile in profiles:
        if profile.sql_type != "VARCHAR" or profile.kind == "number":
            continue
        found = connection.execute(
            f"SELECT DISTINCT {profile.text} FROM {rows} "
            f"WHERE regexp_full_match(trim({profile.text}, ' :.-'), {quote(TOTALS)}) LIMIT 20"
        ).fetchall()
        totals = sorted(str(row[0]) for row in found)
        if totals:
            listed = ", ".join("'" + each.replace("'", "''") + "'" for each in totals)
            return (
                f"coalesce({in_expression(profile.name)}, '') not in ({listed})",
                f"{totals[0]!r} begins a line of totals",
            )
    return None
