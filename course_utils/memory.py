"""How much memory a call takes: the largest tensor that it makes, what NumPy and Python hold at their peak."""

from __future__ import annotations

import contextlib
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any, TypeVar

ARRAYS = 6  # of the allowed size, in float64, that may be alive at once: a formula's parts
PYTHON = 50_000  # bytes that Python's own objects may take beside them

Result = TypeVar("Result")


def largest_tensor(call: Callable[[], Result]) -> tuple[Result, int]:
    """What call() returns, and the entries of the largest tensor that torch's functions returned to it meanwhile.

    A view counts as what it views. What a function of torch makes for itself does not count. 0 where there is no torch.
    """
    if "torch" not in sys.modules:
        return call(), 0
    from torch import Tensor
    from torch.overrides import TorchFunctionMode

    largest = 0

    def see(value: Any) -> None:
        nonlocal largest
        if isinstance(value, Tensor) and value.numel() > largest:
            with contextlib.suppress(NotImplementedError, RuntimeError):  # sparse ones have no storage
                largest = max(largest, value.untyped_storage().nbytes() // value.element_size())

    class Watching(TorchFunctionMode):
        def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            made = function(*args, **(kwargs or {}))
            for item in made if isinstance(made, tuple | list) else (made,):
                see(item)
            return made

    with Watching():
        return call(), largest


def most_held(call: Callable[[], Result]) -> tuple[Result, int]:
    """What call() returns, and the bytes of NumPy's arrays and Python's objects at their peak, beyond those before.

    Imports count, and what Python keeps for later (free lists): make the same call once before.
    """
    traced_before = tracemalloc.is_tracing()
    if not traced_before:
        tracemalloc.start()
    try:
        tracemalloc.reset_peak()
        before, _ = tracemalloc.get_traced_memory()
        result = call()
        _, peak = tracemalloc.get_traced_memory()  # 0 where the call has stopped the tracing
    finally:
        if not traced_before:
            tracemalloc.stop()
    return result, max(peak - before, 0)


def bytes_for(entries: int) -> int:
    """The bytes that NumPy and Python may hold at once where no array may have more than `entries` entries."""
    return ARRAYS * 8 * entries + PYTHON
