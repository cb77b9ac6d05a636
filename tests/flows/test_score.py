"""Scoring through the command, without Prefect, in an embedded store: what is published, and what is not."""

import json
import re
import shutil
from pathlib import Path

import mlflow
import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.catalogue import document
from models.population.scores_contract import check_scores
from models.population.scores_table import read_metadata
from models.registry.published_file import CURRENT, SCORES
from models.registry.scorers import (
    CHAMPION,
    SCORER,
    alias_version,
    model_versions,
)
from models.registry.store import open_store

# Without looking back, for what has nothing to do with it.
QUICK = ("--set", "second_stage=off")


def current(place: Path) -> pd.DataFrame:
    mlflow.set_tracking_uri(f"sqlite:///{place}/mlflow.db")
    return pd.read_parquet(mlflow.artifacts.download_artifacts(f"models:/{SCORES}@{CURRENT}/scores.parquet"))


def read_text(store, name: str) -> str:
    """What the newest run of the store logged under a name."""
    [run] = store.client.search_runs([store.experiment_id], order_by=["start_time DESC"], max_results=1)
    return Path(mlflow.artifacts.download_artifacts(run_id=run.info.run_id, artifact_path=name)).read_text()


def kept_orders(shop) -> pd.DataFrame:
    """The first sale line of each order that has not come back in full; a return has the id of its order."""
    lines = pd.read_parquet(shop["transactions"])
    is_kept = lines.groupby(["customer_id", "order_id"])["amount"].transform("sum") > 0
    return lines[is_kept & (lines["amount"] >= 0)].drop_duplicates(["customer_id", "order_id"])


def test_a_retrain_and_a_score_publish_every_customer_once(trained, shop):
    scores = current(trained)
    assert set(scores["customer_id"]) == set(kept_orders(shop)["customer_id"])
    assert scores["customer_id"].is_unique
    assert scores["next_purchase_index_change"].isna().all()
    assert set(scores["nps_source"]) == {"model"}
    reasons = [json.loads(text) for text in scores["reasons"].dropna()]
    assert reasons
    assert all(reason["text"] for of_one in reasons for reason in of_one)


def test_the_published_file_says_where_it_comes_from_and_keeps_its_contract(trained):
    store = open_store(str(trained))
    file = mlflow.artifacts.download_artifacts(f"models:/{SCORES}@{CURRENT}/scores.parquet", tracking_uri=store.uri)
    table = pq.read_table(file)
    check_scores(table)
    metadata = read_metadata(table)
    assert metadata["scorer_version"] == "1"
    assert metadata["horizon"] == "90"
    assert metadata["scorer_trained_after_as_of"] == "false"
    assert store.client.get_run(metadata["run_id"]).data.tags["kind"] == "score"


def test_the_same_input_gives_the_same_scores_bit_for_bit(trained, revealed, tables):
    before = current(trained)
    # The scores before are of the tables that the retraining had read.
    assert "so none was read" in read_text(open_store(str(trained)), "report.md")
    settings = ("--set", "publish_features=true", "--set", "keep_rows=false")
    assert revealed("score", *tables, "--mlruns", trained, *settings)[0] == 0
    assert "so none was read" not in read_text(open_store(str(trained)), "report.md")
    after = current(trained)
    pd.testing.assert_frame_equal(before, after, check_exact=True)

    # The features that were asked for lie beside them, and the champion scores them as they are.
    features = pd.read_parquet(mlflow.artifacts.download_artifacts(f"models:/{SCORES}@{CURRENT}/features.parquet"))
    assert features["customer_id"].tolist() == after["customer_id"].tolist()
    documented = re.findall(r"^\| `([^`]+)`", document(), re.MULTILINE)
    of_values = {re.sub(r"<\w+>", "<>", name).split("<>")[0] for name in documented if "<" in name}
    plain = [name for name in features if name not in documented]
    assert [name for name in plain if not name.startswith(tuple(of_values - {""}))] == []
    scorer = mlflow.pyfunc.load_model(f"models:/{SCORER}@{CHAMPION}")
    predicted = scorer.predict(features)
    pd.testing.assert_frame_equal(predicted, after[list(predicted)], check_exact=True, check_dtype=False)


