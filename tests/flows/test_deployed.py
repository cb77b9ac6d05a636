"""The flows as Prefect runs them, on its test server: what a form leaves alone, names, tasks, summaries, refusals."""

import gc
import os
import weakref

import pytest
from prefect import get_client
from prefect.client.schemas.filters import ArtifactFilter, ArtifactFilterFlowRunId
from prefect.settings import get_current_settings
from rich.console import Console

import flows.score
from data.errors import InputError, RefusedError
from flows import deployed
from flows.command.running import has_prefect, run_flow
from flows.reports.sections import Section, tell
from flows.run_settings import RunSettings
from flows.settings import Settings
from flows.steps import tasks
from flows.steps.tasks import io_task

FILE = """
transactions = "sales.csv"
currency = "EUR"
horizon = 45
second_stage = "off"
segments = ["region"]
quarantine_limit = {answers = 0.5}

[columns.transactions]
customer_id = "client"
"""


@pytest.fixture
def settings_file(own_environment):
    (own_environment / "revealed.toml").write_text(FILE)
    return own_environment


def every_default():
    """What a form posts that knows all defaults and of which no field was touched."""
    return Settings.model_construct().model_dump(mode="json")


def test_a_form_that_posts_every_default_leaves_the_settings_file_as_it_is(settings_file, monkeypatch, prefect_server):
    taken = []
    monkeypatch.setattr(flows.score, "score", taken.append)
    touched = every_default() | {"margin": 0.3, "as_of": "2024-05-01"}
    emptied = {"segments": [], "transactions": [], "answers": None, "columns": {}, "currency": "", "rfm_segments": {}}
    for posted in ({}, every_default(), dict.fromkeys(Settings.model_fields), emptied, touched):
        deployed.score(posted)
    from_file = Settings.load()
    assert (from_file.currency, from_file.horizon, from_file.second_stage) == ("EUR", 45, "off")
    assert from_file.segments == ["region"]
    assert taken[:4] == [from_file] * 4
    assert taken[4] == from_file.model_copy(update={"margin": 0.3, "as_of": RunSettings(as_of="2024-05-01").as_of})


def test_what_a_run_sets_itself_beats_the_file_even_where_it_is_the_default(settings_file):
    settings = RunSettings(second_stage="auto", quarantine_limit={"events": 0.2}).resolve()
    assert (settings.second_stage, settings.currency) == ("auto", "EUR")
    assert settings.quarantine_limit == {"transactions": 0.05, "answers": 0.5, "events": 0.2, "customers": 0.05}
    assert settings.columns == {"transactions": {"customer_id": "client"}}
    assert RunSettings.of(Settings.load(horizon=30)).resolve() == Settings.load(horizon=30)


def test_the_schema_of_the_form_has_no_default_and_tells_it(settings_file):
    schema = deployed.score.parameters.model_dump()["definitions"]
    fields = schema["RunSettings"]["properties"]
    assert set(fields) == set(Settings.model_fields)
    assert not [
        name for name, field in (*fields.items(), *schema["Format"]["properties"].items()) if "default" in field
    ]
    assert "required" not in schema["RunSettings"]
    assert fields["timezone"]["description"].endswith("(left alone: as in revealed.toml, else UTC)")
    with pytest.raises(ValueError, match="horizn"):
        RunSettings(horizn=30)


def test_a_password_in_a_url_is_not_among_the_parameters_that_prefect_stores():
    stored = RunSettings(transactions=["https://me:secret@shop.example/sales.csv"]).model_dump_json()
    assert "shop.example/sales.csv" in stored
    assert "secret" not in stored


def read_run(state):
    """The run of Prefect's that ended in a state, with its artifacts and its task runs."""
    run_id = state.state_details.flow_run_id
    with get_client(sync_client=True) as client:
        artifacts = client.read_artifacts(
            artifact_filter=ArtifactFilter(flow_run_id=ArtifactFilterFlowRunId(any_=[run_id]))
        )
        return client.read_flow_run(run_id), artifacts


