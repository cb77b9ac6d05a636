"""The mutants of a module: small faults that cosmic-ray puts into its code, and some in the SQL that it writes."""

import ast
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cosmic_ray.plugins
from cosmic_ray.ast import ast_nodes, get_ast
from cosmic_ray.mutating import mutate_code
from cosmic_ray.operators.operator import Example, Operator
from parso.python.tree import FStringString, String

Place = tuple[int, int]

# Of these each becomes each other; a + b becoming a << b would only fail on the first float.
_ALIKE = ({"Add", "Sub", "Mul", "Div", "FloorDiv", "Mod", "Pow"}, {"BitOr", "BitAnd", "BitXor"}, {"LShift", "RShift"})
_SWAPPED = {
    "IS NOT NULL": "IS NULL",
    "IS NULL": "IS NOT NULL",
    "NOT IN": "IN",
    "NOT BETWEEN": "BETWEEN",
    "AND NOT": "AND",
    "AND": "OR",
    "OR": "AND",
    "DESC": "ASC",
    "NULLS LAST": "NULLS FIRST",
    "DISTINCT ": "",
    "greatest": "least",
    "<>": "=",
    "=": "<>",
    "<": "<=",
    "<=": "<",
    ">": ">=",
    ">=": ">",
}
_WORDS = re.compile("|".join(rf"(?<![\w<>=]){re.escape(word)}(?![\w<>=])" for word in sorted(_SWAPPED, key=len)[::-1]))


class ReplaceSqlWord(Operator):
    """Swap a word of SQL in a string for its opposite."""

    def mutation_positions(self, node: object) -> Iterator[tuple[Place, Place]]:
        if isinstance(node, String | FStringString):
            for _ in self._words(node.value):
                yield node.start_pos, node.end_pos

    def mutate(self, node: String | FStringString, index: int) -> String | FStringString:
        word = self._words(node.value)[index]
        node.value = node.value[: word.start()] + _SWAPPED[word.group()] + node.value[word.end() :]
        return node

    @staticmethod
    def _words(text: str) -> list[re.Match[str]]:
        # Of SET column = value and x BETWEEN a AND b another word would not be SQL.
        found = _WORDS.finditer(text)
        return [word for word in found if not re.search(r"(SET \w+|BETWEEN \w+) $", text[: word.start()])]

    @classmethod
    def examples(cls) -> tuple[Example, ...]:
        return (Example("x = 'a IS NULL'", "x = 'a IS NOT NULL'"),)


@dataclass(frozen=True)
class Mutant:
    """One fault in one module: where it is, the module's code with it, and the lines that it changes."""

    module: str
    line: int
    operator: str
    code: str
    change: str


@dataclass(frozen=True)
class _Fault:
    module: str
    place: Place
    name: str
    operator: Operator
    occurrence: int


def draw(root: Path, modules: Sequence[str], with_sql: Sequence[str], size: int, seed: int) -> tuple[int, list[Mutant]]:
    """Draw a random sample of the mutants of some modules together, in the order of their places.

    Parameters
    ----------
    root
        Where the modules lie.
    modules, with_sql
        Their paths from there, and those of them that write SQL.
    size
        How many are drawn; all where there are no more.
    seed
        Of the drawing.

    Returns
    -------
    int, list of Mutant
        How many there are, and those that were drawn.
    """
    codes = {module: (root / module).read_text() for module in modules}
    faults = [fault for module, code in codes.items() for fault in _faults(module, code, module in with_sql)]
    drawn = random.Random(seed).sample(faults, len(faults))
    mutants: list[Mutant] = []
    for fault in drawn:
        if len(mutants) == size:
            break
        mutant = _mutant(fault, codes[fault.module])
        if mutant is not None:
            mutants.append(mutant)
    return len(faults), sorted(mutants, key=lambda mutant: (list(modules).index(mutant.module), mutant.line))


