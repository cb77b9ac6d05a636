"""Run tests on a mutant: in a process of its own that starts with the libraries loaded, and may take so much time."""

import contextlib
import importlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.mutants.drawing import Mutant
from benchmarks.mutants.ordering import Noted, Order, Watch, statement

_MEMORY = 16 << 30
# What a mutant may take, in processor seconds: so many times what the tests take without a fault, and some more.
_TIMES, _MORE = 4.0, 10.0
# Of real time it may take so many times that, on a machine that is shared.
_PATIENCE = 10.0
_PASSED, _NOTHING_TO_RUN = 0, (4, 5)


@dataclass(frozen=True)
class Ended:
    """How a process of tests ended: its exit code, negative for a signal, and the processor seconds it took."""

    code: int
    seconds: float


class Judge:
    """Judges the mutants of one copy of the project.

    Parameters
    ----------
    tree
        The copy: modules in it are written over, and restored.
    scratch
        An empty folder for what tests write.
    """

    def __init__(self, tree: Path, scratch: Path) -> None:
        self.tree, self.scratch = tree, scratch
        self.noted: Noted = {}
        self.killers = Counter[str]()

    def prepare(self, module: str, tests: Sequence[str]) -> float:
        """Run a module's tests on the code as it is, and return the seconds they take then.

        It loads the libraries that they need, and notes what lines of the module each test runs, and for how long.

        Raises
        ------
        RuntimeError
            The tests fail without a fault.
        """
        noted = self.scratch / "noted"
        self._pass(tests, Watch(self.tree / module, noted))
        self.noted = json.loads(noted.read_text())
        self.killers.clear()
        # A test must not fail for the order alone.
        return self._pass(tests, Order(self.noted, range(0), self.killers, self.scratch / "killer"))

    def _pass(self, tests: Sequence[str], plugin: object) -> float:
        names = self.scratch / "libraries"
        ended = self._run(tests, 3600.0, names, plugin)
        if ended.code != _PASSED:
            shown = (self.scratch / "output").read_text()[-3000:]
            raise RuntimeError(f"{' '.join(tests)} must pass on the code as it is, exit code {ended.code}:\n{shown}")
        for name in names.read_text().split():
            # Some can only be imported by another.
            with contextlib.suppress(Exception):
                importlib.import_module(name)
        return ended.seconds

    def survives(self, mutant: Mutant, tests: Sequence[str], seconds: float) -> bool:
        """Whether all tests pass on a mutant's module, where they take so long on its own code."""
        file, killer = self.tree / mutant.module, self.scratch / "killer"
        own = file.read_text()
        file.write_text(mutant.code)
        killer.write_text("")
        try:
            order = Order(self.noted, statement(own, mutant.line), self.killers, killer)
            ended = self._run(tests, _TIMES * seconds + _MORE, plugin=order)
            self.killers[killer.read_text()] += 1
        finally:
            file.write_text(own)
        if ended.code in _NOTHING_TO_RUN:
            raise RuntimeError(f"no tests ran: {' '.join(tests)}")
        return ended.code == _PASSED

    def _run(self, tests: Sequence[str], limit: float, names: Path | None = None, plugin: object = None) -> Ended:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = os.fork()
        if process == 0:
            self._child(tests, int(limit), names, plugin)
        try:
            code = _wait(process, _PATIENCE * limit)
        finally:
            # What tests have started ends with them.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        shutil.rmtree(self.scratch / "gw0", ignore_errors=True)
        return Ended(code, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def _child(self, tests: Sequence[str], limit: int, names: Path | None, plugin: object) -> None:
        code = 70
        try:
            os.setsid()
            resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 1))
            resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
            resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
            output = os.open(self.scratch / "output", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            for stream in (1, 2):
                os.dup2(output, stream)
            os.chdir(self.tree)
            # The first run writes the bytecode of tests, which do not change.
            sys.dont_write_bytecode = names is None
            # Fixtures that are made once a session for all workers are made by the first run, and found by the others.
            os.environ["PYTEST_XDIST_WORKER"] = "gw0"
            import pytest

            options = [
                "-x",
                "-q",
                "-p",
                "no:cacheprovider",
                "--hypothesis-seed=0",
                f"--basetemp={self.scratch / 'gw0'}",
            ]
            code = int(pytest.main([*options, *tests], plugins=[plugin] if plugin else []))
            if names is not None:
                names.write_text("\n".join(self._libraries()))
        finally:
            sys.stdout.flush()
            os._exit(code)

    def _libraries(self) -> list[str]:
        """Name the modules that are loaded and are not the project's."""
        own = str(self.tree)
        files = {name: getattr(module, "__file__", None) for name, module in list(sys.modules.items())}
        return [name for name, file in files.items() if file and not file.startswith(own) and "_pytest" not in name]


def _wait(process: int, seconds: float) -> int:
    """Wait for a process for so many seconds at most, end it then, and return its exit code."""
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            os.kill(process, signal.SIGKILL)
            end = float("inf")
        time.sleep(0.02)
