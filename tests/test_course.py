"""The course as it stands: everything generated is up to date, and every specification holds."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from course_utils import exercises, feedback, frozen
from course_utils.build import build
from course_utils.grading import marking
from course_utils.judge import Outcome, judge

ROOT = Path(__file__).resolve().parents[1]


def test_nothing_generated_is_stale():
    assert build(check=True) == []


def test_every_specification_holds():
    done = subprocess.run(
        [sys.executable, "-m", "course_utils", "validate", "--seeds", "5"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    shown = {line.split()[1] for line in done.stdout.splitlines() if line.startswith("✓")}
    assert shown == set(exercises.all_by_id())


@pytest.mark.parametrize("exercise", exercises.all_by_id().values(), ids=exercises.all_by_id())
def test_every_case_that_fails_can_be_shown_with_its_inputs(exercise):
    answers = frozen.load(exercise.id)
    outcomes = [Outcome(value=None) for _ in answers.cases]
    verdict = judge(exercise, answers.cases, outcomes)
    assert not verdict.passed
    assert exercise.takes[0] in str(feedback.tell(verdict, answers, outcomes, 1, []))
    for index, case in enumerate(answers.cases):
        labels = [label for label, _ in marking.blocks(exercise, case, verdict, index)]
        assert labels[: len(case.args)] == [f"input {name}" for name in exercise.takes[: len(case.args)]]


def test_the_solutions_ran_without_warnings():
    for path in (ROOT / "solutions").glob("*.ipynb"):
        cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
        outputs = [output for cell in cells for output in cell.get("outputs", [])]
        assert outputs
        assert [output["text"] for output in outputs if output.get("name") == "stderr"] == []
