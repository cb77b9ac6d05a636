"""The figures of a run that its page is written from: one JSON file, so that no data are needed to write it again."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from models.registry.store import Store
    from models.registry.tracking import Run

Figures = dict[str, Any]

FILE = "report/figures.json"
PAGE = "report/report.html"
# Of the JSON file: a page is not written from figures of another format.
FORMAT = 2
# Dates that a trend shows.
LONGEST_HISTORY = 24


def log_figures(run: "Run", figures: Figures) -> None:
    """Keep the figures with the run that made them."""
    # On one line: indented, the grids of many groups would take three times as much.
    run.log_text(json.dumps(figures, ensure_ascii=False), FILE)


def read_figures(store: "Store", run_id: str | None) -> Figures | None:
    """Read the figures of a run; None if it kept none, or another release of Revealed wrote them."""
    # The app reads figures without MLflow.
    from models.registry.tracking import read_json

    figures: Figures | None = None if run_id is None else read_json(store, run_id, FILE)
    return figures if figures is not None and figures.get("format") == FORMAT else None


def add_to_history(before: Figures | None, figures: Figures) -> list[Figures]:
    """Put the base of these figures behind those of earlier dates, as far as they can be compared.

    Parameters
    ----------
    before : dict or None
        Figures of the run before, of the same kind.
    figures : dict
        With ``as_of``, ``base``, ``nps`` and what must be equal: ``currency`` and the horizons.
    """
    nps = figures.get("nps") or {}
    point = {"as_of": figures["as_of"], **figures["base"], **{f"nps{end}": nps.get(name) for end, name in _NPS.items()}}
    kept = []
    if before is not None and all(before.get(name) == figures.get(name) for name in _COMPARABLE):
        kept = [each for each in before.get("history", []) if each["as_of"] < figures["as_of"]]
    return [*kept, point][-LONGEST_HISTORY:]


_NPS = {"": "nps", "_low": "wide_low", "_high": "wide_high"}
_COMPARABLE = ("currency", "horizon", "churn_horizon", "clv_horizon", "question")


def records(frame: pd.DataFrame) -> list[Figures]:
    """Give the rows of a frame as JSON can hold them."""
    return [{str(name): plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def plain(value: Any) -> Any:
    """Give a value as JSON can hold it: no NaN, no date, nothing of NumPy."""
    if isinstance(value, Mapping):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, np.ndarray | Sequence) and not isinstance(value, str | bytes):
        return [plain(each) for each in value]
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, date):
        return value.isoformat()[:10]
    return None if value is pd.NaT or value is pd.NA else value
