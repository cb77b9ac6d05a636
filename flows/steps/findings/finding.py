"""One thing that looks wrong, and how the columns of a file are written in the lines that mend it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from data.intake.reading.expressions import in_expression
from data.intake.reading.matching import normalise_name
from data.intake.reading.pasting import paste, toml_text
from data.intake.report import TableReport
from flows.settings import Settings, TableName


@dataclass(frozen=True)
class Finding:
    """One thing that looks wrong.

    Parameters
    ----------
    what
        What was found and what it would mean, in sentences.
    section, values
        A section of `revealed.toml`, and the setting and value in it that mend it; none where an action does.
    advice
        What `revealed init` does with these lines where nobody is asked: it takes them; it takes them and says that
        this is an assumption; or it leaves them to be offered.
    own_sections
        Sections of files that have settings of their own, in which these lines have to stand as well; None where that
        is not known yet.
    """

    what: str
    section: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    advice: Literal["take", "assume", "offer"] = "offer"
    own_sections: tuple[str, ...] | None = None

    @property
    def text(self) -> str:
        """The finding with the lines to paste."""
        if not self.values:
            return self.what
        own = ", ".join(f"[{section}]" for section in self.own_sections or ())
        there = f" A file with settings of its own needs these lines in its own section, too: {own}." if own else ""
        return f"{self.what}{there} {paste(self.section, self.values)}"


def join_lines(findings: Sequence[Finding]) -> str:
    """Write the lines of findings as one piece of TOML: conditions on rows are joined, else the first value counts."""
    sections: dict[str, dict[str, str]] = {}
    for finding in findings:
        section = sections.setdefault(finding.section, {})
        for key, value in finding.values.items():
            known = section.setdefault(key, value)
            if key == "rows" and known != value:
                section[key] = f"({known}) and ({value})"
    return "\n".join(paste(name, values).partition("\n")[2] for name, values in sorted(sections.items()) if values)


class Names:
    """How the columns of a table are called in the files, written as in an expression of the settings."""

    def __init__(self, table: TableName, report: TableReport, settings: Settings) -> None:
        own = settings.formats.get(table)
        self.table = table
        self.unread = report.unread
        self.identical_of_orders = report.identical_of_orders
        self.payment_ids = report.payment_ids
        self.theirs = report.columns
        ways = settings.files.get(table, {})
        self.own_sections = tuple(f"files.{table}.{toml_text(pattern)}" for pattern in ways)
        self._rows = {f"formats.{table}": own.rows if own else None}
        self._rows |= {section: way.rows for section, way in zip(self.own_sections, ways.values(), strict=True)}
        self.unit = own.unit if own else None
        self._computed = own.computed if own else {}

    def __getitem__(self, ours: str) -> str:
        if ours in self._computed:
            return f"({self._computed[ours]})"
        return in_expression(self.theirs.get(ours, ours))

    def sections_without(self, column: str) -> list[str]:
        """List the sections whose files count all rows, whatever this column says: that of all files comes first."""
        plain = normalise_name(column)
        return [section for section, rows in self._rows.items() if not rows or plain not in normalise_name(rows)]

    def leave_out(self, condition: str, section: str | None = None) -> dict[str, Any]:
        """Return the setting `rows` that keeps what meets a condition, beside the one that is set."""
        section = section or f"formats.{self.table}"
        before = self._rows[section]
        return {"section": section, "values": {"rows": f"({before}) and {condition}" if before else condition}}


def in_words(name: str, parts: tuple[str, ...]) -> bool:
    """Return whether a column's name holds one of some words."""
    return any(part in normalise_name(name) for part in parts)
