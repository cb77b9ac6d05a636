"""What a command does not import: parts of other packages that come with those it needs, and that it never runs.

Each of them is imported later, as ever, by whoever asks for it.
"""

import importlib
import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from types import ModuleType
from typing import Any

# Ibis imports the compilers of all its engines with that of one; MLflow what judges language models, with FastAPI,
# of which its store needs two modules.
_JUDGES = "mlflow.genai"
_ON_DEMAND = (
    "ibis.backends.sql.compilers",
    _JUDGES,
    f"{_JUDGES}.judges",
    f"{_JUDGES}.scorers",
    f"{_JUDGES}.scorers.online",
    "mlflow.gateway",
    "scipy.stats",
)
# What scikit-learn takes of them when it is imported, and what nothing here uses.
_USED_LATER = {"scipy.stats": ("chi2", "gmean", "rankdata", "spearmanr")}
# Mako, which comes with Alembic, looks whether it can colour its error pages.
_COLOURS = "mako.ext.pygmentplugin"
_SCIKIT_LEARN = "sklearn"
_SPARK = "pyspark"


def import_lean() -> None:
    """Leave out what no command needs, in this process and from now on; called before the flows are imported."""
    for name in _ON_DEMAND:
        _leave_out(name)
    # Python takes a module that is None for one that is not installed, and Mako does without.
    sys.modules.setdefault(_COLOURS, None)  # type: ignore[arg-type]


def import_trees_only() -> None:
    """Import LightGBM as it is where scikit-learn is not installed: for a command that fits nothing.

    It imports scikit-learn for its estimators in the style of that, which nobody here uses.
    """
    if _SCIKIT_LEARN in sys.modules:
        return
    sys.modules[_SCIKIT_LEARN] = None  # type: ignore[assignment]
    try:
        importlib.import_module("lightgbm")
    finally:
        del sys.modules[_SCIKIT_LEARN]


@contextmanager
def without_spark() -> Iterator[None]:
    """Let MLflow take pyspark for not installed: it imports its client, .6 s, to ask whether there is a session."""
    if _SPARK in sys.modules:
        yield
        return
    sys.modules[_SPARK] = None  # type: ignore[assignment]
    try:
        yield
    finally:
        del sys.modules[_SPARK]


class _OnDemand(ModuleType):
    """A package that imports a submodule when it is asked for, and runs itself when it is asked for anything else."""

    def __getattr__(self, name: str) -> Any:
        """Find what is not there yet; Python asks only then."""
        if name in _USED_LATER.get(self.__name__, ()) and not self.__dict__.get("_has_run"):
            return _Later(self, name)
        if not name.startswith("_") and PathFinder.find_spec(f"{self.__name__}.{name}", self.__path__):
            return importlib.import_module(f"{self.__name__}.{name}")
        if not _run(self):
            raise AttributeError(f"module {self.__name__!r} has no attribute {name!r}")
        return getattr(self, name)


def _run(package: ModuleType) -> bool:
    """Run a package that has not run yet; say whether it did."""
    spec = package.__spec__
    if spec is None or spec.loader is None or package.__dict__.get("_has_run"):
        return False
    package.__dict__["_has_run"] = True
    spec.loader.exec_module(package)
    return True


class _Later:
    """A function or an object of a package that runs once it is used."""

    def __init__(self, package: ModuleType, name: str) -> None:
        self._place = package, name

    def __call__(self, *values: Any, **named: Any) -> Any:
        return _object(*self._place)(*values, **named)

    def __getattr__(self, name: str) -> Any:
        return getattr(_object(*self._place), name)


def _object(package: ModuleType, name: str) -> Any:
    _run(package)
    return package.__dict__[name]


def join_what_is_left_out() -> None:
    """Give packages whose import left a part out that part as their attribute; called after the flows are imported."""
    for name in _ON_DEMAND:
        package, _, part = name.rpartition(".")
        if package in sys.modules and name in sys.modules:
            setattr(sys.modules[package], part, sys.modules[name])


def _leave_out(name: str) -> None:
    """Put a package in the place of one that imports all its parts; it imports each of them on demand."""
    spec = _spec_of(name)
    if spec is None or name in sys.modules:
        return
    package = importlib.util.module_from_spec(spec)
    package.__class__ = _OnDemand
    sys.modules[name] = package


def _spec_of(name: str) -> ModuleSpec | None:
    """Find a module without importing the packages that it lies in; None where it is not there."""
    places, spec = None, None
    parts = name.split(".")
    for number in range(1, len(parts) + 1):
        spec = PathFinder.find_spec(".".join(parts[:number]), places)
        if spec is None:
            return None
        places = spec.submodule_search_locations
    return spec
