"""Judge the tests: put small faults into the code, one at a time, and count those that a test finds.

Of each group of modules in `judged.toml` a random sample of its mutants is drawn. A mutant is killed where one of the
fast tests of its module fails, or does not end. Figures are shown with their Wilson interval (95 %), and survivors with
what was changed. `survivors.md` says why they survive.
"""

import argparse
import compileall
import py_compile
import subprocess
import sys
import tempfile
import tomllib
from collections import Counter
from pathlib import Path

from rich.console import Console
from rich.table import Table
from scipy.stats import binomtest

from benchmarks.mutants.drawing import Mutant, draw
from benchmarks.mutants.judging import Judge

ROOT = Path(__file__).parents[2]
JUDGED = Path(__file__).with_name("judged.toml")


def copy_of_the_project(folder: Path) -> Path:
    """Copy the files that are in git, or would be, so that nobody's work is written over."""
    git = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(git, cwd=ROOT, check=True, capture_output=True)
    for name in listed.stdout.decode().split("\0"):
        source, target = ROOT / name, folder / name
        if name and source.is_file():
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(source.read_bytes())
    # Bytecode that is checked by its source's hash: a mutant may have the size and time of the file it replaces.
    for layer in ("data", "features", "models", "flows"):
        mode = py_compile.PycInvalidationMode.CHECKED_HASH
        compileall.compile_dir(folder / layer, quiet=1, invalidation_mode=mode)
    return folder


def judge(group: dict[str, list[str]], with_sql: list[str], size: int, seed: int, console: Console) -> list[Mutant]:
    """Judge a sample of the mutants of a group; show the figures, and return the survivors."""
    total, mutants = draw(ROOT, list(group), with_sql, size, seed)
    drawn = Counter(mutant.module for mutant in mutants)
    survivors: list[Mutant] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        (Path(folder) / "scratch").mkdir()
        judge = Judge(copy_of_the_project(Path(folder) / "tree"), Path(folder) / "scratch")
        for module in drawn:
            tests = group[module]
            seconds = judge.prepare(module, tests)
            console.print(f"{module}: {drawn[module]} mutants, tests take {seconds:.1f} s", highlight=False)
            for mutant in mutants:
                if mutant.module == module and judge.survives(mutant, tests, seconds):
                    survivors.append(mutant)
                    console.print(f"  {module}:{mutant.line} {mutant.operator}\n    {mutant.change}", markup=False)
    table = Table("module", "mutants judged", "killed", "share", title=f"{total:,} mutants, seed {seed}")
    survived = Counter(mutant.module for mutant in survivors)
    for module, judged in drawn.items():
        killed = judged - survived[module]
        table.add_row(module, str(judged), str(killed), f"{killed / judged:.0%}")
    killed = len(mutants) - len(survivors)
    between = binomtest(killed, len(mutants)).proportion_ci(method="wilson")
    share = f"{killed / len(mutants):.1%} ({between.low:.1%} to {between.high:.1%})"
    table.add_row("all", str(len(mutants)), str(killed), share)
    console.print(table)
    return survivors


def main() -> None:
    judged = tomllib.loads(JUDGED.read_text())
    groups = judged["groups"]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("groups", nargs="*", help=f"of {', '.join(groups)}; all by default")
    parser.add_argument("--sample", type=int, default=judged["sample"], help="mutants of each group")
    parser.add_argument("--seed", type=int, default=judged["seed"])
    parser.add_argument("--only", default="", help="modules whose path holds this")
    options = parser.parse_args()
    console = Console(width=None if sys.stdout.isatty() else 150)
    for name in options.groups or groups:
        modules = {module: tests for module, tests in groups[name].items() if options.only in module}
        console.rule(name)
        judge(modules, judged["with_sql"], options.sample, options.seed, console)


if __name__ == "__main__":
    main()
