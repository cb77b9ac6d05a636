"""Deployments run on schedules and by hand, on a Prefect server with a process worker."""

from concurrent.futures import FIRST_COMPLETED, ThreadPoolExecutor, wait

import pandas as pd
import pytest
from filelock import FileLock
from mlflow.tracking import MlflowClient

AS_OF = pd.Timestamp("2024-03-01")


def buyers_before(project, as_of):
    """Count anew who bought before a date something that was kept until then; a return has the id of its order."""
    lines = pd.read_parquet(project / "shop" / "transactions.parquet")
    lines = lines[lines["ts"] < as_of]
    kept = lines["amount"].astype(float).groupby([lines["customer_id"], lines["order_id"]]).sum() > 0
    return set(kept[kept].index.get_level_values("customer_id"))


@pytest.mark.parametrize(("name", "cron"), [("weekly", "0 2 * * 0"), ("nightly", "0 4 * * *")])
def test_a_deployment_runs_on_its_schedule_and_one_run_at_a_time(scheduler, name, cron):
    (deployment,) = scheduler.ask("/deployments/filter", {"deployments": {"name": {"any_": [name]}}})
    assert [(s["schedule"]["cron"], s["schedule"]["timezone"], s["active"]) for s in deployment["schedules"]] == [
        (cron, "UTC", True)
    ]
    assert deployment["global_concurrency_limit"]["limit"] == 1
    assert deployment["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert deployment["work_pool_name"] == "revealed"


@pytest.mark.parametrize("name", ["weekly", "nightly"])
def test_the_server_has_put_the_next_runs_on_the_schedule(scheduler, published, name):
    wanted = {"deployments": {"name": {"any_": [name]}}, "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}}}
    assert scheduler.ask("/flow_runs/filter", wanted)


def test_runs_triggered_by_hand_publish_one_row_per_customer(scheduler, published):
    runs = (published.retrained, published.scored)
    assert [run["name"].split(" ")[0] for run in runs] == ["retrain", "score"]
    states = [(run["state"]["type"], run["state"]["name"]) for run in runs]
    assert states == [("COMPLETED", "Completed")] * 2, [scheduler.logs(published.retrained), published.scored]
    scores = published.current()
    expected = buyers_before(scheduler.project, AS_OF)
    assert 0 < len(expected) < 1_000
    assert len(scores) == len(expected)
    assert set(scores["customer_id"]) == expected
    assert set(scores["as_of"].astype(str)) == {"2024-03-01"}
    registry = MlflowClient(published.uri, published.uri)
    assert registry.get_model_version_by_alias("customer_scorer", "champion").tags["horizon"] == "60"


def test_the_steps_of_a_run_are_log_lines_of_the_server(scheduler, published):
    lines = scheduler.logs(published.scored)
    assert any(line.startswith("publish:") for line in lines), lines
    assert any("Valuable customers going silent" in line for line in lines)


def test_the_backtest_waits_for_a_hand(scheduler, published):
    (deployment,) = scheduler.ask("/deployments/filter", {"deployments": {"name": {"any_": ["by-hand"]}}})
    assert deployment["schedules"] == []
    run = scheduler.trigger("backtest/by-hand", horizon=60, backtest_cuts=1)
    assert run["state"]["name"] == "Completed", scheduler.logs(run)
    assert any("last period repeated" in line for line in scheduler.logs(run))


def test_an_unknown_parameter_is_refused_before_anything_runs(scheduler):
    refused = scheduler.prefect("deployment", "run", "retrain/weekly", "--param", 'settings={"horizn": 60}')
    assert refused.returncode == 1
    assert "'horizn' was unexpected" in " ".join((refused.stdout + refused.stderr).split())


def test_bad_input_fails_with_our_message_and_no_traceback(scheduler, published):
    before = len(scheduler.worker)
    run = scheduler.trigger("score/nightly", transactions=["nowhere.csv"])
    assert (run["state"]["type"], run["state"]["name"]) == ("FAILED", "Failed")
    assert "transactions: 'nowhere.csv' is not there" in run["state"]["message"]
    lines = scheduler.logs(run)
    assert any("'nowhere.csv' is not there" in line for line in lines)
    assert not [line for line in lines if "Traceback" in line or 'File "' in line]
    assert not [line for line in scheduler.worker[before:] if "nanobind: leaked" in line]


def test_a_run_that_fails_with_its_tables_open_leaves_no_lines_of_leaked_objects(scheduler, published):
    before = len(scheduler.worker)
    run = scheduler.trigger("retrain/weekly", segments=["nowhere"])
    assert (run["state"]["type"], run["state"]["name"]) == ("FAILED", "Failed")
    assert "a text of 7 characters: no column of customers" in run["state"]["message"]
    assert not [line for line in scheduler.worker[before:] if "nanobind: leaked" in line]


def test_too_many_bad_rows_end_as_a_failed_run_named_refused(scheduler, published):
    rows = [f"c{i},2024-01-{1 + i % 28:02d},{'abc' if i % 2 else '12.50'}" for i in range(100)]
    (scheduler.project / "half_bad.csv").write_text("\n".join(["customer_id,ts,amount", *rows]), encoding="utf-8")
    before = published.current()
    run = scheduler.trigger("score/nightly", transactions=["half_bad.csv"])
    assert (run["state"]["type"], run["state"]["name"]) == ("FAILED", "Refused")
    assert "50 of 100 rows (50.0%) break the contract" in run["state"]["message"]
    (artifact,) = scheduler.ask("/artifacts/filter", {"artifacts": {"flow_run_id": {"any_": [run["id"]]}}})
    assert (artifact["key"], "## Refused" in artifact["data"]) == ("score", True)
    pd.testing.assert_frame_equal(published.current(), before)


def test_a_run_beside_another_is_cancelled_and_the_other_publishes_everyone(scheduler, published):
    with ThreadPoolExecutor(2) as pool:
        # Neither can publish while the store is held here, so both are under way until one is cancelled.
        with FileLock(scheduler.project / "mlruns" / ".store.lock"):
            both = [pool.submit(scheduler.trigger, "score/nightly") for _ in range(2)]
            ended, _ = wait(both, return_when=FIRST_COMPLETED)
            assert [run.result()["state"]["type"] for run in ended] == ["CANCELLED"]
        states = sorted(run.result()["state"]["type"] for run in both)
    assert states == ["CANCELLED", "COMPLETED"]
    scores = published.current()
    assert scores["customer_id"].is_unique
    assert set(scores["customer_id"]) == buyers_before(scheduler.project, pd.Timestamp.max)
