"""A class to practise grading on: submissions of every kind that comes in, and the truth about each in a file.

The submissions are made from the released notebooks. About a quarter are right, in various ways; most have a few
errors (known mistakes, mutants of the solution, stubs, cells that cannot be read); some are weak, some edited oddly
and yet right, some no readable notebooks, some hostile.

`truth.json` says for each student by name: `kind`, `what` in a few words, and for each notebook its `file`, the
`problem` where that cannot be read as a notebook of the course (else null), and for each exercise the `points` that it
must earn, the `mistake` that it must be named after (null: none, or any), and the `answer` that stands there. A right
function that fails only because it calls the student's own wrong one keeps its points, by follow-through; nobody
answers what is built on an own wrong class.
"""

from __future__ import annotations

import contextlib
import copy
import itertools
import json
import random
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nbformat import NotebookNode

from course_utils import authoring, exercises, frozen, notebook
from course_utils.errors import CourseError
from course_utils.grading import demo_answers
from course_utils.grading.demo_answers import Answer, Pool
from course_utils.grading.demo_attacks import ATTACKS
from course_utils.grading.demo_edits import BROKEN, EDITS, ODD, RENAMED, SAVED, text_of
from course_utils.release import new_folder
from course_utils.validate import is_killed

MIX = {"right": 25, "errors": 45, "weak": 10, "edited": 8, "broken": 7, "hostile": 5}  # percent
ERRORS = range(1, 7)  # how many a student of kind "errors" may have
ERROR_KINDS = {"mistake": 12, "mutant": 5, "stub": 2, "unreadable": 2, "deleted": 1}  # how often, relatively
WEAK_KINDS = {"stub": 10, "right": 4, "mistake": 4, "mutant": 1, "unreadable": 1}
ATTACKS_EACH = 3  # in a hostile student's notebook
NAMES = (
    *("=cmd|' C calc'!A0", "<b onmouseover=alert(1)>Bo", "Zoë", "Jürgen", "D'Arcy", "María José", "Aino", "Oğuz"),
    *("Łukasz", "Siobhán", "Nguyễn", "Þóra", "Anne-Marie", "Chloé", "Søren", "Tariq", "Ines", "Priya", "Kwame", "Mia"),
    *("李雷", "Наташа", "Björk", "Émile", "Fatima", "Jan", "Ruth", "Tomás", "Yuki", "Ola", "Žofie", "Ada [bold]"),
)


@dataclass(frozen=True)
class Course:
    """One notebook to hand in: as released, and what may stand in its answer cells."""

    name: str
    released: NotebookNode
    pools: Mapping[str, Pool]

    @property
    def leaves(self) -> list[str]:
        """The ids of the exercises on which no other is built."""
        needed = {one for exercise_id in self.pools for one in exercises.get(exercise_id).requires}
        return [exercise_id for exercise_id in self.pools if exercise_id not in needed]


@dataclass(frozen=True)
class Submission:
    """A file that a student hands in, and the truth about it as truth.json has it."""

    content: bytes
    file: str
    truth: dict[str, Any]


def make_class(out: Path, students: int = 200, seed: int = 0) -> None:
    """Make the folder `out` with submissions/STUDENT/NOTEBOOK.ipynb and truth.json; the same for the same seed.

    It appears whole or not at all. Raises CourseError where `out` is not empty, or the course has not been built.
    """
    if students < 1:
        raise CourseError("A class needs at least one student: give a number above 0.")
    names = [name for name in exercises.MODULES if authoring.script_of(name).exists()]
    with new_folder(out) as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore", SyntaxWarning)  # of mutants
        courses = [Course(name, demo_answers.released(name), demo_answers.pools(name, seed)) for name in names]
        truth = {}
        for student, kind, what in roll(students, seed):
            notebooks = {}
            for course in courses:
                made = submission(course, kind, what, random.Random(f"{seed} {student} {course.name}"))
                path = folder / "submissions" / student / made.file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(made.content)
                notebooks[course.name] = made.truth
            truth[student] = {"kind": kind, "what": ", ".join(what), "notebooks": notebooks}
        text = json.dumps({"seed": seed, "students": truth}, ensure_ascii=False, indent=1)
        notebook.write_text(folder / "truth.json", text + "\n")


