"""Passwords in a settings file that git tracks."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from data.secrecy.location import Location
from flows.settings_file import nearest_settings_file, read_settings_file
from flows.steps.findings.finding import Finding

_SECRET = re.compile("pass|pwd|secret|token|sig|key|credential", re.IGNORECASE)
_SECONDS = 10


def find_tracked_passwords() -> Iterator[Finding]:
    """Find passwords in the nearest settings file, where git tracks it; nothing where there is no git."""
    file = nearest_settings_file()
    if file is None:
        return
    names = [name for name, value in read_settings_file().items() if _holds_password(value)]
    if names and _is_tracked(file):
        example = f"REVEALED_{names[0].upper()}"
        yield Finding(
            f"{file.name} holds a password ({', '.join(names)}), and git tracks the file: whoever has the repository "
            f"has the password. Take the setting from the environment ({example}), or keep the file out of git "
            f"(`git rm --cached {file.name}`, and a line {file.name} in .gitignore); and change the password, for the "
            "history keeps the old one."
        )


def _holds_password(value: Any) -> bool:
    """Whether a setting is an address with a password, or with a query that signs it."""
    if isinstance(value, Location):
        value = value.get_secret_value()
    if isinstance(value, (list, dict)):
        return any(map(_holds_password, value.values() if isinstance(value, dict) else value))
    if not isinstance(value, str) or "://" not in value:
        return False
    try:
        parts = urlsplit(value)
    except ValueError:
        return False
    return bool(parts.password) or any(_SECRET.search(name) for name, _ in parse_qsl(parts.query))


def _is_tracked(file: Path) -> bool:
    try:
        found = subprocess.run(  # noqa: S603 - no part of the command is the user's but a file's name
            ["git", "ls-files", "--error-unmatch", file.name],  # noqa: S607 - the git that the user has
            cwd=file.parent,
            capture_output=True,
            timeout=_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return found.returncode == 0