def fake_score(outcome):
    def score(settings):
        (tasks._runner.get() or tasks.Runner()).rename("score 2024-05-01")
        tell([Section("4 customers scored", ("All is well.",))])
        return io_task(outcome)()

    return score


def test_a_run_is_named_by_its_date_and_leaves_its_summary(own_environment, monkeypatch, prefect_server):
    monkeypatch.setattr(flows.score, "score", fake_score(lambda: "published"))
    state = deployed.score(RunSettings(), return_state=True)
    run, (artifact,) = read_run(state)
    assert (run.name, run.state.type.value, run.state.name) == ("score 2024-05-01", "COMPLETED", "Completed")
    assert artifact.key == "score"
    assert "## 4 customers scored\n\nAll is well." in artifact.data
    assert artifact.description == "score 2024-05-01"


def test_a_refusal_is_a_failed_state_named_refused_with_its_reason_in_the_summary(
    own_environment, monkeypatch, prefect_server
):
    def refuse():
        raise RefusedError("too many bad rows")

    monkeypatch.setattr(flows.score, "score", fake_score(refuse))
    state = deployed.score(RunSettings(as_of="2024-05-01"), return_state=True)
    run, (artifact,) = read_run(state)
    assert (run.state.type.value, run.state.name, run.state.message) == ("FAILED", "Refused", "too many bad rows")
    assert run.name == "score 2024-05-01"
    assert "## Refused\n\ntoo many bad rows\n\n## 4 customers scored" in artifact.data


class Engine:
    """Stands for an engine that must be closed before the process ends."""


def test_a_failed_run_that_prefect_keeps_does_not_keep_what_its_steps_held(
    own_environment, monkeypatch, prefect_server
):
    held = []

    def fail():
        engine = Engine()
        held.append(weakref.ref(engine))
        try:
            raise KeyError("first")
        except KeyError:
            raise InputError("mend it") from None

    monkeypatch.setattr(flows.score, "score", fake_score(fail))
    state = deployed.score(RunSettings(), return_state=True)
    gc.collect()
    assert isinstance(state.result(raise_on_failure=False), InputError)
    assert [engine() for engine in held] == [None]


@pytest.mark.parametrize("with_prefect", [True, False])
def test_the_command_runs_the_same_flow_in_prefect_where_an_api_is_set_and_else_without(
    own_environment, monkeypatch, request, with_prefect
):
    if with_prefect:
        request.getfixturevalue("prefect_server")
        monkeypatch.setenv("PREFECT_API_URL", get_current_settings().api.url)
    else:
        monkeypatch.delenv("PREFECT_API_URL", raising=False)
        monkeypatch.setenv("HOME", str(own_environment))
    monkeypatch.setattr(tasks, "RETRY_DELAY_SECONDS", 0)
    monkeypatch.setattr(deployed, "RETRY_DELAY_SECONDS", 0)
    tries, in_prefect = [], []

    def publish():
        tries.append(1)
        in_prefect.append(isinstance(tasks._runner.get(), deployed.TaskRunner))
        if len(tries) < 3:
            raise ConnectionError("the disk is gone for a moment")
        return len(tries)

    monkeypatch.setattr(flows.score, "score", fake_score(publish))
    assert run_flow("score", Settings(), Console(quiet=True)) == 3
    assert set(in_prefect) == {with_prefect}
    tries.clear()

    def refuse():
        tries.append(1)
        raise RefusedError("no")

    monkeypatch.setattr(flows.score, "score", fake_score(refuse))
    with pytest.raises(RefusedError, match="no"):
        run_flow("score", Settings(), Console(quiet=True))
    assert len(tries) == 1

    def mistake():
        raise InputError("mend it")

    monkeypatch.setattr(flows.score, "score", fake_score(mistake))
    with pytest.raises(InputError, match="mend it"):
        run_flow("score", Settings(), Console(quiet=True))


def test_prefect_is_used_where_the_environment_or_a_profile_names_an_api(own_environment, monkeypatch):
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.delenv("PREFECT_HOME", raising=False)
    monkeypatch.setenv("HOME", str(own_environment))
    assert not has_prefect()
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:4200/api")
    assert has_prefect()
    assert "PREFECT_HOME" not in os.environ
