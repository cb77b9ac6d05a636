"""What a scoring says of change: categories that moved, what is spread otherwise, predictions that came true or not."""

from flows.reports.sections import Section, number
from flows.reports.segments import segment_moves_section
from models.monitoring.prospective_calibration import ProspectiveCalibration
from models.monitoring.stability import OF_BASE, OF_RESPONDENTS, OF_SCORES, Since, Stability
from models.registry.tracking import Run
from models.scoring.columns import CATEGORIES

# So many columns of each kind are shown; the files hold all.
SHOWN = 5
_TITLES = {OF_BASE: "features", OF_SCORES: "scores", OF_RESPONDENTS: "features of those who answered"}


def monitoring_sections(
    since: Since | None, stability: Stability, ahead: ProspectiveCalibration | None
) -> list[Section]:
    """Write what changed since the scores before and since the training."""
    sections = []
    if since is not None:
        sections.append(segment_moves_section(since))
        sections += _moves(since)
    if stability.of:
        sections.append(_stability(stability))
    if ahead is not None:
        sections.append(Section("Predictions made before customers answered", (ahead.verdict,)))
    return sections


def monitoring_metrics(stability: Stability, ahead: ProspectiveCalibration | None) -> dict[str, float]:
    """Return the figures for the run."""
    found = {f"psi_largest_{name}": float(table["psi"].max()) for name, table in stability.of.items()}
    if ahead is not None:
        found["ahead_answers"] = float(ahead.answers)
        found |= {f"ahead_{name}": value for name, value in ahead.figures.items()}
        if ahead.nps is not None:
            found |= {"ahead_nps_predicted": ahead.nps.predicted, "ahead_nps_observed": ahead.nps.observed}
    return found


def log_monitoring(run: Run, since: Since | None, stability: Stability, ahead: ProspectiveCalibration | None) -> None:
    """Leave moves, stability of every column and the calibration with the run."""
    if since is not None and since.moves is not None and since.expected is not None:
        run.log_csv(since.moves.reset_index(), "change/category_transitions.csv")
        run.log_csv(since.expected.reset_index(), "change/expected_categories.csv")
    for name, table in stability.of.items():
        run.log_csv(table, f"change/stability_{name}.csv")
    if ahead is not None:
        run.log_json(ahead.to_dict(), "change/prospective_calibration.json")


def _moves(since: Since) -> list[Section]:
    if since.moves is None or since.expected is None:
        return []
    table = since.moves.astype(object).map("{:,}".format).rename_axis("from, to").reset_index()
    stayed, moved = since.expected["stayed"], since.expected["moved"]
    expected = ", ".join(f"{name}s {stayed[name]:,.0f} -> {stayed[name] + moved[name]:,.0f}" for name in CATEGORIES)
    why = f"Expected numbers among those who were customers at both dates (summed probabilities): {expected}."
    return [Section(f"NPS categories since {since.as_of}, both dates under this scorer", (why,), table)]


def _stability(stability: Stability) -> Section:
    parts = []
    for name, table in stability.of.items():
        moved = table[table["verdict"].str.startswith("moved")]
        count = f"{len(moved)} of {len(table)} {_TITLES[name]}"
        if name == OF_RESPONDENTS:
            count += f" ({stability.new_answers:,} answers since)"
        parts.append(count + (f" ({'; '.join(moved['most_moved'].head(SHOWN))})" if len(moved) else ""))
    largest = {name: table["psi"].max() for name, table in stability.of.items()}
    told = ", ".join(f"{_TITLES[name]} {number(value, 3)}" for name, value in largest.items())
    return Section(
        f"Stability since the training as of {stability.trained_as_of}",
        (f"Moved by more than chance and .10 (population stability index): {'; '.join(parts)}.", f"Largest: {told}."),
    )
