"""What is proposed for a file: lines of `revealed.toml`, each with its reason, and questions that it leaves open."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from data.intake.proposals.profiles import Profile
from data.intake.sources import File

Value = str | int | float | list[str]


@dataclass(frozen=True)
class Line:
    """One line of `revealed.toml`.

    Parameters
    ----------
    section, key, value
        The section (empty for what stands before all sections), the setting and its value.
    reason
        What tells it, in one sentence without a full stop.
    others
        Whole lines that could take its place, as comments -> what they mean.
    """

    section: str
    key: str
    value: Value
    reason: str
    others: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Choice:
    """One answer to a question: what it means, and the lines it gives."""

    meaning: str
    lines: tuple[Line, ...] = ()


@dataclass(frozen=True)
class Question:
    """What a file does not tell for certain.

    Parameters
    ----------
    what
        The question, with what was found.
    choices
        The answers, the likeliest first.
    decided
        Whether the first answer may be taken where nobody can be asked; it is then said that it was.
    """

    what: str
    choices: tuple[Choice, ...]
    decided: bool = True


@dataclass(frozen=True)
class Proposal:
    """What is proposed for one file.

    Parameters
    ----------
    file
        The file.
    table
        The table it seems to be; empty where it is none.
    reason
        What tells the table.
    lines, questions
        What to write, and what is open.
    notes
        What else is said of it, in sentences.
    relation, customers
        Where its rows are in the database, and the columns that may name the customer, the likeliest first.
    header
        Names of its columns.
    written
        The settings time_format and decimal as its cells tell them, where they do.
    days
        The first and the last day of its times.
    sheet, sheets
        The sheet that this is of a workbook, and all of its sheets that hold anything.
    section
        The section of its own that its lines are in; empty where they are those of its table.
    apart
        Why a further file of customers is not joined to the first one; empty where it can be.
    """

    file: File
    table: str
    reason: str
    lines: tuple[Line, ...] = ()
    questions: tuple[Question, ...] = ()
    notes: tuple[str, ...] = ()
    relation: str = ""
    customers: tuple[Profile, ...] = ()
    header: tuple[str, ...] = ()
    written: Mapping[str, str] = field(default_factory=dict)
    days: tuple[date, date] | None = None
    sheet: str | None = None
    sheets: tuple[str, ...] = ()
    section: str = ""
    apart: str = ""

    @property
    def several(self) -> bool:
        """Whether it is one of several sheets of a workbook."""
        return len(self.sheets) > 1
