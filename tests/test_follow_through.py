"""Answers to a student's questions: arguments by name, generators that go on, and what is not answered."""

import time

import pytest
from sandboxed import SECONDS, need_namespaces, zygote

from course_utils import exercises
from course_utils.exercises.spec import Exercise
from course_utils.grading.intake import Cell
from course_utils.grading.marking import AnswerDesk, in_places
from course_utils.grading.session import Session
from course_utils.values import SeededGenerator

RIGHT = "def draw(n, rng, scale=1.0):\n    return scale * rng.random(n)\n"
WRONG = "def draw(n, rng, scale=1.0):\n    return [0.0] * n\n"
USES = {
    "by place": "def use(rng):\n    return [*draw(2, rng), rng.random(), *draw(1, rng), rng.random()]\n",
    "by name": "def use(rng):\n    return [*draw(rng=rng, n=2), rng.random(), *draw(1, rng=rng), rng.random()]\n",
}
NAMES = {"draw": "draw", "use": "use"}


def answered() -> Exercise:
    """The exercise that is answered."""
    plain = {"id": "draw", "notebook": "x", "name": "draw", "title": "Draw", "points": 1, "difficulty": 1, "minutes": 1}
    return Exercise(**plain, cases=lambda rng: [], takes=("n", "rng", "scale"), returns=("x",), hints=("draw",))


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_what_an_answer_draws_from_a_generator_is_drawn_from_the_students(monkeypatch, use):
    need_namespaces()
    with (
        zygote(monkeypatch) as started,
        Session(started, time.monotonic() + 60) as student,
        Session(started, time.monotonic() + 60) as solution,
    ):
        student.load((Cell(WRONG, "draw", None), Cell(use, "use", None)), NAMES, SECONDS)
        solution.load((Cell(RIGHT, "draw", None),), NAMES, SECONDS)
        desk = AnswerDesk(solution, {"draw": answered()})
        reply = student.call("use", (SeededGenerator(5),), SECONDS, answered=("draw",), answer=desk.answer)
    assert reply["outcome"]["error"] is None
    assert reply["outcome"]["value"] == SeededGenerator(5).random(5).tolist()


def test_arguments_by_name_are_put_in_their_places_up_to_a_gap():
    takes = ("a", "b", "c")
    assert in_places(takes, (1,), {"c": 3, "b": 2}) == ((1, 2, 3), {})
    assert in_places(takes, (1,), {"c": 3}) == ((1,), {"c": 3})
    assert in_places(takes, (), {"a": 1, "z": 0}) == ((1,), {"z": 0})


def test_a_sampler_is_answered_by_what_it_draws_though_its_check_draws_twice(monkeypatch):
    """`noise-sampler` has a `use`; the exercises built on it want plain draws."""
    need_namespaces()
    sampler = exercises.get("noise-sampler")
    assert sampler.use is not None
    names = {"noise-sampler": "draw_noise", "use": "use"}
    right = (
        "def draw_noise(weights, shape, rng):\n    return rng.choice(len(weights), shape, p=weights / weights.sum())\n"
    )
    use = "def use(rng):\n    return draw_noise(np.array([0.0, 2.0]), (2, 3), rng)\n"
    with (
        zygote(monkeypatch) as started,
        Session(started, time.monotonic() + 60) as student,
        Session(started, time.monotonic() + 60) as solution,
    ):
        student.load((Cell("import numpy as np\n" + use, "use", None),), names, SECONDS)
        solution.load((Cell(right, "noise-sampler", None),), names, SECONDS)
        desk = AnswerDesk(solution, {"draw_noise": sampler})
        reply = student.call("use", (SeededGenerator(5),), SECONDS, answered=("draw_noise",), answer=desk.answer)
    assert reply["outcome"]["error"] is None
    assert reply["outcome"]["value"].tolist() == [[1, 1, 1], [1, 1, 1]]
