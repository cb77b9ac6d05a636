"""Run tests on a mutant: in a process of its own that starts with the libraries loaded, and may take so much time."""

import contextlib
import importlib
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

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

    def prepare(self, tests: Sequence[str]) -> float:
        """Run tests on the code as it is, load the libraries that they need, and return the seconds they take then.

        Raises
        ------
        RuntimeError
            The tests fail without a fault.
        """
        names = self.scratch / "libraries"
        for _ in range(2):
            ended = self._run(tests, 3600.0, names)
            if ended.code != _PASSED:
                shown = (self.scratch / "output").read_text()[-3000:]
                raise RuntimeError(
                    f"{' '.join(tests)} must pass on the code as it is, exit code {ended.code}:\n{shown}"
                )
            for name in names.read_text().split():
                # Some can only be imported by another.
                with contextlib.suppress(Exception):
                    importlib.import_module(name)
        return ended.seconds

    def survives(self, module: str, code: str, tests: Sequence[str], seconds: float) -> bool:
        """Whether all tests pass on a module whose code is another, where they take so long on its own."""
        file = self.tree / module
        own = file.read_text()
        file.write_text(code)
        try:
            ended = self._run(tests, _TIMES * seconds + _MORE)
        finally:
            file.write_text(own)
        if ended.code in _NOTHING_TO_RUN:
            raise RuntimeError(f"no tests ran: {' '.join(tests)}")
        return ended.code == _PASSED

    def _run(self, tests: Sequence[str], limit: float, names: Path | None = None) -> Ended:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        process = os.fork()
        if process == 0:
            self._child(tests, int(limit), names)
        try:
            code = _wait(process, _PATIENCE * limit)
        finally:
            # What tests have started ends with them.
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process, signal.SIGKILL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        shutil.rmtree(self.scratch / "gw0", ignore_errors=True)
        return Ended(code, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)

    def _child(self, tests: Sequence[str], limit: int, names: Path | None) -> None:
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
            code = int(pytest.main([*options, *tests]))
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