@pytest.fixture
def next_day(trained, revealed, tables):
    """The scores before, and the output of the next day's scoring: made once, and its database restored each time."""
    first = current(trained).set_index("customer_id")
    kept, output = trained.with_name("next_day.db"), trained.with_name("next_day.txt")
    if not kept.exists():
        later = (pd.Timestamp(first["as_of"].iloc[0]) + pd.Timedelta(days=1)).date()
        code, out, _ = revealed("score", *tables, "--mlruns", trained, "--as-of", later)
        assert code == 0
        output.write_text(out)
        shutil.copyfile(trained / "mlflow.db", kept)
    shutil.copyfile(kept, trained / "mlflow.db")
    return first, output.read_text()


def test_the_change_of_the_index_is_against_the_scores_of_the_date_before(trained, next_day):
    before = next_day[0]["next_purchase_index"]
    after = current(trained).set_index("customer_id")
    change = after["next_purchase_index"] - before.reindex(after.index)
    pd.testing.assert_series_equal(after["next_purchase_index_change"], change, check_names=False)
    assert change.abs().max() > 0


def test_what_changed_since_a_version_brings_that_version_up_to_date(trained, next_day, revealed, own_environment):
    first = next_day[0]
    code, out, _ = revealed(
        "scores", "--mlruns", trained, "--since", 1, "--tolerance", 0, "--output", "changes.parquet"
    )
    assert code == 0
    changes = pd.read_parquet(own_environment / "changes.parquet").set_index("customer_id")
    assert " ".join(out.split()).count(f"{(changes['change'] == 'moved').sum():,} moved") == 1
    after = current(trained).set_index("customer_id")
    gone = changes.index[changes["change"] == "gone"]
    brought = pd.concat([first.drop(changes.index, errors="ignore"), changes.drop(gone)[first.columns]])
    columns = ["p_purchase", "clv", "p_promoter", "segment", "frequency", "last_purchase"]
    # Amounts below a cent count as the same.
    left, right = brought[columns].sort_index(), after[columns]
    pd.testing.assert_frame_equal(left.drop(columns="clv"), right.drop(columns="clv"), check_exact=True)
    assert (left["clv"] - right["clv"]).abs().max() <= 0.01
    assert revealed("scores", "--mlruns", trained, "--since", 9)[2].count("no scores were published as version 9") == 1


def test_a_score_keeps_action_lists_and_what_changed(trained, next_day):
    first, out = next_day
    store = open_store(str(trained))
    run = store.client.search_runs([store.experiment_id], filter_string="tags.kind = 'score'")[0]

    def read(path):
        return pd.read_csv(store.client.download_artifacts(run.info.run_id, path), dtype={"customer_id": str})

    after = current(trained).set_index("customer_id")
    assert after.loc[first.index, "nps_category_before"].tolist() == first["nps_category"].tolist()
    lists = read("action_lists.csv")
    assert set(lists["list"]) == {"likely_detractors", "lapsing", "promoters", "second_purchase"}
    assert set(lists["customer_id"]) == set(after.index[after["reasons"].notna()])
    table = store.client.load_table(store.experiment_id, "action_lists.json", run_ids=[run.info.run_id])
    # MLflow reads what looks like a number as one; the file itself holds text.
    assert table["customer_id"].astype(int).tolist() == lists["customer_id"].astype(int).tolist()
    moves = read("change/category_transitions.csv").set_index("before")
    assert moves.to_numpy().sum() == len(after)
    by_hand = pd.crosstab(first["nps_category"], after.loc[first.index, "nps_category"])
    for before, row in by_hand.iterrows():
        assert moves.loc[before, list(row.index)].tolist() == row.tolist()
    segments = read("change/segment_transitions.csv").set_index("before")
    assert segments.to_numpy().sum() == len(after)
    assert after.loc[first.index, "segment_before"].tolist() == first["segment"].tolist()
    by_hand = pd.crosstab(first["segment"], after.loc[first.index, "segment"])
    for before, row in by_hand.iterrows():
        assert segments.loc[before, list(row.index)].tolist() == row.tolist()
    assert read("segments/segments.csv")["customers"].sum() == len(after)
    assert f"Transitions between segments since {first['as_of'].iloc[0]}" in out
    stability = read("change/stability_features.csv").set_index("column")
    assert stability["psi"].max() < 0.1
    assert "Predictions published before the answers" in out
    assert "Too few to tell: 0 answers" in out


