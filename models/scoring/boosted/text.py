"""Trees as LightGBM writes them: their nodes, and the values of their leaves."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ..arrays import Floats

# Bits of LightGBM's decision types.
_CATEGORICAL, _DEFAULT_LEFT, _MISSING, _MISSING_AS_ZERO, _MISSING_AS_NAN = 1, 2, 12, 4, 8


@dataclass(frozen=True)
class Node:
    """One split: rows go left where the feature is at most the threshold.

    Attributes
    ----------
    feature : int
        Column.
    threshold : float
    missing_left : bool
        Whether rows without a value go left.
    left, right : int
        Number of the next node, or -1 - number of the leaf.
    """

    feature: int
    threshold: float
    missing_left: bool
    left: int
    right: int


@dataclass(frozen=True)
class Tree:
    """Nodes, each before those below it, and the values of the leaves."""

    nodes: tuple[Node, ...]
    values: Floats


def read_trees(text: str) -> Iterator[Tree]:
    """Read trees from LightGBM's text.

    Raises
    ------
    ValueError
        If a split is not one of numbers, or there is more than one score.
    """
    if int(value_of(text, "num_tree_per_iteration")) != 1 or "\naverage_output" in text:
        raise ValueError("only boosted trees with one score can be read")
    for part in text.split("\nTree=")[1:]:
        lines = dict(line.split("=", 1) for line in part.split("\n\n", 1)[0].splitlines()[1:] if "=" in line)
        if lines.get("is_linear", "0") != "0":
            raise ValueError("trees with a line in each leaf cannot be read")
        splits = zip(
            *(lines.get(name, "").split() for name in ("split_feature", "threshold", "decision_type")),
            *(lines.get(name, "").split() for name in ("left_child", "right_child")),
            strict=True,
        )
        values = np.array([float(value) for value in lines["leaf_value"].split()])
        yield Tree(tuple(_node(*split) for split in splits) if len(values) > 1 else (), values)


def _node(feature: str, threshold: str, decision: str, left: str, right: str) -> Node:
    kind, value = int(decision), float(threshold)
    if kind & _CATEGORICAL or kind & _MISSING == _MISSING_AS_ZERO:
        raise ValueError("only splits of numbers can be read, where 0 is a value like others")
    # Trees that have seen no missing value of a feature take one for 0.
    missing_left = bool(kind & _DEFAULT_LEFT) if kind & _MISSING == _MISSING_AS_NAN else value >= 0.0
    return Node(int(feature), value, missing_left, int(left), int(right))


def value_of(text: str, name: str) -> str:
    """Return what a line of the text's head gives for a name."""
    head = text[: text.index("\nTree=")] if "\nTree=" in text else text
    line = next((line for line in head.splitlines() if line.startswith(f"{name}=")), None)
    if line is None:
        raise ValueError(f"this is no text of LightGBM's: it does not say {name}")
    return line.partition("=")[2]
