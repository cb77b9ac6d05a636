"""The kinds of what a store keeps, in the words of people and of the setting `retention_days`."""

from typing import Literal

Kind = Literal["scores", "quarantine", "reports", "lists", "samples", "kept_rows", "runs"]
KINDS: dict[Kind, str] = {
    "scores": "scores",
    "quarantine": "rows set aside",
    "reports": "reports",
    "lists": "action lists",
    "samples": "lists of whom to ask",
    "kept_rows": "kept rows of unchanged files",
    "runs": "other files of runs",
}


def kind_of(path: str) -> Kind:
    """Say of what kind a file of a run is, by its path."""
    folder, _, name = path.rpartition("/")
    if folder.startswith("scores"):
        return "scores"
    if folder == "quarantine":
        return "quarantine"
    if folder == "report" or name == "report.md":
        return "reports"
    if name.startswith("action_lists."):
        return "lists"
    return "samples" if folder == "sample" else "runs"
