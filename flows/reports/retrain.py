"""The report of a retraining, and what is logged with its run."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
import pandas as pd

from flows.cautions.accounts import fitted_accounts_section
from flows.cautions.history import short_history
from flows.reports.intake import intake_section
from flows.reports.nps import log_nps, nps_metrics, nps_sections
from flows.reports.personas import log_personas, personas_section
from flows.reports.sections import Section, number, to_markdown
from flows.reports.topics import comments_section, log_comments
from flows.settings import Settings
from flows.steps.base import Base, Estimated
from flows.steps.fitting import Fitted, Judged
from flows.steps.inputs import Inputs
from models.registry.tracking import Run, grouped
from models.release.backtest import wins
from models.release.release import Release
from models.scoring.parameters import Uncertainty
from models.segments.segment_names import PERSONA

_SHOWN = {
    "purchases_mae": "MAE of purchases",
    "purchases_gini": "Gini of purchases",
    "purchases_bias": "bias of purchases",
    "p_purchase_auc": "AUC of p_purchase",
    "p_purchase_log_loss": "log loss of p_purchase",
    "revenue_mae": "MAE of revenue",
    "revenue_gini": "Gini of revenue",
    "revenue_bias": "bias of revenue",
}


def retrain_sections(
    settings: Settings,
    inputs: Inputs,
    fitted: Fitted,
    judged: Judged,
    base: Base,
    version: int,
) -> list[Section]:
    """Write the report of a retraining: input, fits, backtest, NPS, personas, topics and verdict."""
    read = intake_section(inputs.intake)
    as_of = f"Customers are described as of {inputs.as_of}, {_why(settings, inputs)}."
    recipe, accounts = fitted.recipe, fitted_accounts_section(inputs.tables, inputs.as_of, fitted.recipe)
    horizons = recipe.horizon, recipe.churn_horizon, recipe.clv_horizon
    short = short_history(inputs.intake.first_day, inputs.as_of, *horizons)
    sections = [
        Section(read.title, (*settings.notes, *read.sentences, as_of), read.table),
        *([Section("A short history", short)] if short else []),
        *([accounts] if accounts is not None else []),
        _fits(fitted),
        *_decided(fitted),
        _backtest(fitted, judged),
        *nps_sections(fitted.release, base.estimated),
        personas_section(base.profiled, base.estimated.segments.get(PERSONA)),
        *([comments_section(base.topics)] if base.topics is not None else []),
    ]
    alias = "champion" if judged.verdict.promote else "challenger; the champion stays"
    return [*sections, Section(f"Scorer {version} is {alias}", (judged.verdict.reason,))]


def log_retrain(
    run: Run,
    inputs: Inputs,
    fitted: Fitted,
    judged: Judged,
    base: Base,
    version: int,
    sections: Sequence[Section],
) -> None:
    """Log parameters, metrics and the report with the run."""
    recipe = asdict(fitted.recipe)
    run.log(
        parameters={
            "as_of": inputs.as_of,
            "cutoff": fitted.cutoff,
            **recipe,
            "rfm_segments": list(fitted.recipe.rfm_segments),
        },
        metrics=_metrics(fitted, judged, base.estimated),
    )
    nps = fitted.release.parameters.nps
    run.tag(scorer_version=str(version), verdict=judged.verdict.reason, nps_source=str(nps.source))
    run.describe(f"{sections[-1].title}: {judged.verdict.reason}")
    run.log_text(to_markdown("Retrain", sections), "report.md")
    run.log_text(fitted.release.fits.to_csv(index=False), "fits.csv")
    for model, covariance in covariances(fitted.release).items():
        run.log_text(covariance.to_csv(), f"covariance_{model}.csv")
    if judged.backtest is not None:
        run.log_text(judged.backtest.to_csv(), "backtest.csv")
    log_nps(run, base.estimated)
    log_personas(run, base.profiled, base.estimated.segments.get(PERSONA))
    if base.topics is not None:
        log_comments(run, base.topics)


def covariances(release: Release) -> dict[str, pd.DataFrame]:
    """Return the covariance of the fitted parameters, by model: that of their logarithms times the parameters."""
    by_model = {}
    uncertainty = release.parameters.uncertainty or Uncertainty()
    for model, log_covariance, parameters, names in (
        ("purchases", uncertainty.purchases, release.parameters.purchases, ["r", "alpha", "a", "b"]),
        ("spend", uncertainty.spend, release.parameters.spend, ["p", "q", "v"]),
    ):
        if log_covariance is not None:
            scale = np.array([getattr(parameters, name) for name in names])
            covariance = np.array(log_covariance) * np.outer(scale, scale)
            by_model[model] = pd.DataFrame(covariance, index=names, columns=names)
    return by_model


def _why(settings: Settings, inputs: Inputs) -> str:
    newest = f"the newest transaction is of {inputs.intake.newest_day}"
    return f"as given; {newest}" if settings.as_of else f"the day after the newest transaction ({newest})"


def _fits(fitted: Fitted) -> Section:
    fits, customers = fitted.release.fits.copy(), fitted.release.parameters.customers
    if fits.empty:
        return Section(f"Nothing was fitted on {customers:,} customers", fitted.release.notes)
    for name in ("estimate", "standard_error"):
        fits[name] = [number(value, 5) for value in fits[name]]
    fits["95 % interval"] = [
        f"{number(low, 4)} to {number(high, 4)}" for low, high in zip(fits.pop("low"), fits.pop("high"), strict=True)
    ]
    fits = fits.rename(columns={"standard_error": "standard error"})
    return Section(f"Fitted on {customers:,} customers (time in days)", fitted.release.notes, fits)


def _decided(fitted: Fitted) -> list[Section]:
    """Tell what past cuts decided: the recipe, and what the second stage counts."""
    stage = fitted.release.parameters.second_stage
    sentences = (*fitted.decision.sentences, *([stage.why] if stage.used else []))
    return [Section("Decided by backtest", sentences)] if sentences else []


def _backtest(fitted: Fitted, judged: Judged) -> Section:
    if judged.backtest is None or judged.holdout is None:
        without_forecast = fitted.twin is not None and not fitted.twin.scorer.has_forecast
        nobody = "bought more than once" if without_forecast else "bought"
        why = fitted.why_no_twin or f"nobody had {nobody} before {fitted.cutoff}"
        return Section("Backtest", (f"There is none: {why}.",))
    shown = {
        words: [_figure(name, value) for value in judged.backtest[name].to_numpy(float)]
        for name, words in _SHOWN.items()
    }
    table = pd.DataFrame(shown, index=judged.backtest.index).T.rename_axis("measure").reset_index()
    title = f"Backtest: fitted before {fitted.cutoff}, judged on the {fitted.recipe.horizon} days after it"
    beaten = [f"A baseline wins here: {sentence}." for sentence in wins(judged.backtest)]
    told = [*beaten, *([] if judged.nearly_sure is None else [judged.nearly_sure.sentence])]
    judged_by, base = len(judged.holdout.customers), judged.holdout.base or len(judged.holdout.customers)
    of_base = f"{judged_by:,}" if judged_by == base else f"{judged_by:,}, drawn by a hash of their ids, of {base:,}"
    return Section(f"{title} ({of_base} customers)", tuple(told), table)


def _figure(measure: str, value: float) -> str:
    if measure.endswith("bias") and not np.isnan(value):
        return f"{100 * value:+.1f} %"
    return number(value, 4)


def _metrics(fitted: Fitted, judged: Judged, estimated: Estimated) -> dict[str, float]:
    fits: dict[str, float] = {}
    for fit in fitted.release.fits.to_dict("records"):
        name = f"{fit['model']} {fit['parameter']}".lower().replace("a / (a + b)", "dropout_share")
        name = name.replace(" ", "_").replace("/", "_").replace("-", "_")
        figures = {"": "estimate", "_se": "standard_error", "_low": "low", "_high": "high"}
        fits |= {f"{name}{ending}": fit[column] for ending, column in figures.items() if np.isfinite(fit[column])}
    metrics = grouped("fit", fits) | grouped("gate", judged.verdict.metrics)
    metrics |= grouped("second_stage", dict(fitted.release.parameters.second_stage.metrics))
    metrics |= nps_metrics(fitted.release, estimated)
    if judged.backtest is not None:
        for predictor, row in judged.backtest.iterrows():
            metrics |= grouped(
                f"backtest/{str(predictor).replace(' ', '_')}", {str(m): float(v) for m, v in row.items()}
            )
    return metrics
