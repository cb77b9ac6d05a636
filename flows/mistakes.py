"""Mistakes in settings, told to who must mend them; of what was given only that is repeated which can be no secret."""

import re
from collections.abc import Iterable, Mapping
from typing import Any, get_args

from pydantic import ValidationError
from pydantic.fields import FieldInfo

from data.contracts import CONTRACTS
from data.secrecy.showing import describe, looks_like_address, nearest
from flows.formats import FileFormat

_CHOICE = re.compile(r"'([^']*)'")


def describe_mistakes(error: ValidationError, settings: Mapping[str, FieldInfo]) -> str:
    """Describe each mistake of pydantic's report in one line: the setting, what it must be, and what it is.

    Parameters
    ----------
    error
        What pydantic raised.
    settings
        All settings by their names.
    """
    lines = []
    for mistake in error.errors(include_url=False):
        if mistake["type"] == "extra_forbidden":
            lines.append(_unknown(mistake["loc"], settings))
            continue
        name = _name_of(mistake["loc"], settings) or "settings"
        must = mistake["msg"].removeprefix("Value error, ").replace("Input should", "must")
        given = mistake["input"]
        near = nearest(given, _CHOICE.findall(must)) if mistake["type"] == "literal_error" else ""
        lines.append(f"setting '{name}' {must}, got {describe(given)}{f'.{near}' if near else ''}")
    return "\n".join(lines)


def check_no_address(value: Any) -> None:
    """Refuse a text that looks like an address, in a setting that is shown and kept as it is.

    Raises
    ------
    ValueError
        In the words of pydantic's report.
    """
    if isinstance(value, Mapping):
        for each in (*value, *value.values()):
            check_no_address(each)
    elif isinstance(value, list | tuple):
        for each in value:
            check_no_address(each)
    elif isinstance(value, str) and looks_like_address(value):
        raise ValueError(
            "must hold no address such as NAME@HOST or a URL with : @ ? # in it, for it is shown and kept as it is"
        )


def _unknown(place: tuple[int | str, ...], settings: Mapping[str, FieldInfo]) -> str:
    *section, last = place
    where = _name_of(tuple(section), settings)
    names = _names_in(section, settings)
    what = f"setting '{where}' has a name in it" if where else "a setting"
    return (
        f"{what} that is not known ({describe(last)}).{nearest(last, names)} See `revealed settings` for those that are"
    )


def _names_in(section: list[int | str], settings: Mapping[str, FieldInfo]) -> Iterable[str]:
    return FileFormat.model_fields if section and section[0] in ("formats", "files") else settings


def _name_of(place: tuple[int | str, ...], settings: Mapping[str, FieldInfo]) -> str:
    """Name a place in the settings; of names that the user chose only their kind is told."""
    known = {*settings, *CONTRACTS, *FileFormat.model_fields, *_keys(settings)}
    parts = [part for part in place if part != "[key]"]
    return ".".join(str(part) if isinstance(part, int) or part in known else f"({describe(part)})" for part in parts)


def _keys(settings: Mapping[str, FieldInfo]) -> set[str]:
    """Give the names that sections of the settings may hold."""
    kinds = [get_args(field.annotation) for field in settings.values()]
    return {name for kind in kinds if kind for name in get_args(kind[0]) if isinstance(name, str)}
