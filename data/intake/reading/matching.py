"""Which column of a file is which column of a contract: names match as people write them."""

import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from difflib import SequenceMatcher, get_close_matches

from data.contracts import CONTRACTS, LONGEST_NAME, MOST_COLUMNS, Column, Contract
from data.errors import InputError
from data.intake.reading.pasting import paste
from data.secrecy.showing import describe

Contents = Callable[[], Sequence[str]]
"""Gives what each column of a file holds, in the header's order: "time", "number", "text", or "" where it is empty."""

# Words and numbers, and between them the signs that headers have; a colon before a blank alone.
_NAME = re.compile(r"(?=.{1,60}$)[^\W_]?([\w .,()\[\]%#№°&'\"*+?€£¥-]|: |(?<=\w)/(?=\w))*")
_NEAR_MISS = 0.7
_OTHER_NAMES: Mapping[str, tuple[str, ...]] = {
    "customer_id": (
        *("client", "customer", "user", "buyer", "member", "account", "email", "kunde", "cliente"),
        *("клиент", "контрагент", "покупатель", "заказчик", "客户", "会员"),
    ),
    "ts": ("date", "time", "created", "sold", "ordered", "paid", "datum", "fecha", "дата", "日期"),
    "answered_at": ("date", "time", "answered", "submitted", "completed", "datum", "fecha", "дата"),
    "amount": ("total", "revenue", "price", "sum", "value", "net", "gross", "betrag", "importe", "сумма", "金额"),
    "score": ("rating", "answer", "grade", "stars", "nps", "response", "bewertung", "оценка"),
    "kind": ("event", "type", "action", "name"),
}
"""Parts of names that other systems use: they only help to propose a column, no file is read by them."""

_MARKS = {"transactions": "amount", "answers": "score", "events": "kind"}  # each in one table only
_GROSS = ("gross", "brutto", "tax", "shipping", "fee", "discount")


def normalise_name(name: str) -> str:
    """Write a name without what people write differently: case, blanks, `_` and `-`."""
    return re.sub(r"[\s_\-\ufeff]+", "", unicodedata.normalize("NFKC", name).casefold())


def check_mapping(contract: Contract, mapping: Mapping[str, str]) -> None:
    """Raise InputError where a mapping names a column that the contract does not have."""
    if contract.keeps_attributes:
        return
    for name in mapping:
        if name not in contract.names:
            close = _nearest_name(name, contract.names)
            raise InputError(
                f"columns.{contract.table} has a name that no column of {contract.table} has ({describe(name)}). "
                f"It has: {', '.join(contract.names)}." + (f" Nearest: {close!r}." if close else "")
            )


def match_columns(
    contract: Contract,
    header: Sequence[str],
    mapping: Mapping[str, str],
    file: str,
    *,
    computed: Sequence[str] = (),
    contents: Contents | None = None,
) -> dict[str, int]:
    """Find the columns of a contract in the header of a file.

    A mapped name must stand in the header as it is. A name of ours matches without regard to case, blanks, `_`
    and `-`; a column with exactly this name comes first.

    Parameters
    ----------
    contract
        The table's contract.
    header
        Names of the file's columns, in its order.
    mapping
        Contract name -> name in the file, for those that differ.
    file
        What to call the file in a message.
    computed
        Contract names that an expression computes: they are not looked for.
    contents
        What the columns hold, to propose a column for one that is missing; it is asked only then.

    Returns
    -------
    dict
        Name in the clean table -> position in the header. Attributes of customers come last, in the
        header's order.

    Raises
    ------
    InputError
        A required or a mapped column is missing, the header names it twice, or two columns match the same name; there
        are too many columns, or one has too long a name.
    """
    check_header(header, file)
    names = [name for name in contract.names if name not in computed]
    names += [name for name in mapping if name not in contract.names]
    matched: dict[str, str] = {}
    missing = []
    for name in names:
        source = mapping.get(name) or _own_name(name, header, set(mapping.values()), file)
        if source in header:
            matched[name] = source
        elif name in contract.required or name in mapping:
            missing.append(name)
    if missing:
        raise InputError(_missing_message(contract, header, mapping, missing, matched, file, contents))
    if contract.keeps_attributes:
        used = set(matched.values())
        ours = {normalise_name(name) for name in contract.names}
        matched |= {name: name for name in header if name and name not in used and normalise_name(name) not in ours}
        _check_attribute_names(matched, file)
    for source in matched.values():
        if header.count(source) > 1:
            raise InputError(f"{file} has {header.count(source)} columns named {source!r}; name each once.")
    return {name: header.index(source) for name, source in matched.items()}