# ---------------------------------------------------------------- who is in the class


def roll(students: int, seed: int) -> Iterator[tuple[str, str, list[str]]]:
    """Each student's name and kind, and what was done to the notebook: an edit, a break, or attacks, dealt in turn."""
    rng = random.Random(f"{seed} roll")
    kinds = [kind for kind, count in counts(students).items() for _ in range(count)]
    rng.shuffle(kinds)
    decks = {kind: _deck(hands, rng) for kind, hands in _hands().items()}
    for number, kind in enumerate(kinds, start=1):
        name = f"{NAMES[(number - 1) % len(NAMES)]} {number:03d}"
        yield name, kind, next(decks[kind]) if kind in decks else []


def counts(students: int) -> dict[str, int]:
    """How many students of each kind: the mix, rounded so that the sum is right."""
    exact = {kind: students * percent / sum(MIX.values()) for kind, percent in MIX.items()}
    whole = {kind: int(number) for kind, number in exact.items()}
    rest = sorted(MIX, key=lambda kind: whole[kind] - exact[kind])
    for kind in rest[: students - sum(whole.values())]:
        whole[kind] += 1
    return whole


def _hands() -> dict[str, list[list[str]]]:
    """What students of some kinds may be dealt: one edit, one break, or some attacks that go together."""
    together = [name for name, attack in ATTACKS.items() if not attack.first]
    attacks = [together[start : start + ATTACKS_EACH] for start in range(0, len(together), ATTACKS_EACH)]
    attacks += [[name] for name, attack in ATTACKS.items() if attack.first]
    return {"edited": [[one] for one in ODD], "broken": [[one] for one in BROKEN], "hostile": attacks}


def _deck(hands: list[list[str]], rng: random.Random) -> Iterator[list[str]]:
    """The hands in a random order, again and again."""
    rng.shuffle(hands)
    return itertools.cycle(hands)


# ---------------------------------------------------------------- one submission


def submission(course: Course, kind: str, what: list[str], rng: random.Random) -> Submission:
    """What a student of some kind hands in for one notebook."""
    answers = choose(course, kind, what, rng)
    full = copy.deepcopy(course.released)
    for exercise_id, cell in notebook.exercise_cells(full).items():
        cell.source = answers[exercise_id].source
    for exercise_id, answer in answers.items():
        if answer.kind == "attack" and ATTACKS[answer.name].edit:
            ATTACKS[answer.name].edit(full, exercise_id)
    file = f"{course.name}.ipynb"
    if kind == "broken":
        return Submission(BROKEN[what[0]](text_of(full)), file, truth_of(answers, file, problem=what[0]))
    odd = what[0] if kind == "edited" else ""
    if odd in EDITS:
        EDITS[odd](full)
    if odd == "renamed":
        file = RENAMED.format(name=course.name)
    return Submission(SAVED.get(odd, str.encode)(text_of(full)), file, truth_of(answers, file))


def choose(course: Course, kind: str, what: list[str], rng: random.Random) -> dict[str, Answer]:
    """What a student of some kind answers to each exercise."""
    ids = list(course.pools)
    if kind == "hostile":
        return {one: pool.right[0] for one, pool in course.pools.items()} | attacks(course, what, rng)
    answers = right_answers(course, rng)
    if kind == "errors":
        some = rng.sample(ids, min(rng.choice(ERRORS), len(ids)))
        answers |= {one: answer_of_kind(course, one, _draw(ERROR_KINDS, rng), rng) for one in sorted(some)}
    if kind == "weak":
        answers = {one: answer_of_kind(course, one, _draw(WEAK_KINDS, rng), rng) for one in ids}
    for exercise_id, answer in answers.items():  # follow-through answers no class, so what is built on one may fail
        if any(exercises.get(one).kind == "class" and not answers[one].right for one in answer.calls):
            answers[exercise_id] = answer_of_kind(course, exercise_id, "stub", rng)
    for exercise_id, answer in answers.items():
        if answer.kind in ("mistake", "mutant") and tainted(answer, answers) and undone(course, exercise_id, answers):
            answers[exercise_id] = answer_of_kind(course, exercise_id, "stub", rng)
    return answers


