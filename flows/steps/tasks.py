"""What all flows share: Prefect tasks with their retries, reading the inputs, the workspace of a run."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from prefect import State, Task, task
from prefect.cache_policies import NO_CACHE

from data.errors import InputError, RefusedError, RevealedError
from data.intake.pipeline import Intake
from flows.settings import Settings
from flows.steps.inputs import Inputs, open_inputs, read_inputs
from models.registry.tracking import Run

RETRIES = 2
RETRY_DELAY_SECONDS = 2.0


def is_worth_a_retry(_task: Task[Any, Any], _run: Any, state: State[Any]) -> bool:
    """Whether a failed task may succeed in another run: yes for disk and network, no for a user's mistake."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, RevealedError)


# Nothing is cached: Prefect would read whole tables to hash the arguments and results of a task.
plain_task = task(cache_policy=NO_CACHE, persist_result=False)
io_task = task(
    cache_policy=NO_CACHE,
    persist_result=False,
    retries=RETRIES,
    retry_delay_seconds=RETRY_DELAY_SECONDS,
    retry_condition_fn=is_worth_a_retry,
)


@io_task
def extract(settings: Settings, folder: Path) -> Intake:
    """Read and check the inputs into a folder of clean tables."""
    return read_inputs(settings, folder)


def take_inputs(run: Run, settings: Settings, folder: Path) -> Inputs:
    """Read the inputs, and log with the run what was read and which rows were set aside.

    Raises
    ------
    InputError, RefusedError
        As raised by the intake; if rows were set aside, the message says where they are kept.
    """
    try:
        intake = extract(settings, folder)
    except (InputError, RefusedError) as error:
        if not run.log_quarantine(folder):
            raise
        kept = f"All rows set aside are kept with run {run.run_id}: quarantine/quarantine.parquet."
        raise type(error)(f"{error}\n{kept}") from None
    run.log_intake(intake)
    return open_inputs(intake, settings)


@contextmanager
def workspace() -> Iterator[Path]:
    """Create a temporary folder for the clean tables of a run; it is deleted when the run ends."""
    with tempfile.TemporaryDirectory(prefix="revealed-") as folder:
        yield Path(folder)
