"""`course validate` finds every kind of weak or wrong specification, and mutants change what they say."""

import sys

import pytest

from course_utils.mutants import mutants

SOURCE = '''
import numpy as np
OUTSIDE = 1 + 2


def f(a, b=1.5, flag=True):
    """Not a mutant: 3 + 4."""
    n = 2 * 3  # given
    ### BEGIN SOLUTION
    a = np.exp(-a.T) @ b
    if flag and n > 2:
        a[0] += a.sum(axis=1, keepdims=True)
        np.fill_diagonal(a, 0)
    return np.maximum(a, 1e-12) - n / 2
    ### END SOLUTION
'''


def names():
    return [mutant.name for mutant in mutants(SOURCE)]


def test_mutants_are_named_in_the_order_of_lines_the_same_every_time():
    lines = [int(name.split(":")[0].removeprefix("line ")) for name in names()]
    assert lines == sorted(lines)
    assert set(lines) == {10, 11, 12, 13, 14}  # nothing outside the solution
    assert names() == names()
    assert len(set(names())) == len(names()) > 25


@pytest.mark.parametrize(
    "name",
    [
        "line 10: `np.exp(-a.T) @ b` -> `np.exp(-a.T) * b`",
        "line 10: `np.exp(-a.T)` -> `-a.T`",
        "line 10: `np.exp(-a.T)` -> `np.log(-a.T)`",
        "line 10: `-a.T` -> `a.T`",
        "line 10: `a.T` -> `a`",
        "line 10: `a = np.exp(-a.T) @ b` -> `pass`",
        "line 11: `flag and n > 2` -> `flag or n > 2`",
        "line 11: `n > 2` -> `n >= 2`",
        "line 11: `n > 2` -> `n < 2`",
        "line 11: `2` -> `3`",
        "line 11: `if flag and n > 2:` -> `if True:`",
        "line 11: `if flag and n > 2:` -> `if False:`",
        "line 12: `1` -> `0`",
        "line 12: `True` -> `False`",
        "line 12: `a.sum(axis=1, keepdims=True)` -> `a.sum(keepdims=True)`",
        "line 12: `a.sum(axis=1, keepdims=True)` -> `a.mean(axis=1, keepdims=True)`",
        "line 12: `a.sum(axis=1, keepdims=True)` -> `a`",
        "line 12: `a[0] += a.sum(axis=1, keepdims=True)` -> `a[0] -= a.sum(axis=1, keepdims=True)`",
        "line 12: `a[0] += a.sum(axis=1, keepdims=True)` -> `pass`",
        "line 13: `np.fill_diagonal(a, 0)` -> `pass`",
        "line 13: `0` -> `1`",
        "line 14: `1e-12` -> `2e-12`",
        "line 14: `np.maximum(a, 1e-12)` -> `np.minimum(a, 1e-12)`",
        "line 14: `np.maximum(a, 1e-12) - n / 2` -> `np.maximum(a, 1e-12)`",
        "line 14: `np.maximum(a, 1e-12) - n / 2` -> `np.maximum(a, 1e-12) + n / 2`",
        "line 14: `n / 2` -> `n * 2`",
        "line 14: `n / 2` -> `n`",
    ],
)
def test_each_kind_of_change_is_made(name):
    assert name in names()


def test_a_mutant_computes_what_its_name_says():
    source = "def g(x):\n    ### BEGIN SOLUTION\n    return x - OFFSET\n    ### END SOLUTION"
    outputs = {mutant.name: mutant.function("g", {"OFFSET": 3})(10) for mutant in mutants(source)}
    assert outputs == {
        "line 3: `return x - OFFSET` -> `return -(x - OFFSET)`": -7,
        "line 3: `x - OFFSET` -> `x + OFFSET`": 13,
        "line 3: `x - OFFSET` -> `x`": 10,
        "line 3: `x - OFFSET` -> `OFFSET - x`": -7,
    }


def test_the_same_change_twice_in_a_line_has_two_names():
    source = "def g(x):\n    ### BEGIN SOLUTION\n    return [x * 2, x * 2]\n    ### END SOLUTION"
    found = [mutant.name for mutant in mutants(source)]
    assert "line 3: `x * 2` -> `x / 2`" in found
    assert "line 3: `x * 2` -> `x / 2` (2)" in found


# ---------------------------------------------------------------- the command


