"""The measures of the field as a report, as JSON, and with their history in a run."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from features.measures.definition import Measure
from features.measures.panel import FEWEST_FOR_LEVEL
from features.measures.windows import EVERYONE_NAME
from flows.reports.page.readings import nps_reading
from flows.reports.sections import Section, number
from models.registry.tracking import Run

_COLUMNS = ("value", "95 % interval", "of", "before", "change")
_DIGITS = {"%": 1, "points": 1, "days": 1, "seconds": 0, "money": 2, "ratio": 3, "": 2}


def measures_sections(
    panel: pd.DataFrame, measures: Sequence[Measure], currency: str | None, *, brief: bool = False
) -> list[Section]:
    """Report the newest window beside the one before it: one table of everyone, or one table per measure by segment.

    Parameters
    ----------
    panel
        Two windows, as `features.measures.panel.measure` gives them.
    measures
        The measures, in the order of the report.
    currency
        Currency of amounts of money; None if it is not measured.
    brief
        Name the measures without a value, but not the reasons.
    """
    newest = panel[panel["window"] == 0]
    measured = newest[newest["value"].notna()]
    first = newest.iloc[0]
    span = (
        f"{first['start']} to {first['end']} (exclusive), beside the {(first['end'] - first['start']).days} days before"
    )
    sections = []
    if set(newest["group"]) == {EVERYONE_NAME}:
        rows = pd.DataFrame([_row(row, currency) for row in measured.to_dict("records")], columns=list(_COLUMNS))
        rows.insert(0, "measure", measured["title"].to_list())
        sections.append(Section(f"Measures of {span}", _reading(measured), rows if len(rows) else None))
        changes = _changes(measured, "measure", "title")
        if len(changes):
            sections.append(Section("Change of the survey since the window before", (), changes))
    else:
        sections.append(Section(f"Measures of {span}, by {_counted(measured['group'].nunique())}"))
        for each in measures:
            of_one = measured[measured["measure"] == each.name]
            if of_one.empty:
                continue
            rows = pd.DataFrame([_row(row, currency) for row in of_one.to_dict("records")], columns=list(_COLUMNS))
            rows.insert(0, "segment", of_one["group"].to_list())
            sections.append(Section(each.title, (each.definition + ".",), rows))
            changes = _changes(of_one, "segment", "group")
            if len(changes):
                sections.append(Section(f"{each.title}, change since the window before", (), changes))
    cautions = [
        f"{_joined(rows['title'])}{_of_whom(rows, measured)}: {why}."
        for why, rows in measured[measured["why"].notna()].groupby("why", sort=False)
    ]
    if cautions:
        sections.append(Section("Read with care", tuple(cautions)))
    absent = newest[newest["value"].isna()]
    whole = absent[~absent["measure"].isin(measured["measure"])]
    if len(whole) and brief:
        sections.append(Section("Not measured", (f"{_joined(whole['title'])}; `revealed measures` says why.",)))
    elif len(whole):
        whys = whole.groupby("why", sort=False)["title"].agg(_joined)
        sections.append(Section("Not measured", tuple(f"{titles}: {why}." for why, titles in whys.items())))
    return sections


def measures_json(panel: pd.DataFrame, measures: Sequence[Measure]) -> str:
    """Write the newest window, with the value before and the change, as JSON; a missing value is null, with why."""
    newest = panel[panel["window"] == 0]
    first = newest.iloc[0]
    columns = ["measure", "title", "unit", "group", "value", "low", "high", "n", "before", "n_before", "change"]
    columns += ["change_low", "change_high", "why"]
    definitions = {each.name: each.definition for each in measures}
    rows = [
        {name: _plain(value) for name, value in row.items()} | {"definition": definitions[row["measure"]]}
        for row in newest[columns].to_dict("records")
    ]
    window = {"from": first["start"].isoformat(), "to_exclusive": first["end"].isoformat()}
    return json.dumps({"window": window, "measures": rows}, ensure_ascii=False, allow_nan=False)


def log_measures(run: Run, history: pd.DataFrame, by_segment: pd.DataFrame) -> None:
    """Log the measures with the run.

    Each is a metric with a history: one value per window, at the time the window ends, with the days since 1970-01-01
    as its step, so that the values of all runs form one line.

    Parameters
    ----------
    run
        The run.
    history
        Measures of everyone, as `features.measures.panel.measure` gives them.
    by_segment
        Measures of segments, with the column ``segmentation``.
    """
    run.log_csv(history, "measures/history.csv")
    run.log_csv(by_segment, "measures/by_segment.csv")
    measured = history[history["value"].notna()].sort_values(["end", "measure"])
    run.log_history(
        (f"measures/{name}", value, end)
        for name, value, end in zip(measured["measure"], measured["value"], measured["end"], strict=True)
    )


def _joined(titles: pd.Series) -> str:
    return ", ".join(dict.fromkeys(titles))


def _of_whom(rows: pd.DataFrame, measured: pd.DataFrame) -> str:
    """Name the segments that a caution holds for, unless it holds for all segments with these measures."""
    same_measures = measured[measured["measure"].isin(rows["measure"])]
    return "" if len(rows) == len(same_measures) else f" of {_joined(rows['group'])}"


def _counted(segments: int) -> str:
    return "one segment" if segments == 1 else f"{segments:,} segments"


def _row(row: Mapping[Any, Any], currency: str | None) -> tuple[str, ...]:
    def written(value: float) -> str:
        return _written(value, row["unit"], currency)

    interval = "–" if np.isnan(row["low"]) else f"{written(row['low'])} to {written(row['high'])}"
    change = "–" if np.isnan(row["change"]) else _signed(row["change"], row["unit"])
    return written(row["value"]), interval, f"{row['n']:,}", written(row["before"]), change


def _changes(measured: pd.DataFrame, name: str, shown: str) -> pd.DataFrame:
    """Tell changes with their intervals and both numbers of answers, where there are intervals."""
    rows = [
        {
            name: row[shown],
            "of": f"{row['n']:,}",
            "of, before": f"{row['n_before']:,}",
            "change": _signed(row["change"], row["unit"]),
            "95 % interval": f"{_signed(row['change_low'], row['unit'])} to {_signed(row['change_high'], row['unit'])}",
        }
        for row in measured.to_dict("records")
        if not np.isnan(row["change_low"])
    ]
    return pd.DataFrame(rows)


def _signed(value: float, unit: str) -> str:
    return f"{value:+,.{_DIGITS[unit]}f}"


def _written(value: float, unit: str, currency: str | None) -> str:
    if np.isnan(value):
        return "–"
    if unit == "points":
        return f"{value:+.1f}"
    text = number(value, _DIGITS[unit])
    if unit == "%":
        return f"{text} %"
    return f"{text} {currency}" if unit == "money" and currency else text


def _reading(measured: pd.DataFrame) -> tuple[str, ...]:
    """Say how the NPS of the survey is usually read."""
    nps = measured[measured["measure"] == "nps"]
    if nps.empty:
        return ()
    value, n = float(nps["value"].iloc[0]), int(nps["n"].iloc[0])
    if n < FEWEST_FOR_LEVEL:
        answers = "one answer" if n == 1 else f"{n} answers"
        return (f"The NPS of {value:+.1f} is that of {answers}: fewer than {FEWEST_FOR_LEVEL} tell no level.",)
    return (
        f"An NPS of {value:+.1f} is usually read as {nps_reading(value)}. It is the NPS of those "
        "who answered; `revealed retrain` estimates the NPS of all customers.",
    )


def _plain(value: Any) -> Any:
    if isinstance(value, float) and np.isnan(value):
        return None
    return value.item() if isinstance(value, np.generic) else value
