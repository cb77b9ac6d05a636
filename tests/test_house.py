"""The house: small rooms whose names differ, each saying what it holds, and the README's map drawn from that."""

import ast
import importlib
from importlib.util import find_spec
from itertools import combinations
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
LAYERS = ("data", "features", "models", "flows")
ROOMS = [
    file.parent
    for layer in LAYERS
    for file in sorted((ROOT / layer).rglob("__init__.py"), key=lambda file: file.parent)
]
MOST_FILES, MOST_LINES = 15, 300
ENDINGS = ("s", "es", "d", "ed", "r", "er", "ing", "ion", "ions", "ment")


def name_of(room: Path) -> str:
    return room.relative_to(ROOT).as_posix()


def map_of_the_house() -> str:
    """Draw the rooms, each with the first sentence of its docstring."""
    lines = []
    for room in ROOMS:
        depth = len(room.relative_to(ROOT).parts) - 1
        sentence = (ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").splitlines()[0]
        lines.append(f"    {'  ' * depth + room.name + '/':<20}{sentence}")
    return "\n".join(lines)


@pytest.mark.parametrize("room", ROOMS, ids=name_of)
def test_a_room_is_small_and_says_what_it_holds_and_may_import(room):
    files = sorted(room.glob("*.py"))
    assert len(files) <= MOST_FILES
    what, _, imports = (ast.get_docstring(ast.parse((room / "__init__.py").read_text())) or "").partition("\n\n")
    assert what.endswith(".")
    assert imports.startswith("Imports ")
    pairs = combinations(sorted(file.stem for file in files), 2)
    alike = [(a, b) for a, b in pairs if any(a + end == b or a.removesuffix("e") + end == b for end in ENDINGS)]
    assert not alike


def test_no_file_holds_more_than_one_screen_of_thought():
    folders = (*LAYERS, "tests", "benchmarks")
    files = [file for folder in folders for file in (ROOT / folder).rglob("*.py")]
    long = {name_of(file): len(file.read_text().splitlines()) for file in files}
    assert {name: lines for name, lines in long.items() if lines > MOST_LINES} == {}


def test_the_map_in_the_readme_is_the_house_as_it_is():
    assert map_of_the_house() in (ROOT / "README.md").read_text(), f"renew the map in README.md:\n{map_of_the_house()}"


@pytest.mark.parametrize("folder", ["tests/faults", "tests/consumers", "benchmarks"])
def test_what_other_targets_than_make_test_import_of_the_rooms_is_there(folder):
    wanted = {
        (node.module, alias.name)
        for file in (ROOT / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in LAYERS
        for alias in node.names
    }
    assert wanted
    assert [f"{module}.{name}" for module, name in sorted(wanted) if not is_there(module, name)] == []


def is_there(module: str, name: str) -> bool:
    """Say whether a module holds a name, or is a room with a file of that name."""
    found = importlib.import_module(module)
    return hasattr(found, name) or (hasattr(found, "__path__") and find_spec(f"{module}.{name}") is not None)
