"""What all flows share: how a step is run, with its retries; reading the inputs."""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

from data.errors import ConnectionLostError, FaultError, InputError, RefusedError, RevealedError
from data.intake.pipeline import Intake
from data.pseudonyms import Protection
from flows.faults import describe_fault
from flows.settings import Settings
from flows.steps.inputs import Inputs, open_inputs, read_inputs
from flows.steps.store_place import locate_store
from models.registry.privacy.beside import KEPT_ROWS, KEPT_TABLES
from models.registry.privacy.forgotten import protection_of
from models.registry.tracking import Run

RETRIES = 2
RETRY_DELAY_SECONDS = 2.0

logger = logging.getLogger("revealed")
P = ParamSpec("P")
T = TypeVar("T")


class Runner:
    """Runs the steps of a flow as plain functions. With Prefect, `flows.deployed` puts another in its place."""

    def run(self, function: Callable[..., T], retries: int, *arguments: Any, **named: Any) -> T:
        """Run a step, and run it again after a fault that is not the user's."""
        for attempt in range(retries + 1):
            try:
                return function(*arguments, **named)
            except Exception as error:
                if attempt == retries or not is_worth_a_retry(error):
                    raise
                # Its text may hold a password.
                what = describe_fault(error) or type(error).__name__
                logger.warning("%s failed (%s) and is run again", function.__name__, what)
                time.sleep(RETRY_DELAY_SECONDS)
        raise AssertionError("the last attempt returns or raises")

    def rename(self, name: str) -> None:
        """Give the run a name that says as of when, once that is settled."""


_runner: ContextVar[Runner | None] = ContextVar("runner", default=None)


@contextmanager
def steps_run_by(runner: Runner) -> Iterator[None]:
    """Let another runner run the steps within."""
    token = _runner.set(runner)
    try:
        yield
    finally:
        _runner.reset(token)


def is_worth_a_retry(error: BaseException) -> bool:
    """Whether a failed step may succeed in another run: yes for disk and network, no for a user's mistake."""
    return not isinstance(error, RevealedError) or isinstance(error, ConnectionLostError | FaultError)


def plain_task(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function a step of a flow: a task of its own where Prefect runs the flow."""
    return _as_step(function, lambda: 0)


def io_task(function: Callable[P, T]) -> Callable[P, T]:
    """Make a function that reads or writes files or the store a step of a flow, which is retried after a fault."""
    return _as_step(function, lambda: RETRIES)


def _as_step(function: Callable[P, T], retries: Callable[[], int]) -> Callable[P, T]:
    @wraps(function)
    def step(*arguments: P.args, **named: P.kwargs) -> T:
        return (_runner.get() or Runner()).run(function, retries(), *arguments, **named)

    return step


@io_task
def extract(settings: Settings, folder: Path, protection: Protection) -> Intake:
    """Read and check the inputs into a folder of clean tables, as far as what they are made of has changed."""
    location = locate_store(settings.mlruns)
    if not location.embedded or not settings.keep_rows:
        return read_inputs(settings, folder, protection=protection)
    return read_inputs(settings, folder, location.folder / KEPT_ROWS, protection, location.folder / KEPT_TABLES)


def take_inputs(run: Run, settings: Settings) -> Inputs:
    """Read the inputs into the run's folder, log what was read and which rows were set aside, name the run by its date.

    From a cluster come the rows of those customers that are learned from.

    Raises
    ------
    InputError, RefusedError
        As raised by the intake; if rows were set aside, the message says where they are kept.
    """
    inputs = _from_cluster(run, settings) if settings.engine == "spark" else _from_files(run, settings)
    name = f"{run.kind} {inputs.as_of}"
    run.rename(name)
    (_runner.get() or Runner()).rename(name)
    return inputs


def _from_files(run: Run, settings: Settings) -> Inputs:
    try:
        protection = protection_of(run.store, is_pseudonymous=settings.pseudonymise)
        intake = extract(settings, run.folder, protection)
    except (InputError, RefusedError) as error:
        if not run.log_quarantine(run.folder):
            raise
        kept = f"All rows set aside are kept with run {run.run_id}: quarantine/quarantine.parquet."
        raise type(error)(f"{error}\n{kept}") from None
    run.log_intake(intake)
    return open_inputs(intake, settings)


def _from_cluster(run: Run, settings: Settings) -> Inputs:
    # It imports pyspark.
    from flows.steps.cluster.learning import take_learning_inputs

    return take_learning_inputs(run, settings)