@pytest.fixture
def project(built, tmp_path):
    return built(tmp_path)


def test_specifications_that_hold_are_a_short_table(project):
    done = project.course("validate", "01_sample")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[2][:9] == ["✓", "scale", "full", "0", "3/3", "3/3", "2/2", "5/5", "20/20"]
    assert lines[3][:9] == ["✓", "centre-rows", "full", "0", "3/3", "3/3", "2/2", "10/10", "20/20"]
    assert done.stdout.splitlines()[-1].endswith(": all of them hold.")
    assert len(lines) == 5


def test_more_seeds_find_what_one_student_in_many_meets(project):
    rare = "return (X - X.mean(axis=1, keepdims=True)) * (X[0, 0] == 1 or X[0, 0] > 1.06)"  # wrong for 3 seeds up to 60
    project.edit(project.known, "return np.array([row - row.mean() for row in X])", rare)
    assert project.course("validate", "01_sample").returncode == 0
    done = project.course("validate", "01_sample", "--seeds", "60")
    assert done.returncode == 1
    assert "centre-rows: with fresh inputs (3 of 60 seeds, first 29) the right answer 'loop' fails" in done.stdout


def test_every_kind_of_weakness_is_one_sentence(project):
    project.edit(project.known, "return X - X.mean()\n", "return X - X.mean(axis=0)\n")  # the same as "columns"
    project.edit(project.known, "return x / x.max()", "return x / x.sum()")  # no mistake
    project.edit(project.known, "return np.array([row - row.mean() for row in X])", "return X - X.mean()")  # wrong
    project.edit(project.known, '@known.alternative("scale", "loop")\n', "")
    project.edit(project.script, "total = np.sum(x)  # the secret", "total = np.sum(x) + 0  # the secret")
    project.edit(project.script, "centre = X", "print('loud')\n    centre = X")
    with project.known.open("a") as file:
        file.write('known.equivalent("scale", "line 4: `0` -> `1`", "no")\n')
        file.write('known.equivalent("scale", "line 99: `0` -> `1`", "no")\n')
    done = project.course("validate")
    assert done.returncode == 1
    for sentence in (
        "scale: the mistake 'largest' passes.",
        "scale: it has 1 other right answers and needs 2.",
        "scale: the mutant line 4: `0` -> `1` is called equivalent and is killed.",
        "scale: there is no mutant line 99: `0` -> `1`, which is called equivalent.",
        "scale: the mutant line 4: `np.sum(x) + 0` -> `np.sum(x) - 0` survives.",
        "scale: with fresh inputs (20 of 20 seeds, first 1) the mistake 'largest' passes.",
        "centre-rows: the solution prints on 'two by two'.",
        "centre-rows: the mistake 'one mean' is taken for 'columns'.",
        "centre-rows: the mistakes 'columns' and 'one mean' do the same on every public input.",
        "centre-rows: the right answer 'loop' fails on 'drawn': ",
    ):
        assert sentence in done.stdout, done.stdout
    assert "things to mend." in done.stdout.splitlines()[-1]


def test_mutants_that_hang_are_killed(project):
    solution = """countdown = 3
    while countdown > 0:
        countdown = countdown - 1
    return x / np.sum(x) + countdown"""
    project.edit(project.script, "total = np.sum(x)  # the secret of scaling\n    return x / total", solution)
    done = project.course("validate")
    row = next(line.split() for line in done.stdout.splitlines() if " scale" in line)
    assert row[2] == "full"
    assert "scale: the mutant line 6: `countdown - 1` -> `countdown + 1` survives." not in done.stdout
    assert "its examination" not in done.stdout


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="memory is limited on Linux only")
def test_a_worker_may_not_take_all_memory(project):
    more = "import numpy; from course_utils import validate as v; v.prepare_worker(); numpy.empty({}, numpy.uint8)"
    assert project.python("-c", more.format("v.MEMORY // 2")).returncode == 0
    assert "MemoryError" in project.python("-c", more.format("v.MEMORY + (1 << 30)")).stderr


def test_a_solution_that_fails_is_said_and_the_others_are_examined(project):
    project.edit(project.script, "return x / total", "return x / nowhere")
    done = project.course("validate")
    assert done.returncode == 1
    assert "scale: the solution fails on the case '1, 2, 3': NameError: name 'nowhere' is not defined" in done.stdout
    assert "✓ centre-rows" in done.stdout
