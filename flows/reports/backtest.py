"""The report of a backtest, and what is logged with its run."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from flows.reports.intake import intake_section
from flows.reports.sections import Section, number, to_markdown
from flows.settings import Settings
from flows.steps.inputs import Inputs
from flows.steps.look_back import Backtested
from models.charts.backtest import calibration, decile_lift, tracking
from models.charts.predictions import purchases_by_frequency
from models.registry.tracking import Run, grouped
from models.release.backtest import OWN_RATE, ZERO, own_average_rate
from models.release.rolling import MODELS, SECOND_STAGE, CutoffResult, first_stage_name, over_cutoffs, wins_over_cutoffs
from models.release.weekly import weekly_repeat_purchases
from models.stats.deciles import calibration_by_decile, calibration_by_frequency

_AMOUNTS = {
    "bias": "bias",
    "absolute_bias": "absolute bias",
    "mae": "MAE",
    "rmse": "RMSE",
    "correlation": "correlation",
    "gini": "Gini",
    "calibration": "calibration error",
}
_BUYERS = {"auc": "AUC", "brier": "Brier", "log_loss": "log loss", "calibration": "calibration error"}
_MAIN = {
    "purchases_bias": "bias of purchases",
    "purchases_mae": "MAE of purchases",
    "purchases_gini": "Gini of purchases",
    "p_purchase_auc": "AUC of p_purchase",
    "p_purchase_log_loss": "log loss of p_purchase",
    "revenue_mae": "MAE of revenue",
    "revenue_gini": "Gini of revenue",
}
_PREDICTION = {"purchases": "expected_purchases", "revenue": "expected_revenue", "p_purchase": "p_purchase"}


def backtest_sections(settings: Settings, inputs: Inputs, judged: Backtested, run: Run) -> list[Section]:
    """Write the report of a backtest: input, models beside baselines, calibration and verdicts."""
    read = intake_section(inputs.intake)
    mean, cutoffs = over_cutoffs(judged.results), len(judged.results)
    over = f"mean over {cutoffs} cutoffs" if cutoffs > 1 else "one cutoff"
    return [
        Section(read.title, (*settings.notes, *read.sentences, *_about_cutoffs(settings, inputs, judged)), read.table),
        _measured(f"Purchases in the horizon, {over}", mean, "purchases", _AMOUNTS),
        _measured(f"Any purchase in the horizon (p_purchase), {over}", mean, "p_purchase", _BUYERS),
        _measured(f"Revenue in the horizon, {over}", mean, "revenue", _AMOUNTS),
        *(_of_cutoff(result) for result in judged.results if cutoffs > 1),
        _calibration(judged.results),
        _where_baselines_win(judged.results),
        Section('Choice of purchase_model = "auto"', (judged.automatic,)),
        *([] if judged.season is None else [Section("Season", (judged.season.why,))]),
        _second_stage(judged),
        Section(
            "Nothing is published",
            (f"Tables, plots and this report are kept with run {run.run_id} in {run.store.shown_uri}.",),
        ),
    ]


def log_backtest(run: Run, inputs: Inputs, judged: Backtested, sections: Sequence[Section]) -> None:
    """Log parameters, metrics, tables, plots and the report with the run."""
    results = judged.results
    run.log(
        parameters={
            "as_of": inputs.as_of,
            "horizon": judged.recipe.horizon,
            "cutoffs": [result.cutoff for result in results],
            "purchase_model": judged.recipe.purchase_model,
        },
        metrics=_metrics(judged),
    )
    run.tag(second_stage=judged.stage.why, auto_purchase_model=judged.automatic)
    run.log_text(to_markdown("Backtest", sections), "report.md")
    run.log_text(over_cutoffs(results).to_csv(), "backtest.csv")
    each = {result.cutoff: result.measures for result in results}
    run.log_text(pd.concat(each, names=["cutoff"]).to_csv(), "backtest_by_cutoff.csv")
    run.log_text(decile_table(results).to_csv(index=False), "calibration_by_decile.csv")
    run.log_text(frequency_table(results).to_csv(index=False), "calibration_by_frequency.csv")
    _log_plots(run, inputs, judged)


def decile_table(results: Sequence[CutoffResult]) -> pd.DataFrame:
    """Calibration by decile of every model, the customers of all its cutoffs together.

    Returns
    -------
    pandas.DataFrame
        model, quantity (purchases, revenue, p_purchase), group, n, predicted, realised.
    """
    parts = []
    for model in _models(results):
        for what in _PREDICTION:
            predicted, realised = _pooled(results, model, what)
            parts.append(calibration_by_decile(predicted, realised).assign(model=model, quantity=what))
    return pd.concat(parts, ignore_index=True)[["model", "quantity", "group", "n", "predicted", "realised"]]


def frequency_table(results: Sequence[CutoffResult]) -> pd.DataFrame:
    """Calibration of every model by repeat purchases before the cutoff, the customers of all its cutoffs together.

    Returns
    -------
    pandas.DataFrame
        model, quantity (purchases, revenue, p_purchase), frequency, n, predicted, realised.
    """
    parts = []
    for model in _models(results):
        frequency = _column(results, model, "frequency")
        for what in _PREDICTION:
            predicted, realised = _pooled(results, model, what)
            table = calibration_by_frequency(frequency, predicted, realised)
            parts.append(table.assign(model=model, quantity=what))
    return pd.concat(parts, ignore_index=True)[["model", "quantity", "frequency", "n", "predicted", "realised"]]


def _about_cutoffs(settings: Settings, inputs: Inputs, judged: Backtested) -> list[str]:
    results, horizon = judged.results, judged.recipe.horizon
    sentences = [
        f"Models are fitted on data available before a cutoff and judged on the {horizon} days from it: "
        + "; ".join(f"{result.cutoff}, {len(result.customers):,} customers" for result in results)
        + f". Outcomes are from data available before {inputs.as_of}."
    ]
    if len(results) < settings.backtest_cuts:
        sentences.append(
            f"{settings.backtest_cuts} cutoffs were asked for; the history from {inputs.intake.first_day} on leaves "
            f"{horizon} days on both sides of {len(results)}."
        )
    for result in results:
        missing = {name: why for name, why in result.left_out.items() if name != SECOND_STAGE}
        sentences += [f"Left out at {result.cutoff}: {name}. {why}" for name, why in missing.items()]
    return sentences


def _measured(title: str, table: pd.DataFrame, what: str, names: Mapping[str, str]) -> Section:
    shown = table[[f"{what}_{measure}" for measure in names]].dropna(how="all")
    return Section(title, (), _texts(shown, list(names.values())))


def _of_cutoff(result: CutoffResult) -> Section:
    customers = result.customers
    bought, purchases = int((customers["purchases"] > 0).sum()), customers["purchases"].sum()
    title = f"Cutoff {result.cutoff}: {len(customers):,} customers, {bought:,} bought, {purchases:,.0f} purchases"
    return Section(title, (), _texts(result.measures[list(_MAIN)], list(_MAIN.values())))


def _texts(table: pd.DataFrame, names: list[str]) -> pd.DataFrame:
    """Write the figures of a table, one row per predictor."""
    columns = {
        name: [_figure(str(column), value) for value in table[column].to_numpy(float)]
        for name, column in zip(names, table.columns, strict=True)
    }
    return pd.DataFrame({"predictor": table.index, **columns})


def _figure(column: str, value: float) -> str:
    if np.isnan(value):
        return number(value)
    if column.endswith(("_absolute_bias", "_calibration")):
        return f"{100 * value:.1f} %"
    if column.endswith("_bias"):
        return f"{round(100 * value, 1) + 0.0:+.1f} %"  # adding 0.0 turns -0.0 into +0.0
    return number(value, 4)


def _calibration(results: Sequence[CutoffResult]) -> Section:
    table = decile_table(results).query("quantity == 'purchases'")
    columns: dict[str, pd.Series] = {}
    for model in _models(results):
        of_model = table[table["model"] == model].set_index("group")
        for name in ("predicted", "realised"):
            columns[f"{model} {name}"] = of_model[name]
    wide = pd.DataFrame(columns)
    cells = {name: [number(value, 3) for value in wide[name].to_numpy(float)] for name in wide}
    sentence = (
        "Mean purchases per customer, all cutoffs together, in ten groups by each model's own prediction; customers "
        "with equal predictions are in one group."
    )
    shown = pd.DataFrame({"decile": [str(group) for group in wide.index], **cells})
    return Section("Calibration by decile, the lowest predictions first", (sentence,), shown)


def _where_baselines_win(results: Sequence[CutoffResult]) -> Section:
    sentences = wins_over_cutoffs(results)
    if not sentences:
        sentences = ["Nowhere: every model is better than every baseline on every measure"]
    if any(f": {ZERO} beats" in sentence for sentence in sentences):
        sentences.append(
            "If fewer than half of the customers buy, always zero is the median of purchases: it minimises the mean "
            "absolute error, but it does not say who buys"
        )
    return Section("Where a baseline wins", tuple(f"{sentence}." for sentence in sentences))


def _second_stage(judged: Backtested) -> Section:
    missing = [
        f"It could not be trained before {result.cutoff}: {result.left_out[SECOND_STAGE]}."
        for result in judged.results
        if SECOND_STAGE in result.left_out
    ]
    return Section("Second stage", (judged.stage.why, *missing))


def _metrics(judged: Backtested) -> dict[str, float]:
    logged = {"backtest/customers": float(np.mean([len(result.customers) for result in judged.results]))}
    for predictor, row in over_cutoffs(judged.results).iterrows():
        of = str(predictor).lower().replace("/", "_").replace(" ", "_")
        logged |= grouped(f"backtest/{of}", {str(measure): float(value) for measure, value in row.items()})
    return logged | grouped("second_stage", judged.stage.metrics)


def _log_plots(run: Run, inputs: Inputs, judged: Backtested) -> None:
    newest = next(result for result in judged.results if result.predictions)
    weekly = weekly_repeat_purchases(inputs.tables, newest)
    for name, cumulative in (("cumulative", True), ("incremental", False)):
        run.log_figure(tracking(weekly, newest.cutoff, cumulative=cumulative), f"plots/{name}_tracking.png")
    # Plots compare models on the same customers: those of the cutoffs that have all models of the newest cutoff.
    models = _models([newest])
    complete = [result for result in judged.results if all(model in result.predictions for model in models)]
    for what in ("purchases", "revenue"):
        realised = np.concatenate([result.customers[what] for result in complete])
        predicted: dict[str, npt.ArrayLike] = {model: _pooled(complete, model, what)[0] for model in models}
        run.log_figure(calibration(predicted, realised, what), f"plots/calibration_{what}.png")
        predicted[OWN_RATE] = np.concatenate([own_average_rate(r.customers, r.horizon)[what] for r in complete])
        run.log_figure(decile_lift(predicted, realised, what), f"plots/lift_{what}.png")
    shown = first_stage_name(judged.recipe, newest)
    shown = shown if shown in models else models[0]
    expected, realised = _pooled(complete, shown, "purchases")
    figure = purchases_by_frequency(_column(complete, shown, "frequency"), expected, realised)
    run.log_figure(figure, "plots/purchases_by_frequency.png")


def _models(results: Sequence[CutoffResult]) -> list[str]:
    return [model for model in MODELS if any(model in result.predictions for result in results)]


def _column(results: Sequence[CutoffResult], model: str, name: str) -> npt.NDArray[np.float64]:
    return np.concatenate([r.customers[name].to_numpy(float) for r in results if model in r.predictions])


def _pooled(
    results: Sequence[CutoffResult], model: str, what: str
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Predictions of a model and outcomes, (n,) each, of the customers of all cutoffs that have the model."""
    column = _PREDICTION[what]
    predicted = [r.predictions[model][column].to_numpy(float) for r in results if model in r.predictions]
    realised = _column(results, model, "revenue" if what == "revenue" else "purchases")
    return np.concatenate(predicted), (realised > 0).astype(float) if what == "p_purchase" else realised
