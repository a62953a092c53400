"""The values that cross between learner, judge and grader: a JSON tree and raw arrays, never pickled or evaluated.

A value is None, bool, int, float, str, a list, tuple or dict with string keys of values, a NumPy array, a torch
tensor, or a `numpy.random.Generator` (written as its seed, so that every reader starts the same stream).
"""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np

DTYPES = frozenset(
    f"{kind}{size}"
    for kind, sizes in {"f": (2, 4, 8), "i": (1, 2, 4, 8), "u": (1, 2, 4, 8), "b": (1,), "c": (8, 16)}.items()
    for size in sizes
)
MAX_DEPTH = 16
MAX_NODES = 100_000
MAX_DIMENSIONS = 8
MAX_INT = 10**4000  # Python converts no longer ones
MAX_DESCRIPTION = 200  # characters

Describe = Callable[[Any], str]
"""Says in words what a value is that does not cross."""


class SeededGenerator(np.random.Generator):
    """A NumPy generator that remembers its seed, so that it can be written down, started again, and moved on."""

    def __init__(self, seed: int) -> None:
        super().__init__(np.random.PCG64(seed))
        self.seed = seed

    def spawn(self, n_children: int) -> list[np.random.Generator]:
        """Independent generators; these have no seed of their own that could be written down."""
        return [np.random.Generator(child) for child in self.bit_generator.spawn(n_children)]

    @property
    def untouched(self) -> bool:
        """Whether nothing was drawn or spawned since the start."""
        fresh = np.random.PCG64(self.seed)
        spawned = self.bit_generator.seed_seq.n_children_spawned
        return spawned == 0 and self.bit_generator.state == fresh.state

    @property
    def position(self) -> list[int]:
        """The numbers of PCG64's state that change as it is drawn from."""
        state = self.bit_generator.state
        return [state["state"]["state"], state["has_uint32"], state["uinteger"]]

    def move_to(self, position: list[int]) -> None:
        """Go on as a generator with the same seed does from its `position`. Raises ValueError for none."""
        state = self.bit_generator.state
        for number, most in zip(position, (2**128, 2, 2**32), strict=True):
            if type(number) is not int or not 0 <= number < most:
                raise ValueError("a generator's position is three whole numbers within their bounds")
        state["state"]["state"], state["has_uint32"], state["uinteger"] = position
        self.bit_generator.state = state


@dataclass(frozen=True)
class Foreign:
    """Stands for a value that does not cross: only what it was, in words."""

    description: str


class _Flattening:
    """One value on its way into a tree; keeps its arrays and counts its nodes."""

    def __init__(self, foreign: Describe | None) -> None:
        self.foreign = foreign
        self.arrays: list[np.ndarray] = []
        self.nodes = 1

    def walk(self, node: Any, depth: int) -> Any:
        """The tree of a node. Types are asked of `type`, never of the value, which may lie."""
        kind = type(node)
        if node is None or kind in (bool, str):
            return node
        if kind is int:
            return {"int": str(node)} if abs(node) < MAX_INT else self.refuse(node, "a huge int")
        if kind is float:
            return {"float": node.hex() if math.isfinite(node) else repr(node)}
        if issubclass(kind, list | tuple):
            return self.sequence(node, list if issubclass(kind, list) else tuple, depth)
        if kind is dict:
            return self.mapping(node, depth)
        if kind is SeededGenerator:
            return {"generator": node.seed} if node.untouched else {"generator": [node.seed, *node.position]}
        if kind is Foreign:
            return {"foreign": node.description}
        if issubclass(kind, np.generic):
            return self.scalar(node, depth)
        if issubclass(kind, np.ndarray):
            return self.array(np.ndarray.view(node, np.ndarray), node, "array")
        torch = sys.modules.get("torch")
        if torch is not None and issubclass(kind, torch.Tensor):
            return self.tensor(node, torch)
        return self.refuse(node, f"a {kind.__name__} does not cross")

    def refuse(self, node: Any, why: str) -> Any:
        """What stands for a value that does not cross. Raises TypeError where nothing may."""
        if self.foreign is None:
            raise TypeError(why)
        return {"foreign": self.foreign(node)[:MAX_DESCRIPTION]}

    def too_deep(self, node: Any, depth: int, items: int) -> Any:
        """A refusal where a container goes beyond the bounds, else None. Raises ValueError where nothing may."""
        if depth < MAX_DEPTH and self.nodes + items <= MAX_NODES:
            self.nodes += items
            return None
        if self.foreign is None:
            raise ValueError(f"a value may be nested {MAX_DEPTH} levels deep and have {MAX_NODES} parts, not more")
        return {"foreign": self.foreign(node)[:MAX_DESCRIPTION]}

    def sequence(self, node: Any, base: type, depth: int) -> Any:
        """A list or tuple, or a class derived from one, read past whatever that class defines."""
        count = base.__len__(node)
        refused = self.too_deep(node, depth, count)
        if refused is not None:
            return refused
        return {base.__name__: [self.walk(base.__getitem__(node, index), depth + 1) for index in range(count)]}

    def mapping(self, node: dict[Any, Any], depth: int) -> Any:
        """A dict with strings as keys."""
        if not all(type(key) is str for key in node):
            return self.refuse(node, "a dict may have only strings as keys")
        refused = self.too_deep(node, depth, len(node))
        if refused is not None:
            return refused
        return {"dict": [[key, self.walk(item, depth + 1)] for key, item in node.items()]}

    def scalar(self, node: np.generic, depth: int) -> Any:
        """A NumPy scalar as the Python number that it is."""
        plain = float(node) if isinstance(node, np.longdouble) else np.generic.item(node)
        if type(plain) in (bool, int, float, str):
            return self.walk(plain, depth)
        return self.refuse(node, f"a {type(node).__name__} does not cross")

    def array(self, plain: np.ndarray, node: Any, name: str) -> Any:
        """An array of numbers; extended precision is rounded to float64."""
        if plain.dtype.kind == "f" and plain.dtype.itemsize > 8:
            plain = plain.astype(np.float64)
        if plain.dtype.kind + str(plain.dtype.itemsize) not in DTYPES or plain.ndim > MAX_DIMENSIONS:
            return self.refuse(node, f"an array of dtype {plain.dtype} and {plain.ndim} dimensions does not cross")
        self.arrays.append(plain)
        return {name: len(self.arrays) - 1}

    def tensor(self, node: Any, torch: Any) -> Any:
        """A dense torch tensor of a dtype that NumPy has."""
        try:
            plain = torch.Tensor.numpy(torch.Tensor.cpu(torch.Tensor.detach(node)))
        except (TypeError, RuntimeError):
            return self.refuse(node, f"a tensor of dtype {node.dtype} and layout {node.layout} does not cross")
        return self.array(plain, node, "tensor")


