"""The list of all settings, for people who write a ``revealed.toml``."""

from typing import TYPE_CHECKING

from rich.console import Console

from flows.command.console import console

if TYPE_CHECKING:
    import pandas as pd
    from pydantic.fields import FieldInfo


def settings() -> None:
    """List every setting with its default and its meaning. All of them can stand in revealed.toml."""
    show_settings(console())


def list_settings() -> "pd.DataFrame":
    """Return one row per setting: its name, its default and what it means; TABLE stands for one of the four."""
    # Every command imports this module.
    import pandas as pd

    from flows.formats import Format
    from flows.settings import Settings

    rows = []
    for name, field in Settings.model_fields.items():
        rows.append((name, _default(field), field.description))
        if name == "formats":
            rows += [
                (f"formats.TABLE.{key}", _default(one), one.description) for key, one in Format.model_fields.items()
            ]
    return pd.DataFrame(rows, columns=["setting", "default", "meaning"])


def show_settings(console: Console) -> None:
    """Show all settings and where they can be set."""
    from flows.reports.sections import Section, show

    where = (
        "Each can stand in revealed.toml (margin = 0.3), in the environment (REVEALED_MARGIN=0.3) or in a command "
        "(--set margin=0.3); a command comes before the environment, and that before the file.",
    )
    show([Section("Settings", where, list_settings())], console)


def _default(field: "FieldInfo") -> str:
    value = field.get_default(call_default_factory=True)
    if isinstance(value, dict) and len(set(map(str, value.values()))) == 1:
        return f"{next(iter(value.values()))} each"
    return "–" if value in (None, [], {}) else str(value).lower() if isinstance(value, bool) else str(value)
