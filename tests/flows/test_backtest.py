"""The backtest of a shop: what it finds, tells and keeps. The flow around it adds only the reading of the inputs."""

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rich.console import Console

from data.errors import InputError, RefusedError
from flows.backtest import backtest, report
from flows.reports.backtest import backtest_sections, decile_table, frequency_table
from flows.settings import Settings
from flows.steps.inputs import Inputs, open_inputs, read_inputs
from flows.steps.look_back import Backtested, look_back
from flows.steps.progress import shown_on
from models.registry.tracking import Run, tracked
from models.release.rolling import BG, MBG, SECOND_STAGE, CutoffResult, over_cutoffs


@pytest.fixture(scope="module")
def settings(shop) -> Settings:
    return Settings(transactions=[str(shop["transactions"])], horizon=90, backtest_cuts=9, purchase_model="auto")


@pytest.fixture(scope="module")
def inputs(settings, tmp_path_factory) -> Inputs:
    return open_inputs(read_inputs(settings, tmp_path_factory.mktemp("clean")), settings)


@pytest.fixture(scope="module")
def backtested(settings, inputs) -> Backtested:
    return look_back(settings, inputs)


def test_every_cutoff_that_the_history_allows_is_judged_with_every_model(backtested, inputs):
    cutoffs = [result.cutoff for result in backtested.results]
    assert cutoffs == [inputs.as_of - pd.Timedelta(days=90 * k) for k in range(1, 5)]
    for result in backtested.results:
        assert {BG, MBG} <= set(result.predictions)
    # Trained out of time, the second stage needs two horizons before its cutoff.
    assert [SECOND_STAGE in result.predictions for result in backtested.results] == [True, True, True, False]
    assert backtested.automatic.startswith("BG/NBD" if backtested.recipe.purchase_model == "bg_nbd" else "MBG/NBD")


def test_report_tables_and_plots_are_kept_with_the_run_and_the_report_is_told(store, settings, inputs, backtested):
    console = Console(file=io.StringIO(), width=160)
    with tracked(store, "backtest", {}) as run, shown_on(console):
        report(run, settings, inputs, backtested)
    shown = console.file.getvalue()
    for sentence in (
        "9 cutoffs were asked for",
        "Purchases in the horizon, mean over 4 cutoffs",
        "Calibration by decile",
        "Where a baseline wins",
        'Choice of purchase_model = "auto"',
        "Second stage",
        run.run_id,
    ):
        assert sentence in shown
    kept = store.client.get_run(run.run_id)
    assert kept.data.tags["kind"] == "backtest"
    assert kept.data.params["horizon"] == "90"
    mean = over_cutoffs(backtested.results)
    assert kept.data.metrics["backtest/bg_nbd/purchases_mae"] == mean.loc[BG, "purchases_mae"]
    assert kept.data.metrics["second_stage/auc_second"] > 0.5
    assert kept.data.tags["second_stage"] == backtested.stage.why
    assert kept.data.metrics["backtest/days_since_last_purchase/p_purchase_auc"] > 0.5
    files = {file.path for file in store.client.list_artifacts(run.run_id)}
    tables = {"backtest.csv", "backtest_by_cutoff.csv", "calibration_by_decile.csv", "calibration_by_frequency.csv"}
    assert files == {*tables, "report.md", "plots"}
    plots = {Path(file.path).stem for file in store.client.list_artifacts(run.run_id, "plots")}
    assert plots == {
        *("cumulative_tracking", "incremental_tracking", "purchases_by_frequency"),
        *(f"{kind}_{what}" for kind in ("calibration", "lift") for what in ("purchases", "revenue")),
    }
    csv = pd.read_csv(store.client.download_artifacts(run.run_id, "backtest_by_cutoff.csv"))
    again = csv.groupby("predictor")["revenue_gini"].mean()
    assert again[BG] == pytest.approx(mean.loc[BG, "revenue_gini"])


