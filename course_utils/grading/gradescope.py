"""What runs in Gradescope's autograder: the same worker and grader as in `course grade`, for one student.

Gradescope unpacks the zip of `course release --gradescope` as /autograder/source, runs its setup.sh once and its
run_autograder for every submission: that calls `main` here, which reads /autograder/submission and writes
/autograder/results/results.json.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from course_utils import exercises, frozen
from course_utils.errors import CourseError
from course_utils.grading import desk, intake
from course_utils.grading.controls import check_probe
from course_utils.grading.pages import Entry, Page, page_of
from course_utils.grading.rendering import clean, number
from course_utils.grading.results import SubmissionResult
from course_utils.release import GRADESCOPE_SEED

ROOT = Path(__file__).resolve().parents[2]
NO_NAME = "student"
METADATA_BYTES = 1 << 20
NOTHING = "No notebook was handed in: hand in the .ipynb file of the course."
FAILED = "The grader itself failed: tell your instructor."


# ---------------------------------------------------------------- one submission


def main(root: Path) -> None:
    """Grade root/submission and write root/results/results.json, whatever goes wrong.

    What is printed here is for instructors: Gradescope hides it from students.
    """
    start = time.monotonic()
    try:
        content = graded(root)
    except BaseException as error:  # also MemoryError and SystemExit: the student is to get an answer in any case
        print(f"Nothing was graded: {type(error).__name__}: {error}")
        content = without_tests(FAILED)
    content["execution_time"] = round(time.monotonic() - start, 3)
    place = root / "results" / "results.json"
    draft = place.with_name("results.json.draft")
    draft.write_text(json.dumps(content), encoding="ascii")
    os.replace(draft, place)


def graded(root: Path) -> dict[str, Any]:
    """What results.json holds for what was handed in. Raises CourseError where the grader is at fault."""
    settings = desk.Settings((ROOT / GRADESCOPE_SEED).read_text(encoding="ascii").strip())
    try:
        found = intake.find(root / "submission")
    except CourseError as error:
        print(error)
        return without_tests(NOTHING)
    student = student_of(root / "submission_metadata.json")
    hand_ins = [replace(one, student=student) for one in found[: intake.MAX_NOTEBOOKS]]
    marker = desk.desk(settings, None)
    try:
        print(marker.zygote.protection)
        check_probe(marker.zygote, [frozen.FOLDER, root / "results", root / "submission"])
        marked = []
        for submission in intake.choose([intake.read(one) for one in hand_ins]):
            result = desk.mark(settings, submission)
            if result.uncertain:
                result = desk.mark(settings, submission, result)
            marked.append(result)
    finally:
        desk.close()
    return results_of(marked)


def student_of(metadata: Path) -> str:
    """The student's name, or those of a group, as Gradescope's metadata has them; "student" where it has none."""
    try:
        with metadata.open("rb") as file:
            users = json.loads(file.read(METADATA_BYTES))["users"]
        names = sorted(user["name"] for user in users if isinstance(user["name"], str))
    except (OSError, ValueError, LookupError, TypeError, RecursionError):
        return NO_NAME
    return intake.plain(", ".join(names)) or NO_NAME


# ---------------------------------------------------------------- results.json


def without_tests(sentence: str) -> dict[str, Any]:
    """Results of no points with one sentence."""
    return {
        "score": 0.0,
        "output": sentence,
        "output_format": "text",
        "visibility": "visible",
        "stdout_visibility": "hidden",
        "tests": [],
    }


def results_of(marked: Iterable[SubmissionResult]) -> dict[str, Any]:
    """The results of a student's notebooks in Gradescope's format, without any hidden input."""
    tests: list[dict[str, Any]] = []
    said = []
    for result in marked:
        page = page_of(result, [], show_inputs=False)
        said.append(about(page))
        order = [*exercises.MODULES].index(result.notebook) + 1 if result.notebook else 0
        entries = [entry for part in page.parts for entry in part.entries]
        for place, entry in enumerate(entries, start=1):
            output = "It was not graded." if result.problem else output_of(entry)
            tests.append(
                {
                    "name": entry.title,
                    "number": f"{order}.{place}",
                    "score": entry.points,
                    "max_score": entry.most,
                    "status": "passed" if entry.points >= entry.most else "failed",
                    "output": output,
                    "output_format": "text",
                    "visibility": "visible",
                }
            )
    content = without_tests("\n\n".join(said) or NOTHING)
    return content | {"score": sum(test["score"] for test in tests), "tests": tests}


def about(page: Page) -> str:
    """What is said about a whole notebook: its points, the problem where it cannot be read, remarks, the next step."""
    if page.problem:
        lines = [page.problem]
    else:
        lines = [f"{page.title}: {number(page.points)} of {number(page.most)} points ({', '.join(page.summary)})."]
    following = f"{page.next.heading}: {page.next.what}."
    return clean("\n".join([*lines, *page.remarks, " ".join([following, *page.next.sentences])]))


def output_of(entry: Entry) -> str:
    """What is said about one exercise: how it ended, why, the input of the student's own check, where to read."""
    lines = [": ".join(filter(None, [entry.status, entry.brief])), *entry.sentences]
    if entry.shown:
        lines += ["", f"{entry.shown_title}:", *(f"{label}:\n{text}" for label, text in entry.shown), ""]
    return clean("\n".join([*lines, entry.again]).strip())


if __name__ == "__main__":
    main(Path(sys.argv[1]))
