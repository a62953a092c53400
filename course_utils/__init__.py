"""The embedding course: exercises that are checked as you learn, data that needs no network, and grading.

Importing this package is quick: nothing heavy is loaded before it is used.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_HOME = {
    "check": "course_utils.checking",
    "hint": "course_utils.checking",
    "progress": "course_utils.record",
    "earlier": "course_utils.earlier_work",
    "pick_device": "course_utils.device",
}
_MODULES = frozenset({"data", "metrics", "plots", "widgets"})

__all__ = sorted([*_HOME, *_MODULES])


def __getattr__(name: str) -> Any:
    """Load what notebooks import (`check`, `data`, `plots`, ...) when it is first asked for."""
    if name in _HOME:
        value = getattr(importlib.import_module(_HOME[name]), name)
        globals()[name] = value
        return value
    if name in _MODULES:
        return importlib.import_module(f"course_utils.{name}")
    raise AttributeError(f"course_utils has no {name!r}; it offers {', '.join(__all__)}")
