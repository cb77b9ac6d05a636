"""The NPS in the report of a retraining: its model, the base, the segments, and the change since the champion."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from flows.reports.sections import Section, number
from flows.steps.base import BASE_NPS, Estimated
from models.registry.tracking import Run, grouped
from models.release.release import Release
from models.scoring.members import CategoryParameters
from models.segments.segment_names import PERSONA
from models.survey.aipw import BaseNps
from models.survey.change import NpsChange, Part
from models.survey.frame import MOST_UNLIKE
from models.survey.small_area import FEWEST_ANSWERS
from models.survey.without_purchase import Figure, WithoutPurchase

# With fewer effective answers the estimate without its interval is misleading.
FEW_EFFECTIVE_ANSWERS = 100
# Segments without an NPS that are named.
MOST_NAMED = 12
_FIGURES = ("rps", "log_loss", "auc_detractor", "auc_promoter")
_KINDS = {
    "proportional_odds": "proportional odds",
    "ridit_trees": "trees on ridits",
    "cumulative_trees": "cumulative trees",
    "prior": "shares of the classes",
}
_BALANCED = {"predicted_answer": "predicted answer", "log_odds": "log odds of answering"}
_PARTS = {
    "composition": "other customers are in the base",
    "behaviour": "the same customers behave differently",
    "answers": "customers of equal behaviour answer differently",
    "model": "today's model estimates the earlier date differently",
}


def nps_sections(release: Release, estimated: Estimated) -> list[Section]:
    """Report the NPS model, the NPS of the base and of segments, and its change."""
    question = release.parameters.nps_question
    sections = [_category("NPS category", release.parameters.nps, ("detractor", "promoter"))]
    satisfaction = release.parameters.satisfaction
    if satisfaction is not None and satisfaction.source is not None:
        sections.append(_category("Satisfaction (p_satisfied)", satisfaction, ("dissatisfied", "satisfied")))
    title = "NPS of the base" if question == "nps" else f"Net score of the base, question {question}"
    if estimated.base is None:
        why = "It is not estimated: this run has no answers, or too few."
        return [*sections, Section(title, (why,))]
    sections.append(_base(title, estimated, release.parameters.nps.source))
    # The NPS of personas is in the section of the personas.
    sections += [_segments(name, table) for name, table in estimated.segments.items() if name != PERSONA]
    if estimated.change is not None:
        sections.append(_change(f"Change since {estimated.since}", estimated.change))
    return sections


def nps_metrics(release: Release, estimated: Estimated) -> dict[str, float]:
    """Return the metrics of the run; figures that do not exist are left out."""
    metrics: dict[str, float] = {}
    for name, model in {"nps": release.parameters.nps, "satisfaction": release.parameters.satisfaction}.items():
        if model is not None:
            metrics |= grouped(name, model.metrics)
    if estimated.base is not None:
        base = estimated.base.figures
        names = (
            "nps",
            "low",
            "high",
            "wide_low",
            "wide_high",
            "unmeasured",
            "unmeasured_gamma",
            "standard_error",
            "n_eff",
            "largest_weight",
            "survey_mean",
            "sign_gamma",
            "sampled_answer_share",
        )
        figures = {name: value for name in names if (value := getattr(base, name)) is not None}
        figures |= {f"balance_{name}": value for name, value in (base.balance | base.balance_of_scores).items()}
        figures |= {f"nps_at_gamma_{gamma}": value for gamma, value in _named(base.sensitivity).items()}
        others = estimated.without_purchase
        if others is not None:
            figures["without_purchase"] = others.customers
            if others.with_base is not None:
                figures["nps_with_them"] = others.with_base.nps
        metrics |= grouped("nps_base", figures)
    if estimated.change is not None:
        change = estimated.change
        whole = ("change", "low", "high", "wide_low", "wide_high", "standard_error")
        figures = {name: value for name in whole if (value := getattr(change, name)) is not None}
        parts = {name: getattr(change, name) for name in _PARTS}
        figures |= {name: part.change for name, part in parts.items() if part is not None}
        metrics |= grouped("nps_change", figures)
    return metrics


def log_nps(run: Run, estimated: Estimated) -> None:
    """Log the estimates with the run: the base (for the next run to compare with), its balance, segments and change."""
    if estimated.base is None:
        return
    run.log_json(estimated.base.figures.to_dict(), BASE_NPS)
    run.log_csv(estimated.base.balance.rename_axis("feature").reset_index(), "nps/balance.csv")
    if estimated.without_purchase is not None:
        run.log_json(estimated.without_purchase.to_dict(), "nps/without_purchase.json")
    by_segmentation = [table.assign(segmentation=name) for name, table in estimated.segments.items()]
    run.log_csv(pd.concat(by_segmentation).set_index("segmentation").reset_index(), "nps/segments.csv")
    if estimated.change is not None:
        run.log_json(estimated.change.to_dict(), "nps/change.json")


def _named(sensitivity: Mapping[str, float]) -> dict[str, float]:
    """Name gammas in characters that MLflow allows in the name of a metric."""
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


def _base(title: str, estimated: Estimated, source: str | None) -> Section:
    assert estimated.base is not None
    base = estimated.base.figures
    answered = f"{base.n_answers:,} of {base.n_frame:,} customers who were asked have answered"
    not_recorded = "who was asked"
    if base.sampled_answer_share > 0:
        # A customer may have answered in several probability samples.
        answered = f"There are {base.n_answers:,} answers of {base.n_frame:,} customers who were asked"
        not_recorded += " outside the probability samples"
    frame = {
        "invited": answered,
        "customers": f"There are {base.n_answers:,} answers; {not_recorded} is not known (there are hardly any "
        "unanswered invitations), so all customers without an answer count as non-respondents",
    }
    unlike = 0.0 if base.unlike_share is None else base.unlike_share
    customers = f"of all {base.n_base:,} customers"
    if unlike > MOST_UNLIKE:
        customers = f"of the {base.n_base:,} customers who were asked, as they were then"
    basis = "the model" if source == "model" else "the shares of the answers"
    few = f"WARNING: there are only {base.n_eff:,.0f} effective answers: read the interval, not the estimate alone."
    sentences = [
        *([few] if base.n_eff < FEW_EFFECTIVE_ANSWERS else []),
        f"{base.nps:+.1f}, 95 % interval {base.wide_low:+.1f} to {base.wide_high:+.1f}, {customers}.",
        _unmeasured(base),
        *([] if estimated.without_purchase is None else [_without_purchase(estimated.without_purchase)]),
        f"{unlike:.0%} of today's base is less like those who answered than 99 % of them are: "
        + ("too many to estimate the whole base." if unlike > MOST_UNLIKE else f"their estimate relies on {basis}."),
        f"{frame[base.frame]}. Effective number of answers: {base.n_eff:,.0f}; largest weight of one answer: "
        f"{base.largest_weight:.1%} of the total.",
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
            "Largest standardised difference of a feature between those who answered and the base: "
            f"{before:.2f} before weighting, {after:.2f} after it (means {base.balance['mean_before']:.2f} and "
            f"{base.balance['mean_after']:.2f})."
        )
    if base.balance_of_scores:
        sentences.append(_balance_of_scores(base.balance_of_scores))
    return Section(title, (*sentences, *_sensitivity(base)))


def _unmeasured(base: BaseNps) -> str:
    sample = f"The interval of the sample alone is {base.low:+.1f} to {base.high:+.1f}"
    if base.strongest_group is None:
        return (
            f"{sample}: no feature is measured, so nothing tells how far a trait behind answers and answering reaches."
        )
    return (
        f"{sample}; the wide one allows for a trait that no feature shows and that moves answers and answering as "
        f"strongly as the strongest measured group, {base.strongest_group}, does: by {base.unmeasured:.1f} points, "
        f"as a gamma of {base.unmeasured_gamma:.2f} would."
    )


def _without_purchase(others: WithoutPurchase) -> str:
    told = f"Not among them: {others.customers:,} customers who gave everything back, {others.answers:,} with an answer"
    if others.own is None:
        bounds = ""
        if others.with_base_least is not None:
            bounds = (
                f": whatever they would answer, with them it is {others.with_base_least:+.1f} to "
                f"{others.with_base_most:+.1f} instead"
            )
        return f"{told}, too few for an NPS of their own{bounds}."
    told += f". Their answers give {_with_interval(others.own)}"
    return (
        f"{told}." if others.with_base is None else f"{told}; with them the NPS is {_with_interval(others.with_base)}."
    )


def _with_interval(figure: Figure) -> str:
    return (
        f"{figure.nps:+.1f}, 95 % interval {figure.wide_low:+.1f} to {figure.wide_high:+.1f} (of the sample "
        f"{figure.low:+.1f} to {figure.high:+.1f})"
    )


def _balance_of_scores(differences: Mapping[str, float]) -> str:
    parts = [
        f"{words} {differences[f'{name}_before']:.2f} before weighting, {differences[f'{name}_after']:.2f} after it"
        for name, words in _BALANCED.items()
        if f"{name}_before" in differences
    ]
    return f"The two that decide, in standard deviations: {'; '.join(parts)}."


def _sensitivity(base: BaseNps) -> tuple[str, ...]:
    estimates = ", ".join(f"{nps:+.1f} at {gamma}" for gamma, nps in base.sensitivity.items())
    sign = f"it would be 0 at {base.sign_gamma:+.2f}" if base.sign_gamma is not None else "no gamma makes it 0"
    return (
        "Sensitivity to answering that depends on satisfaction itself (gamma: change of the log odds of answering per "
        f"category): {estimates}; {sign}.",
    )


def _segments(name: str, table: pd.DataFrame) -> Section:
    shown = table[table["hidden_because"].isna()].sort_values(["nps", "segment"], ascending=[False, True])
    rows = [
        (
            row["segment"],
            f"{row['customers']:,}",
            f"{row['answers']:,}",
            f"{row['nps']:+.1f}",
            f"{row['wide_low']:+.1f} to {row['wide_high']:+.1f}",
            f"{row['low']:+.1f} to {row['high']:+.1f}",
            f"{row['survey']:+.1f}",
        )
        for row in shown.to_dict("records")
    ]
    figures = pd.DataFrame(
        rows, columns=[name, "customers", "answers", "NPS", "95 % interval", "of the sample", "survey alone"]
    )
    hidden = table[table["hidden_because"].notna()]
    few = ", ".join(f"{row.segment} ({row.answers:,})" for row in hidden.head(MOST_NAMED).itertuples())
    if len(hidden) > MOST_NAMED:
        few += f" and {len(hidden) - MOST_NAMED:,} more"
    sentences = (
        (f"Too few answers for an NPS (fewer than {FEWEST_ANSWERS}, or too few effective ones): {few}.",) if few else ()
    )
    return Section(f"NPS by {name}", sentences, figures if rows else None)


def _change(title: str, change: NpsChange) -> Section:
    parts: dict[str, Part | None] = {name: getattr(change, name) for name in _PARTS}
    rows = [
        (_PARTS[name], f"{part.change:+.1f}", "–" if part.standard_error is None else f"{part.standard_error:.1f}")
        for name, part in parts.items()
        if part is not None
    ]
    table = pd.DataFrame(rows, columns=["part", "points", "standard error"]) if rows else None
    if change.change is None or change.low is None or change.high is None or change.wide_low is None:
        return Section(title, (f"The change is not estimated: {change.why}.",), table)
    is_change = "more than chance" if change.low > 0 or change.high < 0 else "no more than chance"
    sentences = [
        f"{change.change:+.1f}, 95 % interval {change.wide_low:+.1f} to {change.wide_high:+.1f}, of the samples alone "
        f"{change.low:+.1f} to {change.high:+.1f}: {is_change}. From {change.before:+.1f} by the answers of then to "
        f"{change.now:+.1f} by the answers since, both under today's model.",
        f"The first interval allows for a trait that no feature shows and that acted at one of the dates only: by "
        f"{change.unmeasured:.1f} points.",
    ]
    sentences.append("The NPS of the base above uses all answers, not only those since, so it is another figure.")
    if change.published is not None:
        sentences.append(
            f"Published then: {change.published:+.1f}. All parts add up to the difference between now and that."
        )
    if change.survey_difference is not None:
        sentences.append(
            f"The means of the two surveys differ by {change.survey_difference:+.1f}, but they may have reached "
            "different customers."
        )
    return Section(title, tuple(sentences), table)
