"""What a scoring reports of change: transitions, stability of distributions, and calibration of past predictions."""

from flows.reports.sections import Section, number
from flows.reports.segments import segment_transitions_section
from models.monitoring.prospective_calibration import ProspectiveCalibration
from models.monitoring.stability import OF_BASE, OF_RESPONDENTS, OF_SCORES, Stability, Transitions
from models.registry.tracking import Run, grouped
from models.scoring.columns import CATEGORIES

# Columns of each kind that are named; the files hold all.
SHOWN = 5
_TITLES = {OF_BASE: "features", OF_SCORES: "scores", OF_RESPONDENTS: "features of those who answered"}


def monitoring_sections(
    transitions: Transitions | None, stability: Stability, prospective: ProspectiveCalibration | None
) -> list[Section]:
    """Report what has changed since the last scores and since the training."""
    sections = []
    if transitions is not None:
        sections.append(segment_transitions_section(transitions))
        sections += _category_transitions(transitions)
    if stability.tables:
        sections.append(_stability(stability))
    if prospective is not None:
        sections.append(Section("Predictions published before the answers", (prospective.verdict,)))
    return sections


def monitoring_metrics(stability: Stability, prospective: ProspectiveCalibration | None) -> dict[str, float]:
    """Return the metrics of the run."""
    largest = {f"largest_psi_{name}": float(table["psi"].max()) for name, table in stability.tables.items()}
    metrics = grouped("stability", largest)
    if prospective is not None:
        figures = {"answers": float(prospective.answers), **prospective.figures}
        if prospective.nps is not None:
            figures |= {"nps_predicted": prospective.nps.predicted, "nps_observed": prospective.nps.observed}
        metrics |= grouped("prospective", figures)
    return metrics


def log_monitoring(
    run: Run, transitions: Transitions | None, stability: Stability, prospective: ProspectiveCalibration | None
) -> None:
    """Log the transitions, the stability of every column and the calibration with the run."""
    if transitions is not None and transitions.categories is not None and transitions.expected_categories is not None:
        run.log_csv(transitions.categories.reset_index(), "change/category_transitions.csv")
        run.log_csv(transitions.expected_categories.reset_index(), "change/expected_categories.csv")
    for name, table in stability.tables.items():
        run.log_csv(table, f"change/stability_{name}.csv")
    if prospective is not None:
        run.log_json(prospective.to_dict(), "change/prospective_calibration.json")


def _category_transitions(transitions: Transitions) -> list[Section]:
    if transitions.categories is None or transitions.expected_categories is None:
        return []
    table = transitions.categories.astype(object).map("{:,}".format).rename_axis("from, to").reset_index()
    stayed, changed = (transitions.expected_categories[name] for name in ("stayed", "changed"))
    expected = ", ".join(f"{name}s {stayed[name]:,.0f} -> {stayed[name] + changed[name]:,.0f}" for name in CATEGORIES)
    sentence = f"Expected numbers among the customers of both dates (summed probabilities): {expected}."
    title = f"Transitions between NPS categories since {transitions.as_of}, both dates under this scorer"
    return [Section(title, (sentence,), table)]


def _stability(stability: Stability) -> Section:
    parts = []
    for name, table in stability.tables.items():
        shifted = table[table["verdict"].str.startswith("moved")]
        part = f"{len(shifted)} of {len(table)} {_TITLES[name]}"
        if name == OF_RESPONDENTS:
            part += f" ({stability.new_answers:,} answers since)"
        parts.append(part + (f" ({'; '.join(shifted['most_moved'].head(SHOWN))})" if len(shifted) else ""))
    largest = ", ".join(f"{_TITLES[name]} {number(table['psi'].max(), 3)}" for name, table in stability.tables.items())
    return Section(
        f"Stability since the training as of {stability.trained_as_of}",
        (
            "Distributions with a population stability index (PSI) above .10, and above what chance explains: "
            f"{'; '.join(parts)}.",
            f"Largest PSI: {largest}.",
        ),
    )
