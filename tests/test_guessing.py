"""No answers that are made up before the inputs are drawn earn a point, but with a chance below one in a million."""

from collections import Counter

import numpy as np
import pytest

from course_utils import authoring, build, exercises, values

SEEDS = 100
CHANCE = 1e-6
FEW = 12  # seeds that show of most exercises that no answer comes twice
NAMES = [name for name in exercises.MODULES if authoring.script_of(name).exists()]


def answers(exercise, solution, seeds):
    """What is expected in each case, (seeds, cases), in a form that can be counted."""
    return [
        [signature(case.expected) for case in build.judged_cases(exercise, solution, seed)]
        for seed in range(1, seeds + 1)
    ]


def signature(value):
    """A value up to its last digits."""
    tree, arrays = values.flatten(value)
    rounded = [array.round(9) + 0.0 if array.dtype.kind == "f" else array for array in map(np.asarray, arrays)]
    return str(tree), tuple((array.shape, array.tobytes()) for array in rounded)


def chance(drawn):
    """How likely the best guess is right in all cases: in each, the share of the seeds that expect the same."""
    shares = []
    for case in zip(*drawn, strict=True):
        most = Counter(case).most_common(1)[0][1]
        shares.append(most / len(drawn) if most > 1 else 0.0)
    return float(np.prod(shares))


@pytest.mark.parametrize("name", NAMES)
def test_guessing_does_not_pay(name):
    solution = authoring.load_solution(name)
    likely = {}
    for exercise in exercises.of(name):
        if exercise.by_property:  # what is expected is one of many right answers
            continue
        found = chance(answers(exercise, solution.functions[exercise.id], FEW))
        if found:
            found = chance(answers(exercise, solution.functions[exercise.id], SEEDS))
        if found >= CHANCE:
            likely[exercise.id] = found
    assert likely == {}