def check_width(columns: int, file: str) -> None:
    """Raise InputError where a file has too many columns."""
    if columns > MOST_COLUMNS:
        raise InputError(
            f"{file} has {columns:,} columns, and at most {MOST_COLUMNS:,} are read. Give a file with those that "
            "matter; if they are days or products, write one row for each instead."
        )


def check_header(header: Sequence[str], file: str) -> None:
    """Raise InputError where a file has too many columns, or one with too long a name."""
    check_width(len(header), file)
    for place, name in enumerate(header, start=1):
        if len(name) > LONGEST_NAME:
            raise InputError(
                f"{file}: the name of column {place} has {len(name):,} characters, and may have {LONGEST_NAME:,}. "
                "Shorten it; if it is no name, a quote in the first line may never be closed."
            )


def find_near_misses(contract: Contract, header: Sequence[str], matched: Mapping[str, int]) -> dict[str, str]:
    """Find columns that are not read and are named nearly like an optional column that was not found.

    Returns
    -------
    dict
        Contract name -> name in the file.
    """
    unread = {normalise_name(name): name for k, name in enumerate(header) if name and k not in matched.values()}
    near = {}
    for name in contract.names:
        if name not in matched:
            close = get_close_matches(normalise_name(name), list(unread), n=1, cutoff=_NEAR_MISS)
            if close:
                near[name] = unread[close[0]]
    return near


def _own_name(name: str, header: Sequence[str], mapped: set[str], file: str) -> str:
    if name in header:
        return name
    alike = [other for other in header if normalise_name(other) == normalise_name(name) and other not in mapped]
    different = list(dict.fromkeys(alike))
    if len(different) > 1:
        named = " and ".join(map(repr, different))
        raise InputError(f"{file} has columns {named}, and both could be {name}; rename one, or map the right one.")
    return alike[0] if alike else name


def _check_attribute_names(matched: Mapping[str, str], file: str) -> None:
    by_lower_case: dict[str, str] = {}
    for name in matched:
        other = by_lower_case.setdefault(name.lower(), name)
        if other != name:
            raise InputError(f"{file} has columns {other!r} and {name!r}, which differ only in case; rename one.")


def _missing_message(
    contract: Contract,
    header: Sequence[str],
    mapping: Mapping[str, str],
    missing: Sequence[str],
    matched: Mapping[str, str],
    file: str,
    contents: Contents | None,
) -> str:
    # Of a name in the settings that is in no file nobody knows what it is.
    sources = [
        f"of the name in columns.{contract.table}.{name} ({describe(mapping[name])})" if name in mapping else repr(name)
        for name in missing
    ]
    # The first line of a file that is no table, such as one of passwords, is no header: it is not repeated.
    named = [name for name in header if name]
    if named and not matched and (len(named) < len(missing) or not any(map(_is_name, named))):
        return (
            f"{contract.table}: {file} has no column {' and '.join(sources)}, and its first line does not look like "
            "the names of such columns: it is not shown. Is this the file that is meant, with a comma, a "
            "semicolon, a tab or a bar between its cells?"
        )
    shown = [name if _is_name(name) else "" for name in header]
    hidden = sum(not _is_name(name) for name in named)
    columns = ", ".join(name for name in named if _is_name(name)) or "none"
    columns += f", and {hidden} whose names are not shown, as they look like none" if hidden else ""
    told = f"{contract.table}: {file} has no column {' and '.join(sources)}. Its columns: {columns}."
    is_meant = _MARKS.get(contract.table) not in missing or _MARKS[contract.table] in mapping
    other = None if is_meant else _other_table(contract.table, shown)
    if other is not None:
        why = f"It looks like {other[0]}, by {' and '.join(map(repr, other[1]))}: give it as {other[0]}, and another"
        return (
            f"{told} {why} file as {contract.table}. If it is meant so, name its columns in [columns.{contract.table}]."
        )
    proposals = _propose(contract, shown, mapping, missing, matched, contents)
    lines = {name: proposals.get(name, "its name in your file") for name in missing}
    return (
        told
        + "".join(f" Nearest to {name!r}: {proposals[name]!r}." for name in missing if name in proposals)
        + f" {paste(f'columns.{contract.table}', lines)}"
    )


