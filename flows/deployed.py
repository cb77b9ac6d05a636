"""The flows as Prefect runs them: the entrypoints of the deployments. The flows themselves are plain functions.

Prefect adds what it is there for: each step is a task, the run has a name that says as of when, its summary is an
artifact, and a refusal is a state that stands out in every list.
"""

import atexit
import traceback
from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

from prefect import State, Task, flow, get_client, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from prefect.states import Failed

import flows.backtest
import flows.retrain
import flows.score
from data.errors import RefusedError
from flows.environment import hide_tracebacks, let_go_of_engine
from flows.faults import without_words
from flows.reports.sections import Section, keeping_what_is_told, to_markdown
from flows.retrain import Retrained
from flows.run_settings import RunSettings
from flows.settings import Settings
from flows.steps.scoring import Published
from flows.steps.tasks import RETRY_DELAY_SECONDS, Runner, is_worth_a_retry, steps_run_by

REFUSED = "Refused"
T = TypeVar("T")

# The process of a run ends with it.
atexit.register(let_go_of_engine)


def name_of_run() -> str:
    """Name a run by what it does and as of when, as far as that is known before the tables are read."""
    settings = flow_run.parameters.get("settings")
    as_of = settings.get("as_of") if isinstance(settings, dict) else getattr(settings, "as_of", None)
    return f"{flow_run.flow_name} {as_of}" if as_of else str(flow_run.flow_name)


@flow(
    name="retrain",
    description="Fit a scorer on a shop's tables, and promote it if it passes the gate.",
    flow_run_name=name_of_run,
)
def retrain(settings: RunSettings) -> Retrained | State[Any]:
    """Run `flows.retrain`.

    Parameters
    ----------
    settings : RunSettings
        What to read, as of when, and how; what is left alone comes from the environment and ``revealed.toml``.
    """
    return _run("retrain", flows.retrain.retrain, settings)


@flow(
    name="score",
    description="Score every customer of a shop with the champion and publish the table.",
    flow_run_name=name_of_run,
)
def score(settings: RunSettings) -> Published | State[Any]:
    """Run `flows.score`.

    Parameters
    ----------
    settings : RunSettings
        What to read, as of when, and how; what is left alone comes from the environment and ``revealed.toml``.
    """
    return _run("score", flows.score.score, settings)


@flow(
    name="backtest",
    description="Fit before past cutoffs, and compare the models with outcomes and baselines.",
    flow_run_name=name_of_run,
)
def backtest(settings: RunSettings) -> str | State[Any]:
    """Run `flows.backtest`.

    Parameters
    ----------
    settings : RunSettings
        What to read, as of when, and how; what is left alone comes from the environment and ``revealed.toml``.
    """
    return _run("backtest", flows.backtest.backtest, settings)


class TaskRunner(Runner):
    """Runs the steps of a flow as tasks of Prefect's.

    Attributes
    ----------
    name : str
        The name that the run has now.
    """

    def __init__(self) -> None:
        self.name = name_of_run()

    def run(self, function: Callable[..., T], retries: int, *arguments: Any, **named: Any) -> T:
        """Run a step as a task, with Prefect's retries."""
        # Nothing is cached: what a step takes and gives are tables, which Prefect would read through to hash them.
        as_task: Any = task(
            cache_policy=NO_CACHE,
            persist_result=False,
            retries=retries,
            retry_delay_seconds=RETRY_DELAY_SECONDS,
            retry_condition_fn=_is_worth_a_retry,
        )
        return cast(T, as_task(_saying_no_secret(function))(*arguments, **named))

    def rename(self, name: str) -> None:
        """Rename the run of Prefect's."""
        self.name = name
        with get_client(sync_client=True) as client:
            client.update_flow_run(flow_run.id, name=name)


def _run(kind: str, function: Callable[[Settings], T], settings: RunSettings) -> T | State[Any]:
    """Run a flow's function with its steps as tasks; a refusal is a state of type Failed that is named Refused."""
    hide_tracebacks()
    runner = TaskRunner()
    with steps_run_by(runner), keeping_what_is_told() as sections:
        try:
            result = function(settings.resolve())
        except RefusedError as error:
            _leave_summary(kind, runner.name, [Section(REFUSED, (str(error),)), *sections])
            return Failed(name=REFUSED, message=str(error))
        except Exception as error:
            _forget_locals(error)
            raise without_words(error) from None
        except BaseException as error:
            _forget_locals(error)
            raise
    _leave_summary(kind, runner.name, sections)
    return result


def _saying_no_secret(function: Callable[..., T]) -> Callable[..., T]:
    """Let a step raise nothing whose words may hold a password: Prefect stores and logs them."""

    @wraps(function)
    def step(*arguments: Any, **named: Any) -> T:
        try:
            return function(*arguments, **named)
        except Exception as error:
            raise without_words(error) from None

    return step


def _forget_locals(error: BaseException | None) -> None:
    """Let go of what the frames of an error hold: Prefect keeps errors until the process ends.

    An engine that is still open then would write lines about leaked objects into the log of the worker.
    """
    while error is not None:
        traceback.clear_frames(error.__traceback__)
        error = error.__cause__ or error.__context__


def _leave_summary(kind: str, name: str, sections: list[Section]) -> None:
    """Leave the report as an artifact; each kind of run has one history of them."""
    create_markdown_artifact(to_markdown(name, sections), key=kind, description=name)


def _is_worth_a_retry(_task: Task[Any, Any], _run: Any, state: State[Any]) -> bool:
    return is_worth_a_retry(cast(BaseException, state.result(raise_on_failure=False)))
