"""Notebooks as students hand them in, made and broken by tests."""

import copy
import json
import random
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
NAME = "01_sne_to_tsne"


@cache
def _text(folder: str) -> str:
    return (ROOT / folder / f"{NAME}.ipynb").read_text(encoding="utf-8")


def released() -> dict[str, Any]:
    """The notebook that students get."""
    return json.loads(_text("notebooks"))


def solved() -> dict[str, Any]:
    """The solved notebook without its outputs."""
    plan = json.loads(_text("solutions"))
    for cell in plan["cells"]:
        if cell["cell_type"] == "code":
            cell["outputs"] = []
    return plan


def as_bytes(plan: Any) -> bytes:
    """A notebook as the bytes of a file."""
    return json.dumps(plan, ensure_ascii=False, indent=1).encode()


def cell_of(plan: dict[str, Any], grade_id: str) -> dict[str, Any]:
    """The first cell with an id."""
    return next(c for c in plan["cells"] if c["metadata"].get("nbgrader", {}).get("grade_id") == grade_id)


def small(*sources: str, exercise: str = "perplexity") -> dict[str, Any]:
    """A notebook of code cells, the first of which answers an exercise."""
    cells = [{"cell_type": "code", "metadata": {}, "source": source, "outputs": []} for source in sources]
    cells[0]["metadata"] = {"nbgrader": {"grade_id": exercise, "solution": True, "grade": False}}
    return {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": cells}


# ---------------------------------------------------------------- broken ones

STRANGE = (None, True, 0, -1, 2.5, 10**30, "", "\ud800", "x\0y", [], {}, [1, 2], [[]], {"a": {"b": []}}, float("nan"))


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every (container, key) in a JSON tree."""
    pairs = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ()
    for key, value in list(pairs):
        yield node, key
        yield from _places(value)


def _cut(plan: dict[str, Any], rng: random.Random) -> bytes:
    data = as_bytes(plan)
    return data[: rng.randrange(len(data))]


def _flipped(plan: dict[str, Any], rng: random.Random) -> bytes:
    data = bytearray(as_bytes(plan))
    for _ in range(rng.choice((1, 3, 30, 300))):
        data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
    return bytes(data)


def _bytes_swapped(plan: dict[str, Any], rng: random.Random) -> bytes:
    data = as_bytes(plan)
    start, end = sorted(rng.randrange(len(data)) for _ in range(2))
    middle = rng.choice((b"", rng.randbytes(20), b"\0" * 20, data[start:end] * 2, b"[" * 5000))
    return data[:start] + middle + data[end:]


def _types_swapped(plan: dict[str, Any], rng: random.Random) -> bytes:
    plan = copy.deepcopy(plan)
    for _ in range(rng.choice((1, 2, 5, 20))):
        # Half of the changes near the top, where they do the most harm.
        places = list(_places(plan)) if rng.random() < 0.5 else [(plan, key) for key in plan]
        node, key = rng.choice(places)
        if rng.random() < 0.7:
            node[key] = copy.deepcopy(rng.choice(STRANGE))
        else:
            del node[key]
        if not plan:
            break
    return json.dumps(plan).encode()


def _cells_shuffled(plan: dict[str, Any], rng: random.Random) -> bytes:
    cells = list(plan["cells"])
    rng.shuffle(cells)
    cells = [dict(cell, cell_type=rng.choice(("code", "markdown", "raw", "Code", 3))) for cell in cells]
    return as_bytes(dict(plan, cells=cells[: rng.randrange(len(cells))]))


def _encoded(plan: dict[str, Any], rng: random.Random) -> bytes:
    encoding = rng.choice(("utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252", "utf-7", "cp037"))
    data = as_bytes(plan).decode().encode(encoding, "replace")
    return data[: rng.choice((len(data), len(data) - 1))]


BREAKS: tuple[Callable[[dict[str, Any], random.Random], bytes], ...] = (
    _cut,
    _flipped,
    _bytes_swapped,
    _types_swapped,
    _cells_shuffled,
    _encoded,
)


def broken(number: int) -> bytes:
    """The broken notebook with this number; the same number always gives the same one."""
    rng = random.Random(number)
    plan = rng.choice((released, solved))()
    return BREAKS[number % len(BREAKS)](plan, rng)