def _faults(module: str, code: str, with_sql: bool) -> list[_Fault]:
    nodes = list(ast_nodes(get_ast(code)))
    left_out, with_text = _left_out(code), _comparisons_with_text(code)
    operators = [(name, cosmic_ray.plugins.get_operator(name)) for name in sorted(cosmic_ray.plugins.operator_names())]
    if with_sql:
        operators.append(("sql/ReplaceSqlWord", ReplaceSqlWord))
    faults = []
    for name, kind in operators:
        if kind.arguments() or not _is_kept(name):
            continue
        operator = kind()
        places = (place for node in nodes for place, _ in operator.mutation_positions(node))
        for occurrence, place in enumerate(places):
            is_order = name.endswith(("_Lt", "_LtE", "_Gt", "_GtE")) and "ReplaceComparison" in name
            if not left_out(place) and not (is_order and place[0] in with_text):
                faults.append(_Fault(module, place, name.partition("/")[2], operator, occurrence))
    return faults


def _is_kept(name: str) -> bool:
    """Whether what an operator makes is more than a type error at first use."""
    kind, _, pair = name.partition("/")[2].partition("Operator_")
    before, _, after = pair.partition("_")
    if kind == "ReplaceBinary":
        return any({before, after} <= alike for alike in _ALIKE)
    return not (kind == "ReplaceComparison" and ("Is" in before) != ("Is" in after))


def _mutant(fault: _Fault, code: str) -> Mutant | None:
    """Write a mutant; None where what is written is no Python, or the same."""
    mutated = mutate_code(code, fault.operator, fault.occurrence)
    try:
        if mutated is None or ast.dump(ast.parse(mutated)) == ast.dump(ast.parse(code)):
            return None
    except SyntaxError:
        return None
    before, after = code.splitlines(), mutated.splitlines()
    changed = [(a.strip(), b.strip()) for a, b in zip(before, after, strict=False) if a != b]
    old, new = changed[0] if changed else (before[fault.place[0] - 1].strip(), "")
    return Mutant(fault.module, fault.place[0], fault.name, mutated, f"{old}  ->  {new}")


def _comparisons_with_text(code: str) -> set[int]:
    """Return the lines that compare with a text: whether a name comes before another in the alphabet says nothing."""
    compared = (node for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Compare))
    return {
        node.lineno
        for node in compared
        if any(isinstance(each, ast.Constant) and isinstance(each.value, str) for each in node.comparators)
    }


def _left_out(code: str) -> Callable[[Place], bool]:
    """Say of places whether they are in what no behaviour depends on.

    That is docstrings, type annotations, what is only imported for these, the wording of errors, `__all__`, that a
    dataclass is frozen, and `strict` of zip: they bind the writer, or say what cannot happen.
    """
    lines = code.splitlines()
    spans: list[tuple[Place, Place]] = []

    def leave_out(node: ast.expr | ast.stmt) -> None:
        first = len(lines[node.lineno - 1].encode()[: node.col_offset].decode())
        assert node.end_lineno is not None
        last = len(lines[node.end_lineno - 1].encode()[: node.end_col_offset].decode())
        spans.append(((node.lineno, first), (node.end_lineno, last)))

    for node in ast.walk(ast.parse(code)):
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() if node.returns is not None:
                leave_out(node.returns)
            case ast.arg(annotation=ast.expr() as annotation) | ast.AnnAssign(annotation=annotation):
                leave_out(annotation)
            case ast.Expr(value=ast.Constant(value=str())):
                leave_out(node)
            case ast.Raise(exc=ast.Call(args=args)):
                for arg in args:
                    leave_out(arg)
            case ast.If(test=ast.Name(id="TYPE_CHECKING")):
                leave_out(node)
            case ast.Assign(targets=[ast.Name(id="__all__" | "Floats" | "Flags")]):
                leave_out(node)
            case ast.ClassDef(decorator_list=decorators):
                for each in decorators:
                    leave_out(each)
            case ast.Call(func=ast.Name(id="zip"), keywords=keywords):
                for keyword in keywords:
                    leave_out(keyword.value)
    # A decorator's place is that of its sign.
    return lambda place: any((first[0], first[1] - 1) <= place < last for first, last in spans)
