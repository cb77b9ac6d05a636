"""Retraining through the command, without Prefect, in an embedded store: what is fitted, promoted, refused."""

import json
import sys
from collections import Counter

import mlflow
import numpy as np
import pandas as pd
import pytest

import flows.retrain
from data.errors import RefusedError
from features.engine.compiled import compiled
from flows.settings import Settings
from flows.steps.fitting import Fitted, Judged
from flows.steps.recipe_choice import Decision
from models.purchases.fit import fit_histories
from models.purchases.second_stage.training import _train
from models.recipe import Recipe
from models.registry.published_file import CURRENT, SCORES
from models.registry.reading import read_scores
from models.registry.scorers import (
    CHALLENGER,
    CHAMPION,
    PREVIOUS,
    SCORER,
    alias_version,
    model_versions,
)
from models.registry.store import open_store
from models.release.promotion_gate import Verdict
from models.scoring.boosted import trees

# Without looking back, for what has nothing to do with it.
QUICK = ("--set", "second_stage=off")


def test_the_runs_hold_parameters_metrics_plots_report_and_digests(trained):
    store = open_store(str(trained))
    runs = store.client.search_runs([store.experiment_id], filter_string="tags.kind = 'retrain'")
    run = runs[0]
    assert run.info.run_name == f"retrain {run.data.params['as_of']}"
    assert run.data.tags["mlflow.note.content"].startswith("Scorer 1 is champion: ")
    told = store.client.get_model_version(SCORER, "1").description
    assert told.startswith(f"Trained as of {run.data.params['as_of']}. Promoted: ")
    scored = store.client.get_model_version(SCORES, "1")
    assert scored.description.endswith(f"customers as of {run.data.params['as_of']}, by scorer 1")
    assert store.client.get_run(scored.run_id).info.run_name == f"score {run.data.params['as_of']}"
    assert run.data.params["horizon"] == "90"
    # Parameters are words, not dumps, and every metric belongs to a group.
    assert run.data.params["rfm_segments"].startswith("champions, loyal, ")
    assert run.data.params["static_attributes"] == "–"
    for each in runs[0], store.client.get_run(scored.run_id):
        assert not [value for value in each.data.params.values() if set(value) & set("{}()[]'")]
        assert not [name for name in each.data.metrics if "/" not in name]
    assert {"fit/bg_nbd_r", "fit/bg_nbd_r_se", "backtest/model/purchases_mae", "nps/rps_model", "nps_base/nps"} <= set(
        run.data.metrics
    )
    assert {dataset.dataset.name for dataset in run.inputs.dataset_inputs} == {"transactions", "answers", "events"}
    logged = {file.path for file in store.client.list_artifacts(run.info.run_id)}
    wanted = {
        "report.md",
        "fits.csv",
        "covariance_purchases.csv",
        "covariance_spend.csv",
        "backtest.csv",
        "report",
        "nps",
    }
    assert wanted | {"intake.json"} <= logged
    covariance = pd.read_csv(
        mlflow.artifacts.download_artifacts(
            run_id=run.info.run_id, artifact_path="covariance_purchases.csv", tracking_uri=store.uri
        ),
        index_col=0,
    ).to_numpy()
    np.testing.assert_allclose(covariance, covariance.T, rtol=1e-12)
    np.testing.assert_allclose(np.sqrt(covariance[0, 0]), run.data.metrics["fit/bg_nbd_r_se"], rtol=1e-9)
    assert 0 < run.data.metrics["fit/bg_nbd_dropout_share_low"] < run.data.metrics["fit/bg_nbd_dropout_share"] < 1


def count_calls(monkeypatch, function, key) -> Counter:
    """Count the calls of a function by what it is called with, in every module that imported it."""
    calls: Counter = Counter()

    def counted(*arguments, **options):
        calls[key(*arguments, **options)] += 1
        return function(*arguments, **options)

    for module in list(sys.modules.values()):
        if getattr(module, "__name__", "").split(".")[0] in ("features", "models", "flows"):
            for name in [name for name, value in vars(module).items() if value is function]:
                monkeypatch.setattr(module, name, counted)
    return calls


def count_parsed_trees(monkeypatch) -> Counter:
    """Count how often each text of trees is parsed."""
    texts, parse = Counter(), trees.read_trees

    def counted(text):
        texts[text] += 1
        return parse(text)

    monkeypatch.setattr(trees, "read_trees", counted)
    return texts


def vocabulary_of(vocabulary) -> str:
    return json.dumps(vocabulary.to_dict())