def flatten(value: Any, foreign: Describe | None = None) -> tuple[Any, list[np.ndarray]]:
    """Split a value into a tree that JSON can hold and the list of arrays that the tree refers to.

    What does not cross is replaced by what `foreign` says of it; without `foreign`, raises TypeError for a type that
    does not cross and ValueError for a value beyond the bounds.
    """
    work = _Flattening(foreign)
    return work.walk(value, 0), work.arrays


def rebuild(tree: Any, arrays: list[np.ndarray]) -> Any:
    """The inverse of `flatten`; arrays are copied, so that every call gives a value of its own.

    Raises ValueError, and nothing else, for a tree that `flatten` cannot have made: trees come from students too, and
    one that named a large array a thousand times would take a thousand times its memory.
    """
    nodes = used = 0

    def walk(node: Any, depth: int) -> Any:
        nonlocal nodes, used
        nodes += 1
        if nodes > MAX_NODES or depth > MAX_DEPTH:
            raise ValueError("a tree beyond the bounds")
        if node is None or type(node) in (bool, str):
            return node
        if type(node) is not dict or len(node) != 1:
            raise ValueError("a node of the tree must name exactly one type")
        ((kind, content),) = node.items()
        if kind in ("list", "tuple", "dict") and type(content) is list:
            if kind == "dict":
                return dict(pair(item, depth) for item in content)
            items = [walk(item, depth + 1) for item in content]
            return items if kind == "list" else tuple(items)
        if kind in ("int", "float", "foreign") and type(content) is str:
            return _READERS[kind](content)
        if kind == "generator":
            return _generator(content)
        if kind in ("array", "tensor") and type(content) is int and content == used < len(arrays):
            used += 1
            copy = np.array(arrays[content])
            return copy if kind == "array" else _tensor(copy)
        raise ValueError(f"a value of type {kind!r} is not known, or not so")

    def pair(item: Any, depth: int) -> tuple[str, Any]:
        if type(item) is not list or len(item) != 2 or type(item[0]) is not str:
            raise ValueError("an entry of a dict must be a string and a value")
        return item[0], walk(item[1], depth + 1)

    value = walk(tree, 0)
    if used != len(arrays):
        raise ValueError("arrays that the tree does not name")
    return value


def _int(text: str) -> int:
    number = int(text)
    if abs(number) >= MAX_INT:
        raise ValueError("an int beyond the range")
    return number


def _generator(content: Any) -> SeededGenerator:
    """From a seed, or from a list of a seed and a position."""
    seed, *position = content if type(content) is list and content else [content]
    if type(seed) is not int or not 0 <= seed < MAX_INT:
        raise ValueError("a generator's seed is a whole number within the range")
    generator = SeededGenerator(seed)
    if position:
        generator.move_to(position)
    return generator


def _foreign(text: str) -> Foreign:
    if len(text) > MAX_DESCRIPTION:
        raise ValueError("a description that is too long")
    return Foreign(text)


def _float(text: str) -> float:
    try:
        return float.fromhex(text) if "0x" in text else float(text)
    except OverflowError as error:
        raise ValueError("a float beyond the range") from error


_READERS: dict[str, Callable[[str], Any]] = {"int": _int, "float": _float, "foreign": _foreign}


def _tensor(array: np.ndarray) -> Any:
    import torch

    try:
        return torch.from_numpy(array)
    except TypeError as error:  # unsigned types that torch lacks
        raise ValueError(f"there is no tensor of dtype {array.dtype}") from error


def save(path: Path | IO[bytes], value: Any) -> None:
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
