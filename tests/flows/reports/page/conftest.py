"""The figures that a retraining and a scoring of the tests' shop keep for their page."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from flows.reports.page.figures import read_figures
from models.registry.scorers import SCORER
from models.registry.store import open_store

Figures = dict[str, Any]


@pytest.fixture
def figures(trained: Path) -> Callable[[], tuple[Figures, Figures]]:
    """Give both, to be changed at will."""
    store = open_store(str(trained))
    runs = [store.client.get_model_version(model, "1").run_id for model in ("customer_scores", SCORER)]
    score, retrain = (read_figures(store, run) for run in runs)
    assert score is not None
    assert retrain is not None
    return lambda: (copy.deepcopy(score), copy.deepcopy(retrain))