def test_the_flow_reads_judges_and_reports_in_a_run_of_its_own(store, settings, inputs, backtested, monkeypatch):
    monkeypatch.setattr("flows.backtest.judge_models", lambda *_: backtested)
    there = settings.model_copy(update={"mlruns": str(store.folder)})
    run = store.client.get_run(backtest(there))
    assert run.info.status == "FINISHED"
    assert run.info.run_name == f"backtest {inputs.as_of}"
    assert {dataset.dataset.name for dataset in run.inputs.dataset_inputs} == {"transactions"}
    assert not store.client.search_registered_models()

    def refuse(*_):
        raise RefusedError("too many bad rows")

    monkeypatch.setattr("flows.steps.tasks.extract", refuse)
    with pytest.raises(RefusedError, match="too many bad rows"):
        backtest(there)


def test_tables_of_calibration_add_up_to_everyone(backtested):
    customers = pd.concat([result.customers for result in backtested.results])
    for table in (decile_table(backtested.results), frequency_table(backtested.results)):
        of_bg = table[table["model"] == BG]
        assert (of_bg.groupby("quantity")["n"].sum() == len(customers)).all()
        totals = (of_bg["n"] * of_bg["realised"]).groupby(of_bg["quantity"]).sum()
        bought = (customers["purchases"] > 0).sum()
        expected = {
            "purchases": customers["purchases"].sum(),
            "revenue": customers["revenue"].sum(),
            "p_purchase": bought,
        }
        assert totals.to_dict() == pytest.approx(expected)


def figures_of(title: str, sections: list) -> pd.DataFrame:
    (table,) = (each.table for each in sections if each.title.startswith(title))
    return table


def test_figures_in_the_report_are_those_of_the_customers(store, settings, inputs, backtested):
    sections = backtest_sections(settings, inputs, replace(backtested, results=backtested.results[:1]), Run(store, "0"))
    result: CutoffResult = backtested.results[0]
    predicted, came = result.predictions[BG]["expected_purchases"], result.customers["purchases"]
    row = figures_of("Purchases in the horizon, one cutoff", sections).set_index("predictor").loc[BG]
    assert row["MAE"] == f"{np.abs(predicted - came).mean():.4f}"
    assert row["bias"] == f"{100 * (predicted.sum() / came.sum() - 1):+.1f} %"
    deciles = figures_of("Calibration by decile", sections)
    top = predicted.sort_values().index[-round(len(predicted) / 10) :]
    assert float(deciles[f"{BG} predicted"].iloc[-1]) == pytest.approx(predicted[top].mean(), rel=0.02)
    assert not [section for section in sections if section.title.startswith("Cutoff ")]


def test_how_the_second_stage_served_and_the_cutoffs_that_lack_it_are_told(store, settings, inputs, backtested):
    sections = backtest_sections(settings, inputs, backtested, Run(store, "0"))
    (section,) = (section for section in sections if section.title.startswith("Second stage"))
    verdict, missing = section.sentences
    assert verdict == backtested.stage.why
    assert missing.startswith(f"It could not be trained before {backtested.results[-1].cutoff}: ")


def test_a_model_that_nothing_beats_is_said_to_be_beaten_nowhere(store, settings, inputs, backtested):
    result = backtested.results[0]
    customers = result.customers
    came = {"expected_purchases": customers["purchases"], "expected_revenue": customers["revenue"]}
    perfect = pd.DataFrame({"p_purchase": (customers["purchases"] > 0).clip(0.01, 0.99), **came})
    best = replace(result, predictions={BG: perfect})
    sections = backtest_sections(settings, inputs, replace(backtested, results=[best]), Run(store, "0"))
    (section,) = (section for section in sections if section.title == "Where a baseline wins")
    assert section.sentences == ("Nowhere: every model is better than every baseline on every measure.",)


def test_a_shop_without_a_purchase_model_says_what_its_data_lack(own_environment):
    days = pd.date_range("2024-01-01", periods=60)
    pd.DataFrame({"customer_id": [f"c{i}" for i in range(60)], "ts": days, "amount": 5.0}).to_parquet("once.parquet")
    settings = Settings(transactions=["once.parquet"], horizon=20)
    inputs = open_inputs(read_inputs(settings, own_environment / "clean"), settings)
    with pytest.raises(InputError, match="no purchase model could be fitted before any cutoff"):
        look_back(settings, inputs)
