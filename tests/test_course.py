"""The course as it stands: everything generated is up to date, and every specification holds."""

import json
import subprocess
import sys
from pathlib import Path

from course_utils import exercises
from course_utils.build import build

ROOT = Path(__file__).resolve().parents[1]


def test_nothing_generated_is_stale():
    assert build(check=True) == []


def test_every_specification_holds():
    done = subprocess.run(
        [sys.executable, "-m", "course_utils", "validate"], cwd=ROOT, capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("✓")}
    assert shown == set(exercises.all_by_id())


def test_the_solutions_ran_without_warnings():
    for path in (ROOT / "solutions").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        assert outputs
        assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