def _draw(weights: Mapping[str, int], rng: random.Random) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def right_answers(course: Course, rng: random.Random) -> dict[str, Answer]:
    """A right answer to each exercise, any where nothing is built on it, and elsewhere one alternative at most.

    Alternatives are slow (loops) and rounded otherwise; it was tried out that the notebook bears one of them.
    """
    bold = rng.choice([one for one in course.pools if one not in course.leaves] or list(course.pools))
    free = {*course.leaves, bold}
    return {one: rng.choice(pool.right) if one in free else pool.right[0] for one, pool in course.pools.items()}


def answer_of_kind(course: Course, exercise_id: str, kind: str, rng: random.Random) -> Answer:
    """An answer of one kind; the stub where there is none of that kind."""
    pool = course.pools[exercise_id]
    right = pool.right[0]
    match kind:
        case "right":
            return right
        case "mistake" if pool.mistakes:
            return rng.choice(pool.mistakes)
        case "mutant" if pool.mutants:
            return rng.choice(pool.mutants)
        case "unreadable":
            return Answer(kind, "", right.source + "\n    return (", frozenset())
        case "deleted":
            return Answer(kind, "", "", frozenset())
    return Answer("stub", "", notebook.exercise_cells(course.released)[exercise_id].source, frozenset())


def attacks(course: Course, what: list[str], rng: random.Random) -> dict[str, Answer]:
    """The attacks, each in place of an answer; one that finds no place is left out.

    They are functions, which where a class is asked for would never be called; one that strikes `first` needs no call.
    """
    placed: dict[str, Answer] = {}
    functions = [one for one in course.pools if exercises.get(one).kind == "function"]
    leaves = [one for one in course.leaves if one in functions]
    for name in what:
        attack = ATTACKS[name]
        places = list(course.pools)[:1] if attack.first else leaves if attack.lasting else functions
        free = [one for one in places if one not in placed]
        if free:
            exercise_id = rng.choice(free)
            source = attack.cell(exercises.get(exercise_id).name, exercise_id, course.name)
            placed[exercise_id] = Answer("attack", name, source, frozenset())
    return placed


# ---------------------------------------------------------------- the truth


def tainted(answer: Answer, answers: Mapping[str, Answer]) -> bool:
    """Whether an answer calls a wrong one of the same student, directly or through others."""
    return any(not answers[one].right or tainted(answers[one], answers) for one in answer.calls)


def strange(answer: Answer, answers: Mapping[str, Answer]) -> bool:
    """Whether an answer calls, directly or through others, anything but solutions, so that its outputs differ a bit."""
    return any(answers[one].kind != "solution" or strange(answers[one], answers) for one in answer.calls)


def undone(course: Course, exercise_id: str, answers: Mapping[str, Answer]) -> bool:
    """Whether two errors undo each other: a wrong answer that passes, since it calls another wrong one."""
    exercise = exercises.get(exercise_id)
    own = dict(authoring.load_solution(course.name).namespaces[exercise_id])
    for one in itertools.takewhile(lambda one: one != exercise_id, answers):
        own.pop(exercises.get(one).name, None)
        with contextlib.suppress(SyntaxError):
            exec(compile(answers[one].source, "<cell>", "exec"), own)
    function = demo_answers.define(answers[exercise_id].source, exercise, own)
    return not is_killed(exercise, function, frozen.load(exercise_id), exercise.time_limit)


def truth_of(answers: Mapping[str, Answer], file: str, problem: str | None = None) -> dict[str, Any]:
    """The points that each exercise must earn, and the mistake that it must be named after."""
    nothing = problem is not None or any(one.kind == "attack" and ATTACKS[one.name].first for one in answers.values())
    told = {}
    for exercise_id, answer in answers.items():
        points = 0.0 if nothing or not answer.right else float(exercises.get(exercise_id).points)
        named = answer.kind == "mistake" and problem is None and not strange(answer, answers)
        what = ": ".join(filter(None, [answer.kind, answer.name]))
        told[exercise_id] = {"points": points, "mistake": answer.name if named else None, "answer": what}
    return {"file": file, "problem": problem, "exercises": told}