def test_a_retrain_beside_a_champion_promotes_it_and_a_rollback_goes_back_once(
    trained, revealed, tables, shop, monkeypatch
):
    store = open_store(str(trained))
    with monkeypatch.context() as patch:
        described = count_calls(
            patch, compiled, lambda query, _, dates=(), settings=(): (query.__name__, *dates, *settings)
        )
        summarised = count_calls(patch, fit_histories, lambda statistics, _, model: (id(statistics), model))
        stages = count_calls(patch, _train, lambda _, cutoff, *rest: (cutoff, vocabulary_of(rest[-1])))
        parsed = count_parsed_trees(patch)
        code, out, _ = revealed("retrain", *tables, "--mlruns", trained)
    assert code == 0
    # Everyone at a date under one vocabulary.
    assert {calls for (query, *_), calls in described.items() if query == "_everyone"} == {1}
    assert set(summarised.values()) == {1}
    assert set(stages.values()) == {1}
    # Of the release and of its twin.
    assert len(stages) == 2
    # Once by the retraining, and once by MLflow, which tries the code of the version that it logs.
    assert max(parsed.values()) <= 2
    assert "Scorer 2 is champion" in out
    assert "log loss of p_purchase" in out
    aliases = [alias_version(store, alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)]
    assert aliases == [2, None, 1]
    # Its second stage has learned from events, which this scoring lacks.
    code, out, _ = revealed("score", "--transactions", shop["transactions"], "--mlruns", trained)
    assert code == 0
    text, customers = " ".join(out.split()), read_scores(store, 2).num_rows
    assert f"WARNING: {customers:,} customers are scored by the purchase models alone" in text
    assert "WARNING: scorer 2 was trained with events, which this run does not have" in text
    assert alias_version(store, CURRENT, SCORES) == 2

    code, out, _ = revealed("rollback", "--mlruns", trained)
    assert code == 0
    assert "champion is version 1 again" in out
    assert alias_version(store, CURRENT, SCORES) == 1
    code, _, err = revealed("rollback", "--mlruns", trained)
    assert code == 3
    assert "has no previous version" in err
    assert alias_version(store, CHAMPION) == 1
    assert store.client.get_model_version(SCORER, "2").tags["rolled_back"] == "true"


def test_a_backtest_is_kept_with_its_run_and_moves_nothing(trained, revealed, tables):
    store = open_store(str(trained))
    before = [alias_version(store, CHAMPION), len(model_versions(store, SCORER))]
    code, out, _ = revealed("backtest", *tables, "--mlruns", trained, "--cuts", "1", "--horizon", "90")
    assert code == 0
    assert all(name in out for name in ("BG/NBD", "MBG/NBD", "second stage", "last period repeated"))
    assert [alias_version(store, CHAMPION), len(model_versions(store, SCORER))] == before
    [run] = store.client.search_runs([store.experiment_id], filter_string="tags.kind = 'backtest'")
    assert {"report.md", "plots"} <= {file.path for file in store.client.list_artifacts(run.info.run_id)}


def test_a_retrain_that_forgets_the_answers_ends_as_refused(trained, revealed, shop):
    code, _, err = revealed("retrain", "--transactions", shop["transactions"], "--mlruns", trained)
    assert code == 3
    assert "--without-answers" in err
    assert alias_version(open_store(str(trained)), CHALLENGER) is None


def test_bad_rows_above_the_limit_stop_before_anything_is_published_and_are_kept(revealed, own_environment):
    rows = "\n".join(f"{i},2024-01-0{i % 9 + 1},{'x' if i % 3 == 0 else 1}" for i in range(30))
    (own_environment / "sales.csv").write_text(f"customer_id,ts,amount\n{rows}\n")
    code, _, err = revealed("retrain", "--transactions", "sales.csv")
    assert code == 3
    assert "amount is not a number" in err
    store = open_store()
    assert alias_version(store, CHAMPION) is None
    run = store.client.search_runs([store.experiment_id])[0]
    assert run.info.status == "FAILED"
    assert [file.path for file in store.client.list_artifacts(run.info.run_id, "quarantine")]


def test_a_refused_scorer_is_registered_with_its_reason_and_no_alias_moves(trained, tables, releases, monkeypatch):
    """Without fitting: the steps are replaced by what they would have made."""
    verdict = Verdict(False, "refused: its log loss is worse")
    fitted = Fitted(Decision(Recipe(second_stage=False)), *releases, releases[1].as_of)
    monkeypatch.setattr("flows.retrain.fit_scorer", lambda *_: fitted)
    monkeypatch.setattr("flows.retrain.judge_scorer", lambda *_: Judged(verdict, None, None))
    named = dict(zip((name.removeprefix("--") for name in tables[::2]), ([file] for file in tables[1::2]), strict=True))
    with pytest.raises(RefusedError, match=verdict.reason):
        flows.retrain.retrain(Settings(**named, mlruns=str(trained)))
    store = open_store(str(trained))
    assert [alias_version(store, alias) for alias in (CHAMPION, CHALLENGER, PREVIOUS)] == [1, 2, None]
    assert store.client.get_model_version(SCORER, "2").tags["verdict"] == verdict.reason
