"""Values computed with fifty digits, stored once so that tests need not compute them at every run.

`python -m tests.models.golden.values` computes all of them again (about ten seconds) and writes the files beside this.
"""

import json
from collections.abc import Callable
from pathlib import Path

FOLDER = Path(__file__).parent


def sources() -> dict[str, dict[str, Callable[[], list[float]]]]:
    """Name every file and say how each of its values is computed; imports mpmath, which readers do without."""
    from tests.models.golden import formulas, gamma_differences, likelihoods, limits

    return {
        "formulas": formulas.cases(),
        "gamma_differences": gamma_differences.cases(),
        "limits": limits.cases(),
        "purchase_likelihood": likelihoods.purchase_cases(),
        "spend_likelihood": likelihoods.spend_cases(),
    }


def read(name: str) -> dict[str, list[float]]:
    """Read the stored values of a file by the names of their cases."""
    values: dict[str, list[float]] = json.loads((FOLDER / f"{name}.json").read_text())
    return values


def write() -> None:
    """Compute every value and store it, a case a line; a float is written with all its digits."""
    for name, cases in sources().items():
        lines = [f"{json.dumps(case)}: {json.dumps(compute())}" for case, compute in cases.items()]
        (FOLDER / f"{name}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")


if __name__ == "__main__":
    write()