def _other_table(table: str, header: Sequence[str]) -> tuple[str, list[str]] | None:
    """Find another table that has all of its columns in the header, but nothing that could be what marks this one."""
    for other in ("transactions", "answers", "events"):
        # The mark first: of columns that could be several things it is the one that counts.
        found: dict[str, str] = {}
        for name in sorted(CONTRACTS[other].required, key=lambda each: each != _MARKS[other]):
            free = [each for each in header if each and each not in found.values() and _may_be(name, each)]
            if free:
                found[name] = min(free, key=lambda each: normalise_name(each) != normalise_name(name))
        rest = [each for each in header if each not in found.values() and _may_be(_MARKS[table], each)]
        if other != table and len(found) == len(CONTRACTS[other].required) and not rest:
            return other, [each for name, each in found.items() if name != "customer_id"]
    return None


def _may_be(name: str, other: str) -> bool:
    """Whether a name is one that people give to a column; a mere name or type is no kind of event."""
    usual = ("event",) if name == "kind" else _OTHER_NAMES.get(name, ())
    return any(part in normalise_name(other) for part in (normalise_name(name), *usual))


def _is_name(text: str) -> bool:
    """Whether a text may be the name of a column, and hardly a line of a file that is no table."""
    return _NAME.fullmatch(text) is not None


def _propose(
    contract: Contract,
    header: Sequence[str],
    mapping: Mapping[str, str],
    missing: Sequence[str],
    matched: Mapping[str, str],
    contents: Contents | None,
) -> dict[str, str]:
    """Propose a different column for each missing one: its name is near, and it holds what the missing one must."""
    held = contents() if contents is not None else ["?"] * len(header)
    # A column with a name of the contract is that column, not the missing one under a wrong name.
    ours = {normalise_name(name) for name in contract.names}
    free = {
        name: held[k]
        for k, name in enumerate(header)
        if name and normalise_name(name) not in ours and name not in matched.values()
    }
    kinds: dict[str, Column] = {column.name: column for column in contract.columns}
    scored = [
        (score, -header.index(other), name, other)
        for name in missing
        for other, holds in free.items()
        if (score := _likeness(name, mapping.get(name, name), kinds.get(name), other, holds))
    ]
    proposals: dict[str, str] = {}
    for _, _, name, other in sorted(scored, reverse=True):
        if name not in proposals and other not in proposals.values():
            proposals[name] = other
    return proposals


def _likeness(name: str, source: str, column: Column | None, other: str, holds: str) -> float:
    """Score how well a column may be the missing one: 0 where it cannot be."""
    plain, wanted = normalise_name(other), normalise_name(source)
    closeness = SequenceMatcher(None, wanted, plain).ratio()
    # Of several amounts the net one is what was earned.
    closeness -= 0.2 * any(part in plain for part in _GROSS)
    near = closeness if closeness >= 0.5 or (len(plain) > 1 and plain in wanted) else 0.0
    usual = 0.7 if any(part in plain for part in _OTHER_NAMES.get(name, ())) else 0.0
    usual -= 0.1 * (usual > 0 and any(part in plain for part in _GROSS))
    if holds == "?" or column is None:
        return max(near, usual)
    fits = {"time": holds == "time", "number": holds == "number", "score": holds == "number"}.get(
        column.kind, holds != "time"
    )
    if not fits:
        # Numbers may be days of a spreadsheet or seconds since 1970, where the name says that they are times; a column
        # that holds times comes first.
        return usual / 7 if column.kind == "time" and holds == "number" else 0.0
    return max(near, usual) + (0.2 if column.kind in ("time", "number", "score") else 0.05)


def _nearest_name(name: str, among: Sequence[str]) -> str | None:
    plain = {normalise_name(other): other for other in among if other}
    close = get_close_matches(normalise_name(name), list(plain), n=1, cutoff=0.5)
    return plain[close[0]] if close else None