def test_a_trend_can_be_drawn_from_the_runs_alone(trained, revealed, tables, shop):
    earlier = (pd.Timestamp(current(trained)["as_of"].iloc[0]) - pd.Timedelta(days=90)).date()
    assert revealed("score", *tables, "--mlruns", trained, "--as-of", earlier)[0] == 0
    store = open_store(str(trained))
    runs = store.client.search_runs([store.experiment_id], filter_string="tags.kind = 'score'")
    assert len(runs) == 2
    of_runs = [
        {metric.step: metric for metric in store.client.get_metric_history(run.info.run_id, "measures/repeat_share")}
        for run in runs
    ]
    later, first = sorted(of_runs, key=len, reverse=True)
    # 500 days hold five whole windows of 90 days; of the windows that both runs cover, the later one knows of more
    # orders that came back.
    assert len(later) == 5 + 1
    for step, metric in first.items():
        assert metric.value == pytest.approx(later[step].value, abs=2)
    orders = kept_orders(shop)
    for step, metric in later.items():
        end = pd.Timestamp(0) + pd.Timedelta(days=step)
        assert metric.timestamp == end.timestamp() * 1000
        inside = orders[orders["ts"].between(end - pd.Timedelta(days=90), end, inclusive="left")]
        of_customer = inside.groupby("customer_id").size()
        assert metric.value == pytest.approx(100 * (of_customer >= 2).mean())
    files = {Path(file.path).name for file in store.client.list_artifacts(runs[0].info.run_id, "measures")}
    assert files == {"history.csv", "by_segment.csv"}


def test_a_score_says_whether_a_retrain_is_due(trained, next_day):
    _, out = next_day
    assert "It is too early to tell whether a retrain is due: 1 day since the training" in " ".join(out.split())
    store = open_store(str(trained))
    runs = store.client.search_runs([store.experiment_id], filter_string="tags.kind = 'score'")
    assert [run.data.tags["retrain"] for run in runs] == ["too early", "nothing new"]
    assert runs[0].data.metrics["drift/retrain_due"] == 0


def test_a_past_date_is_scored_with_past_behaviour_and_does_not_become_current(trained, revealed, tables):
    before = alias_version(open_store(str(trained)), CURRENT, SCORES)
    code, out, _ = revealed("score", *tables, "--mlruns", trained, "--as-of", "2023-12-01")
    assert code == 0
    assert "was trained after 2023-12-01" in out
    assert "NOT the current scores" in out
    assert "the current scores are of a later date" in out
    store = open_store(str(trained))
    assert alias_version(store, CURRENT, SCORES) == before
    newest = model_versions(store, SCORES)[0]
    assert newest.tags["as_of"] == "2023-12-01"
    assert newest.tags["scorer_trained_after_as_of"] == "true"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--horizon", "30"), "scorer 1 was fitted for 90"),
        (("--scorer", "9"), "there is no version 9"),
        (("--as-of", "2020-01-01"), "nothing is visible before as_of"),
        (("--as-of", "2062-01-01"), "which lies in the future"),
    ],
)
def test_a_score_with_what_the_scorer_does_not_have_is_a_mistake(trained, revealed, tables, more, message):
    code, _, err = revealed("score", *tables, "--mlruns", trained, *more)
    assert code == 2
    assert message in err


def test_a_score_without_a_champion_is_a_mistake(revealed, tables, own_environment):
    code, _, err = revealed("score", *tables, "--mlruns", own_environment / "empty")
    assert code == 2
    assert "run `revealed retrain` first" in err


def test_scores_are_shown_looked_up_and_written(trained, revealed, own_environment):
    code, out, _ = revealed("scores", "--mlruns", trained)
    assert code == 0
    assert "customers as of" in out
    someone = current(trained)["customer_id"].iloc[0]
    code, out, _ = revealed("scores", "--mlruns", trained, "--customer", someone)
    assert code == 0
    assert someone in out
    for name, read in (("s.csv", pd.read_csv), ("s.parquet", pd.read_parquet)):
        assert revealed("scores", "--mlruns", trained, "--output", name)[0] == 0
        assert len(read(own_environment / name)) == len(current(trained))
    assert revealed("scores", "--mlruns", trained, "--output", "s.xlsx")[0] == 2
    assert revealed("scores", "--mlruns", trained, "--customer", "nobody")[0] == 2
