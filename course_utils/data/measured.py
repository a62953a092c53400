"""What benchmarks and long runs measured: `results/*.json`, written by `benchmarks/`, each naming its machine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from course_utils.errors import CourseError

FOLDER = Path(__file__).resolve().parents[2] / "results"


def results(name: str) -> dict[str, Any]:
    """What `results/NAME.json` holds. Raises CourseError where that file is missing or damaged."""
    try:
        return json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise CourseError(f"results/{name}.json is missing or damaged: get a fresh copy of that file.") from error
