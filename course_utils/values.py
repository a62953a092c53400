"""The values that cross between learner, judge and grader: a JSON tree and raw arrays, never pickled or evaluated.

A value is None, bool, int, float, str, a list, tuple or dict with string keys of values, a NumPy array, a torch
tensor, or a `numpy.random.Generator` (written as its seed, so that every reader starts the same stream).
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np

DTYPES = frozenset(
    f"{kind}{size}"
    for kind, sizes in {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,)}.items()
    for size in sizes
)
MAX_DEPTH = 16


class SeededGenerator(np.random.Generator):
    """A NumPy generator that remembers its seed, so that it can be written down and started again."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.seed = seed


def flatten(value: Any) -> tuple[Any, list[np.ndarray]]:
    """Split a value into a tree that JSON can hold and the list of arrays that the tree refers to.

    Raises TypeError for a type that does not cross and ValueError for one nested deeper than MAX_DEPTH.
    """
    arrays: list[np.ndarray] = []

    def walk(node: Any, depth: int) -> Any:
        if depth > MAX_DEPTH:
            raise ValueError(f"a value may be nested {MAX_DEPTH} levels deep, not deeper")
        kind = type(node)
        if node is None or kind in (bool, str):
            return node
        if kind is int:
            return {"int": str(node)}
        if kind is float:
            return {"float": node.hex() if math.isfinite(node) else repr(node)}
        if isinstance(node, np.generic):
            return walk(node.item(), depth)
        if kind in (list, tuple):
            return {kind.__name__: [walk(item, depth + 1) for item in node]}
        if kind is dict:
            if not all(type(key) is str for key in node):
                raise TypeError("a dict may have only strings as keys")
            return {"dict": [[key, walk(item, depth + 1)] for key, item in node.items()]}
        if kind is SeededGenerator:
            return {"generator": node.seed}
        if kind is np.ndarray:
            if node.dtype.kind + str(node.dtype.itemsize) not in DTYPES:
                raise TypeError(f"an array of dtype {node.dtype} does not cross")
            arrays.append(node)
            return {"array": len(arrays) - 1}
        torch = sys.modules.get("torch")
        if torch is not None and isinstance(node, torch.Tensor):
            arrays.append(node.detach().cpu().numpy())
            return {"tensor": len(arrays) - 1}
        raise TypeError(f"a {kind.__name__} does not cross")

    return walk(value, 0), arrays


def rebuild(tree: Any, arrays: list[np.ndarray]) -> Any:
    """The inverse of `flatten`; arrays are copied, so that every call gives a value of its own.

    Raises ValueError for a tree that `flatten` cannot have made.
    """
    if tree is None or type(tree) in (bool, str):
        return tree
    if type(tree) is not dict or len(tree) != 1:
        raise ValueError("a node of the tree must name exactly one type")
    ((kind, content),) = tree.items()
    match kind:
        case "int":
            return int(content)
        case "float":
            return float.fromhex(content) if "0x" in content else float(content)
        case "list":
            return [rebuild(item, arrays) for item in content]
        case "tuple":
            return tuple(rebuild(item, arrays) for item in content)
        case "dict":
            return {key: rebuild(item, arrays) for key, item in content}
        case "generator":
            return SeededGenerator(content)
        case "array":
            return np.array(arrays[content])
        case "tensor":
            import torch

            return torch.from_numpy(np.array(arrays[content]))
    raise ValueError(f"a value of type {kind!r} is not known")


def save(path: Path, value: Any) -> None:
    """Write a value as a compressed `.npz`: the tree as JSON text beside the arrays. Same value, same bytes."""
    tree, arrays = flatten(value)
    named = {f"array_{index}": array for index, array in enumerate(arrays)}
    text = np.frombuffer(json.dumps(tree, ensure_ascii=False).encode(), dtype=np.uint8)
    np.savez_compressed(path, tree=text, **named)


def load(path: Path) -> Any:
    """Read what `save` wrote. Raises OSError, or ValueError for a damaged file."""
    with np.load(path, allow_pickle=False) as stored:
        tree = json.loads(stored["tree"].tobytes().decode())
        return rebuild(tree, [stored[f"array_{index}"] for index in range(len(stored.files) - 1)])
