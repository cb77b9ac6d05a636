"""Every notebook runs from top to bottom, and says what its figures say."""

import json
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "notebooks"


def run(notebook: Path) -> dict[str, Any]:
    """Run the cells of a notebook in order and return its names."""
    names: dict[str, Any] = {}
    for number, cell in enumerate(json.loads(notebook.read_text(encoding="utf-8"))["cells"]):
        if cell["cell_type"] == "code":
            exec(compile("".join(cell["source"]), f"{notebook.name}, cell {number}", "exec"), names)
    return names


def test_what_customers_reveal_reaches_the_published_figures_of_cdnow():
    names = run(FOLDER / "what_customers_reveal.ipynb")
    model = names["measured"].loc["model"]
    assert model["purchases_mae"] == pytest.approx(0.8187, abs=2e-4)
    assert model["purchases_bias"] == pytest.approx(-0.1428, abs=2e-4)
    assert model["revenue_rmse"] == pytest.approx(92.94, abs=0.05)


@pytest.mark.parametrize("notebook", sorted(FOLDER.glob("*.ipynb")), ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(notebook):
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert not any(cell.get("outputs") or cell.get("execution_count") for cell in cells)
