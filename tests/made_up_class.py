"""A made-up class: results of the exercises of notebook 01 from a seeded generator, as grading would give them."""

import numpy as np

from course_utils import exercises, frozen
from course_utils.grading.results import ExerciseResult, Status, SubmissionResult

NOTEBOOK = "01_sne_to_tsne"
NAMES = ("Ada", "Bela", "Chen", "Dina", "Emil", "Farah", "Goran", "Hana", "Ivo", "Jun", "Kofi", "Lena", "Mira", "Nils")
SHOWN = (
    ("input D", "[[0. 1. 9.]\n [1. 0. 4.]\n [9. 4. 0.]]   shape (3, 3)"),
    ("input sigma", "[1. 1. 1.]   shape (3,)"),
    ("expected", "[[0.     0.982  0.018 ]\n [0.8176 0.     0.1824]\n [0.0759 0.9241 0.    ]]   shape (3, 3)"),
    ("got", "[[0.     0.9997 0.0003]\n [0.9526 0.     0.0474]\n [0.0067 0.9933 0.    ]]   shape (3, 3)"),
)
HIDDEN = (("input D", "[[0. 2.25]\n [2.25 0.]]"), ("expected", "[[0. 1.]]"), ("got", "[[0. 0.5]]"))


def right(exercise: str, status: Status = Status.RIGHT, **fields) -> ExerciseResult:
    """An exercise that passes everything."""
    points = float(exercises.get(exercise).points)
    counts = {"cases_passed": 20, "cases": 20, "public_passed": 5, "public_cases": 5, "seconds": 0.02}
    return ExerciseResult(exercise, status, points, **(counts | fields))


def wrong(exercise: str, status: Status = Status.WRONG, **fields) -> ExerciseResult:
    """An exercise without points."""
    counts = {"cases_passed": 8, "cases": 20, "public_passed": 2, "public_cases": 5, "seconds": 0.02}
    return ExerciseResult(exercise, status, 0.0, **(counts | fields))


def submission(student: str, results=None, **fields) -> SubmissionResult:
    """A submission of notebook 01; without `results`, everything is right."""
    if results is None:
        results = [right(one.id) for one in exercises.of(NOTEBOOK)]
    plain = {"notebook": NOTEBOOK, "file": f"{student}/{NOTEBOOK}.ipynb", "sha256": "ab" * 32, "modified": 1.7e9}
    plain |= {"spec_version": "1", "seed_name": "spring", "seconds": 0.4}
    return SubmissionResult(student=student, exercises=tuple(results), **(plain | fields))


def with_results(student: str, changed: dict[str, ExerciseResult], **fields) -> SubmissionResult:
    """A submission in which everything is right but the exercises in `changed`."""
    return submission(student, [changed.get(one.id) or right(one.id) for one in exercises.of(NOTEBOOK)], **fields)


def made_up(rng: np.random.Generator, exercise: exercises.Exercise, skill: float, before: dict) -> ExerciseResult:
    """The result of one exercise of a student: more often wrong where it is difficult and skill is low."""
    ease = skill - 0.7 * exercise.difficulty + 1.8 - 2.5 * exercise.optional
    failed = [one for one in exercise.requires if before[one].status != Status.RIGHT]
    if rng.random() < 1 / (1 + np.exp(-2 * ease)):
        if failed:
            return right(exercise.id, status=Status.FOLLOW_THROUGH, answered=tuple(failed))
        return right(exercise.id, seconds=float(rng.gamma(2, 0.05)))
    kind = rng.choice(6, p=[0.45, 0.15, 0.1, 0.1, 0.15, 0.05])
    if kind == 0:
        sentences = frozen.load(exercise.id).sentences
        name = list(sentences)[int(len(sentences) * rng.random() ** 2)]
        case = "six points, a sigma for each"
        return wrong(exercise.id, sentences=(sentences[name],), mistake=name, shown=SHOWN, hidden=HIDDEN, case=case)
    if kind == 1:
        case = "a point so far away that exp(-D / 2σ²) is 0 for all"
        said = "`P_cond` differs from what is asked for in 3 of 25 entries, all in row 4."
        return wrong(exercise.id, sentences=(said,), public_passed=5, cases_passed=17, case=case, hidden=HIDDEN)
    if kind == 2:
        said = "Your function raised an error in line 4 of your cell: ValueError: operands could not be broadcast."
        return wrong(exercise.id, Status.ERROR, sentences=(said,), shown=SHOWN[:2], cases_passed=0, public_passed=0)
    if kind == 3:
        return wrong(exercise.id, Status.TIMED_OUT, cases_passed=0, public_passed=0, seconds=10.0)
    if kind == 4:
        return wrong(exercise.id, Status.UNSOLVED, cases_passed=0, public_passed=0, seconds=0.0)
    return wrong(exercise.id, Status.LIMIT, cases_passed=0, public_passed=0, sentences=("It asked for 3.1 GiB.",))


def made_up_class(students: int = 28, seed: int = 0) -> list[SubmissionResult]:
    """Students of different skill; the last one handed in a file that cannot be read."""
    rng = np.random.default_rng(seed)
    results = []
    for number in range(students - 1):
        skill, before = rng.normal(0.9, 0.9), {}
        for exercise in exercises.of(NOTEBOOK):
            before[exercise.id] = made_up(rng, exercise, skill, before)
        student = f"{NAMES[number % len(NAMES)]} {chr(65 + number // len(NAMES))}."
        remarks = ("Code cell 12 fails: NameError: name 'images' is not defined.",) if number % 9 == 4 else ()
        results.append(
            submission(student, before.values(), remarks=remarks, seconds=sum(one.seconds for one in before.values()))
        )
    problem = "The file ends in the middle (line 812), so it cannot be read as a notebook."
    zeros = [wrong(one.id, Status.MISSING, cases=0, cases_passed=0) for one in exercises.of(NOTEBOOK)]
    results.append(submission("Otto Z.", zeros, problem=problem))
    return results
