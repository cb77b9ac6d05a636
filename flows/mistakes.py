"""Mistakes in settings, told to who must mend them."""

from typing import Any

from pydantic import ValidationError


def describe_mistakes(error: ValidationError) -> str:
    """Describe each mistake of pydantic's report in one line: the setting, what it must be, and its value."""
    lines = []
    for mistake in error.errors(include_url=False):
        name = ".".join(str(part) for part in mistake["loc"]) or "settings"
        if mistake["type"] == "extra_forbidden":
            lines.append(f"setting '{name}' is not known; see `revealed settings` for those that are")
        else:
            must = mistake["msg"].removeprefix("Value error, ").replace("Input should", "must")
            lines.append(f"setting '{name}' {must}, got {_shown(mistake['input'])}")
    return "\n".join(lines)


def _shown(value: Any) -> str:
    """Write a wrong value, but not one that may hold a password."""
    text = repr(value)
    return "a value with a URL or an address, which is not shown" if "://" in text or "@" in text else text
