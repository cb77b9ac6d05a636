"""What a retraining says of the NPS: its model, the base, the segments, and the change since the last run."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from flows.reports.sections import Section, number
from flows.steps.base import BASE_NPS, Estimated
from models.population.segment_labels import PERSONA
from models.registry.tracking import Run
from models.release.release import Release
from models.scoring.parameters import CategoryParameters
from models.survey.aipw import BaseNps
from models.survey.change import NpsChange, Part
from models.survey.prepare import MOST_UNLIKE
from models.survey.small_area import FEWEST_ANSWERS

# Below so many effective answers the figure alone misleads.
FEW_EFFECTIVE_ANSWERS = 100
# So many segments without a figure are named.
MOST_NAMED = 12
_FIGURES = ("rps", "log_loss", "auc_detractor", "auc_promoter")
_KINDS = {
    "proportional_odds": "proportional odds",
    "ridit_trees": "trees on ridits",
    "cumulative_trees": "cumulative trees",
    "prior": "the shares of the classes",
}
_PARTS = {
    "composition": "other customers are in the base",
    "behaviour": "the same customers behave differently",
    "answers": "customers of equal behaviour answer differently",
    "model": "today's model estimates the earlier date differently",
}


def nps_sections(release: Release, estimated: Estimated) -> list[Section]:
    """Write what is known of the NPS."""
    question = release.parameters.nps_question
    sections = [_category("NPS category", release.parameters.nps, ("detractor", "promoter"))]
    satisfaction = release.parameters.satisfaction
    if satisfaction is not None and satisfaction.source is not None:
        sections.append(_category("Satisfaction (p_satisfied)", satisfaction, ("dissatisfied", "satisfied")))
    title = "NPS of the base" if question == "nps" else f"Net score of the base, question {question}"
    if estimated.base is None:
        why = "It is not estimated: this run has no answers, or too few, of its own."
        return [*sections, Section(title, (why,))]
    sections.append(_base(title, estimated.base.figures, release.parameters.nps.source))
    # That of personas stands beside what else is known of them.
    sections += [_segments(name, table) for name, table in estimated.segments.items() if name != PERSONA]
    if estimated.change is not None:
        sections.append(_change(f"Change since {estimated.since}", estimated.change))
    return sections


def nps_metrics(release: Release, estimated: Estimated) -> dict[str, float]:
    """Return the figures for the run; those that there are not are left out."""
    found: dict[str, float] = {}
    for name, model in {"nps": release.parameters.nps, "satisfaction": release.parameters.satisfaction}.items():
        if model is not None:
            found |= {f"{name}_{figure}": value for figure, value in model.metrics.items()}
    if estimated.base is not None:
        base = estimated.base.figures
        names = (
            "nps",
            "low",
            "high",
            "standard_error",
            "n_eff",
            "largest_weight",
            "survey_mean",
            "sign_gamma",
            "sampled_answer_share",
        )
        found |= {f"base_{name}": value for name in names if (value := getattr(base, name)) is not None}
        found |= {f"base_balance_{name}": value for name, value in base.balance.items()}
        found |= {f"base_nps_at_gamma_{gamma}": value for gamma, value in _named(base.sensitivity).items()}
    if estimated.change is not None:
        change = estimated.change
        found |= {
            f"change_{name}": value
            for name in ("change", "low", "high", "standard_error")
            if (value := getattr(change, name)) is not None
        }
        parts = {name: getattr(change, name) for name in _PARTS}
        found |= {f"change_{name}": part.change for name, part in parts.items() if part is not None}
    return found


def log_nps(run: Run, estimated: Estimated) -> None:
    """Leave the estimates with the run: the base for the next run to compare with, its balance, segments, change."""
    if estimated.base is None:
        return
    run.log_json(estimated.base.figures.to_dict(), BASE_NPS)
    run.log_csv(estimated.base.balance.rename_axis("feature").reset_index(), "nps/balance.csv")
    by_segmentation = [table.assign(segmentation=name) for name, table in estimated.segments.items()]
    run.log_csv(pd.concat(by_segmentation).set_index("segmentation").reset_index(), "nps/segments.csv")
    if estimated.change is not None:
        run.log_json(estimated.change.to_dict(), "nps/change.json")


def _named(sensitivity: Mapping[str, float]) -> dict[str, float]:
    """Name gammas as MLflow lets metrics be named."""
    return {gamma.replace("+", "plus_").replace("-", "minus_"): value for gamma, value in sensitivity.items()}


def _category(title: str, model: CategoryParameters, ends: tuple[str, str]) -> Section:
    figures = model.metrics
    if not figures:
        return Section(title, (model.why,))
    rows = [
        [who, *(number(figures.get(f"{name}_{who}", np.nan), 4) for name in _FIGURES)] for who in ("model", "prior")
    ]
    if figures.get("last_wave_answers"):
        of_wave = [number(figures.get(f"last_wave_{name}_model", np.nan), 4) for name in _FIGURES]
        rows.append([f"last wave, {figures['last_wave_answers']:,.0f} answers", *of_wave])
    table = pd.DataFrame(rows, columns=["out of fold", "RPS", "log loss", *(f"AUC {end}" for end in ends)])
    blend = ", ".join(f"{member.weight:.0%} {_KINDS[member.kind]}" for member in model.members)
    sentences = (model.why, *([f"The blend: {blend}."] if blend else []))
    return Section(f"{title}, from {model.answers:,} answers", sentences, table)


def _base(title: str, base: BaseNps, source: str | None) -> Section:
    answered = f"{base.n_answers:,} of {base.n_frame:,} customers who were asked have answered"
    unknown = "who was asked"
    if base.sampled_answer_share > 0:
        # A customer may have answered to several lists.
        answered = f"There are {base.n_answers:,} answers of {base.n_frame:,} customers who were asked"
        unknown += " beside the lists of `revealed sample`"
    stand_in = {
        "invited": answered,
        "customers": f"There are {base.n_answers:,} answers; {unknown} is not known (hardly any unanswered invitations "
        "are given), so the customers without an answer are the frame",
    }
    unlike = 0.0 if base.unlike_share is None else base.unlike_share
    of_whom = f"of all {base.n_base:,} customers"
    if unlike > MOST_UNLIKE:
        of_whom = f"of the {base.n_base:,} customers who could answer, as they were when asked"
    rests_on = "the model" if source == "model" else "the shares of the answers"
    few = f"WARNING: {base.n_eff:,.0f} effective answers are few: read the interval, not the figure."
    sentences = [
        *([few] if base.n_eff < FEW_EFFECTIVE_ANSWERS else []),
        f"{base.nps:+.1f}, 95 % interval {base.low:+.1f} to {base.high:+.1f}, {of_whom}.",
        f"{unlike:.0%} of today's base is less like those who answered than all but 1 % of them: "
        + ("too many to say more of it." if unlike > MOST_UNLIKE else f"there the estimate rests on {rests_on}."),
        f"{stand_in[base.frame]}; they count for {base.n_eff:,.0f} (effective sample size), the heaviest for "
        f"{base.largest_weight:.1%} of all.",
        f"Mean of the survey alone {base.survey_mean:+.1f}; mean of predictions {base.mean_of_predictions:+.1f}.",
    ]
    if base.sampled_answer_share > 0:
        sentences.append(
            f"{base.sampled_answer_share:.0%} of the answers come from probability samples (`revealed sample`); they "
            f"have {base.sampled_weight_share:.0%} of the total weight."
        )
    if base.balance:
        before, after = base.balance["largest_before"], base.balance["largest_after"]
        sentences.append(
            "Those who answered differ from the base by up to "
            f"{before:.2f} standard deviations of a feature, {after:.2f} after weighting (mean "
            f"{base.balance['mean_before']:.2f} and {base.balance['mean_after']:.2f})."
        )
    return Section(title, (*sentences, *_sensitivity(base)))


def _sensitivity(base: BaseNps) -> tuple[str, ...]:
    shifts = ", ".join(f"{nps:+.1f} at {gamma}" for gamma, nps in base.sensitivity.items())
    turns = f"the sign turns at {base.sign_gamma:+.2f}" if base.sign_gamma is not None else "no gamma turns the sign"
    return (f"If answering depended on satisfaction itself, at equal behaviour (gamma): {shifts}; {turns}.",)


def _segments(name: str, table: pd.DataFrame) -> Section:
    told = table[table["hidden_because"].isna()].sort_values(["nps", "segment"], ascending=[False, True])
    rows = [
        (
            row["segment"],
            f"{row['customers']:,}",
            f"{row['answers']:,}",
            f"{row['nps']:+.1f}",
            f"{row['low']:+.1f} to {row['high']:+.1f}",
            f"{row['survey']:+.1f}",
        )
        for row in told.to_dict("records")
    ]
    shown = pd.DataFrame(rows, columns=[name, "customers", "answers", "NPS", "95 % interval", "survey alone"])
    hidden = table[table["hidden_because"].notna()]
    few = ", ".join(f"{row.segment} ({row.answers:,})" for row in hidden.head(MOST_NAMED).itertuples())
    if len(hidden) > MOST_NAMED:
        few += f" and {len(hidden) - MOST_NAMED:,} more"
    sentences = (
        (f"Too few answers to tell (fewer than {FEWEST_ANSWERS}, or of too little weight): {few}.",) if few else ()
    )
    return Section(f"NPS by {name}", sentences, shown if rows else None)


def _change(title: str, change: NpsChange) -> Section:
    parts: dict[str, Part | None] = {name: getattr(change, name) for name in _PARTS}
    rows = [
        (_PARTS[name], f"{part.change:+.1f}", "–" if part.standard_error is None else f"{part.standard_error:.1f}")
        for name, part in parts.items()
        if part is not None
    ]
    table = pd.DataFrame(rows, columns=["part", "points", "standard error"]) if rows else None
    if change.change is None or change.low is None or change.high is None:
        return Section(title, (f"There is none to tell: {change.why}",), table)
    is_change = "more than chance" if change.low > 0 or change.high < 0 else "no more than chance makes"
    sentences = [
        f"{change.change:+.1f}, 95 % interval {change.low:+.1f} to {change.high:+.1f}: {is_change}. From "
        f"{change.before:+.1f} by the answers known then to {change.now:+.1f} by those since, both under "
        "today's model.",
    ]
    sentences.append("The NPS of the base above rests on all answers, not on those since alone: it is another figure.")
    if change.published is not None:
        sentences.append(
            f"Published then: {change.published:+.1f}. All parts add up to the difference of now from that."
        )
    if change.survey_difference is not None:
        sentences.append(f"The surveys alone differ by {change.survey_difference:+.1f}, whoever they reached.")
    return Section(title, tuple(sentences), table)
