"""Which tests a mutant meets first: those that run its line, the ones that killed others before, and the fast ones."""

import ast
import json
import time
from collections import Counter
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import TypedDict

import pytest
from coverage import Coverage


class OfTest(TypedDict):
    """What is noted of a test: how many processor seconds it takes, and which lines of the module it runs."""

    seconds: float
    lines: list[int]


Noted = Mapping[str, OfTest]


class Watch:
    """A plugin of pytest that notes what each test runs of a module.

    Parameters
    ----------
    module
        The module's file, which must not be imported yet.
    noted
        The file to write to.
    """

    def __init__(self, module: Path, noted: Path) -> None:
        self._module, self._noted = str(module), noted
        self._coverage = Coverage(data_file=None, include=[self._module], config_file=False)
        self._seconds: dict[str, float] = {}

    def pytest_sessionstart(self) -> None:
        self._coverage.start()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        self._coverage.switch_context(item.nodeid)
        start = time.process_time()
        ended = yield
        self._seconds[item.nodeid] = time.process_time() - start
        self._coverage.switch_context("")
        return ended

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        lines: dict[str, list[int]] = {test: [] for test in self._seconds}
        for line, tests in self._coverage.get_data().contexts_by_lineno(self._module).items():
            for test in filter(None, tests):
                lines[test].append(line)
        noted = {test: OfTest(seconds=seconds, lines=lines[test]) for test, seconds in self._seconds.items()}
        self._noted.write_text(json.dumps(noted))


class Order:
    """A plugin of pytest that runs first what most likely fails, and writes which test did.

    No test is left out: a fixture of the session may run the line for a test that is not noted with it. The tests of a
    file stay together, as they may share what is made once for the file.

    Parameters
    ----------
    noted
        Of each test.
    lines
        Those of the mutant's statement.
    killers
        How many mutants of the module each test has killed.
    killer
        The file to write the test to that fails.
    """

    def __init__(self, noted: Noted, lines: range, killers: Counter[str], killer: Path) -> None:
        self._seconds = {test: of["seconds"] for test, of in noted.items()}
        self._runs = {test for test, of in noted.items() if not set(lines).isdisjoint(of["lines"])}
        self._killers, self._killer = killers, killer

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        files: dict[Path, list[str]] = {}
        for item in items:
            if item.nodeid in self._runs:
                files.setdefault(item.path, []).append(item.nodeid)
        of_file = {
            file: (-sum(self._killers[test] for test in tests), sum(self._seconds[test] for test in tests))
            for file, tests in files.items()
        }

        def place(item: pytest.Item) -> tuple[object, ...]:
            test, last = item.nodeid, (1, 0.0)
            of_test = (test not in self._runs, -self._killers[test], self._seconds.get(test, 0.0))
            return (item.path not in files, of_file.get(item.path, last), str(item.path), of_test)

        items.sort(key=place)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            self._killer.write_text(report.nodeid)


def statement(code: str, line: int) -> range:
    """Return the lines of the statement that a line is part of; of one that holds others, those before the first."""
    found = range(line, line + 1)
    least = float("inf")
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.stmt) and node.end_lineno is not None and node.lineno <= line <= node.end_lineno:
            body = getattr(node, "body", None)
            lines = range(node.lineno, body[0].lineno if body else node.end_lineno + 1)
            if line in lines and len(lines) < least:
                found, least = lines, len(lines)
    return found
