"""Mistakes in how a command is written, told without what was written: it may be a password in a wrong place."""

import re
from collections.abc import Iterable
from typing import Any

from typer.exceptions import TyperException

from data.secrecy.showing import describe, nearest

_QUOTED = re.compile("'([^']*)'")


def describe_usage(error: TyperException) -> str | None:
    """Say what is wrong with a command line; None where the command's help is all there is to say.

    Parameters
    ----------
    error
        What Typer raised. Its own words repeat what was written.
    """
    context: Any = getattr(error, "ctx", None)
    told = _told(error, context)
    if told is None or context is None:
        return told
    return f"{told} See `{context.command_path} --help`."


def _told(error: Any, context: Any) -> str | None:
    kind = type(error).__name__
    if kind == "NoArgsIsHelpError":
        return None
    if kind == "MissingParameter":
        return f"{_names_of(error.param)} is missing."
    if kind == "NoSuchOption":
        written = str(error.option_name)
        return f"there is no option as it was given ({describe(written)}).{nearest(written, _options(context))}"
    if kind == "BadOptionUsage":
        # It is an option that there is.
        return f"{error.option_name} is given without its value, or with one that it does not take."
    if getattr(error, "param", None) is not None:
        return f"{_names_of(error.param)} must be {_wanted(str(error.message))}."
    commands = getattr(getattr(context, "command", None), "commands", None)
    if commands:
        written = "".join(_QUOTED.findall(str(error.message))[:1])
        return f"there is no command as it was given.{nearest(written, commands)} There are: {', '.join(commands)}."
    return "the command is given more than it takes, or something that it does not take."


def _options(context: Any) -> Iterable[str]:
    return [name for each in getattr(getattr(context, "command", None), "params", ()) for name in each.opts]


def _names_of(parameter: Any) -> str:
    return "/".join(parameter.opts) if parameter.param_type_name == "option" else str(parameter.name).upper()


def _wanted(message: str) -> str:
    """Say what a value must be: in pydantic's words, which repeat no value; only those of dates do."""
    if message.startswith("Input should be "):
        return message.removeprefix("Input should be ").partition(",")[0]
    return "a date such as 2026-07-01" if "match the format" in message else "as its help says"
