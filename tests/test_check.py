"""`check` as a learner meets it: it never raises, never writes on stderr, and says one clear thing."""

import dataclasses
import json
import subprocess
import sys
import warnings

import numpy as np
import pytest

from course_utils import check, checking, exercises, hint, progress, record


@pytest.fixture(autouse=True)
def own_record(tmp_path, monkeypatch):
    monkeypatch.setattr(record, "FILE", tmp_path / "progress.json")


def distances(X):
    return ((X[:, None] - X[None]) ** 2).sum(-1)


def result_of(function):
    squared_distances = function  # noqa: F841  (check finds it by its name)
    return check("squared-distances")


def test_a_right_answer():
    result = result_of(distances)
    assert isinstance(result, float)
    assert result == 1.0
    assert repr(result) == "✓ Squared distances without loops: right. 7 of 7 cases pass, 1 point."
    assert record.read()["squared-distances"] == {"points": 1.0, "attempts": 1}


def in_place(X):
    X -= X.mean(0)
    return distances(X)


def raises(X):
    raise SystemExit("bye")


class Liar:
    def __array__(self, *args, **kwargs):
        raise SystemExit

    def __repr__(self):
        raise SystemExit

    def __eq__(self, other):
        return True


@pytest.mark.parametrize(
    ("function", "part"),
    [
        (lambda X: None, "None (is a return missing?)"),
        (lambda X: [[0.0]], "yours is a list"),
        (lambda X: X, "must have shape (3, 3); yours has shape (3, 1)"),
        (lambda X: np.sqrt(distances(X)), "These are the distances themselves"),
        (lambda X: distances(X) / 2, "a factor 2 is missing"),
        (in_place, "changed its argument X in place"),
        (raises, "SystemExit: bye"),
        (lambda: 3, "the check gives these arguments by position"),
        (lambda *, X: X, "let your function take them in this order"),
        (lambda X, more: X, "missing a required argument: "),
        (lambda X: Liar(), "an object of type Liar"),
        (3, "is no longer a function"),
    ],
)
def test_wrong_answers_are_explained(function, part, capsys):
    result = result_of(function)
    assert result == 0.0
    assert part in repr(result)
    assert part.split(";")[0].split("(")[0] in result._repr_html_()
    assert capsys.readouterr() == ("", "")


def test_a_function_that_takes_other_arguments_is_told_which_come_in_which_order():
    tsne = lambda X, **options: X  # noqa: E731, F841
    said = "`tsne` cannot be called as `tsne(X, perplexity, n_iter, exaggeration_iter)` (too many positional arguments)"
    assert repr(check("tsne")).startswith(said)


@pytest.mark.parametrize(("low", "high", "end"), [(1e-8, 10, "upper"), (1.0, 1e8, "lower"), (1e-8, 1e8, None)])
def test_a_search_in_too_small_an_interval_is_told_so(low, high, end):
    def find_sigmas(D, target):
        lows, highs = np.full(len(D), low), np.full(len(D), high)
        for _ in range(60):
            sigma = np.sqrt(lows * highs)
            K = np.exp(-(D - np.sort(D)[:, 1:2]) / (2 * sigma[:, None] ** 2)) * (1 - np.eye(len(D)))
            P = K / K.sum(1, keepdims=True)
            too_wide = 2 ** -(P * np.log2(np.where(P > 0, P, 1))).sum(1) > target
            lows, highs = np.where(too_wide, lows, sigma), np.where(too_wide, sigma, highs)
        return sigma

    said = repr(check("sigma-search"))
    assert said.startswith("✗" if end else "✓")
    assert end is None or f"does your search stop at the {end} end of its interval?" in said


def test_unknown_and_unsolved():
    assert "did you mean 'squared-distances'" in repr(check("squared-distence"))
    for nothing in ((), (7,), (None,), ("",)):
        assert "Give the id of an exercise as text" in repr(check(*nothing))
    assert "not defined yet" in repr(check("tsne"))

    def stub(X):
        raise NotImplementedError("squared-distances: replace this line by your solution")

    assert "still raises NotImplementedError" in repr(result_of(stub))


def test_what_a_learner_returns_is_escaped():
    def nasty(X):
        raise ValueError("<script>alert(1)</script>\x1b[2J")

    result = result_of(nasty)
    assert "<script>" not in result._repr_html_()
    assert "\x1b" not in repr(result)


def test_an_endless_loop_ends():
    def loop(X):
        while True:
            pass

    spec = dataclasses.replace(exercises.get("squared-distances"), time_limit=0.3)
    assert "stopped after 0.3 s" in repr(checking.check_function(spec, loop))


def test_unsolved_earlier_exercises_are_pointed_at():
    def tsne(X, *rest):
        return [squared_distances(X) for _ in range(2)]

    squared_distances = distances
    assert "It calls `squared_distances`, not solved yet: mend that first." in repr(check("tsne"))
    result_of(distances)
    assert "not solved yet" not in repr(check("tsne"))


def test_unsolved_exercises_that_are_not_called_are_not_mentioned():
    tsne = lambda X, *rest: X  # noqa: E731, F841
    assert "not solved yet" not in repr(check("tsne"))


NBGRADER = """
def squared_distances(X):
    raise NotImplementedError("replace this line by your solution")

def helper(X):
    return [squared_distances(X) for _ in range(2)]

def tsne(X, perplexity, n_iter, exaggeration_iter):
    return helper(X)

def find_sigmas(D, target):
    raise NotImplementedError("my own")
"""


def test_nbgraders_stubs_are_found_behind_the_function_that_calls_them():
    names = {}
    exec(NBGRADER, names)

    def said(exercise_id):
        exercise = exercises.get(exercise_id)
        return repr(checking.check_function(exercise, names[exercise.name]))

    assert said("tsne").startswith("`tsne` calls `squared_distances`, which is not written yet")
    assert said("squared-distances").startswith("`squared_distances` still raises NotImplementedError")
    assert said("sigma-search").startswith("`find_sigmas` still raises NotImplementedError")


@pytest.mark.parametrize(
    ("warning", "end"), [("careful", "careful.\n"), ("Mind.", " Mind.\n"), ("a " * 200, "a ...\n")]
)
def test_a_warning_ends_with_one_full_stop(warning, end):
    def warns(X):
        warnings.warn(warning, stacklevel=1)
        return distances(X)

    assert end in repr(result_of(warns)) + "\n"


def test_hints_go_round_and_are_remembered():
    texts = [repr(hint("perplexity")) for _ in range(3)]
    assert texts[0].startswith("Hint 1 of 2")
    assert texts[1].startswith("Hint 2 of 2")
    assert texts[2] == texts[0]
    assert "no exercise" in repr(hint("nothing"))


def test_progress_is_remembered_and_survives_damage():
    assert "Squared distances" not in repr(progress())  # nothing is begun
    result_of(distances)
    assert "✓ Squared distances without loops" in repr(progress())
    assert "02_word2vec: 0 of 38 points" in repr(progress())
    assert "Co-occurrence" not in repr(progress())  # not begun
    assert progress().html.count("<details open>") == 1
    assert "Co-occurrence counts" in progress().html  # folded
    result_of(lambda X: X)
    assert "1/1" in repr(progress())
    record.FILE.write_text("{ broken", encoding="utf-8")
    assert "0 of" in repr(progress())
    record.FILE.write_text(json.dumps({"squared-distances": {"points": "many"}}), encoding="utf-8")
    assert "0 of" in repr(progress())


def test_a_folder_that_cannot_be_written_loses_nothing_else(monkeypatch, tmp_path):
    blocker = tmp_path / "file"
    blocker.write_text("")
    monkeypatch.setattr(record, "FILE", blocker / "progress.json")
    assert result_of(distances) == 1.0


def test_importing_the_package_is_light():
    code = (
        "import sys, course_utils; course_utils.check\n"
        "print([name for name in ('torch', 'matplotlib', 'pandas') if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


def test_check_takes_one_exercise():
    said = check("tsne", "perplexity").text
    assert said == "`check` takes one exercise: write `check('tsne')`, and one check for each other."


def test_cells_that_need_an_unsolved_exercise_say_so_without_a_traceback():
    code = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
shell.run_cell("from course_utils import check")
shell.run_cell("squared_distances(3)")
shell.run_cell("raise NotImplementedError('tsne: replace this line by your solution')")
stub = "    raise NotImplementedError('replace this line by your solution')"  # as nbgrader makes it
shell.run_cell("def perplexity(P):\\n" + stub + "\\nperplexity(1)")
shell.run_cell("raise NotImplementedError('my own')")
shell.run_cell("unknown_name")
shell.run_cell("first, (second, _) = 1, squared_distances(3)", store_history=True)
shell.run_cell("third = second + 1", store_history=True)
shell.run_cell("print(third)", store_history=True)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "This cell needs `squared_distances`, which is not defined yet" in done.stdout
    assert "This cell needs `tsne`, which is not written yet" in done.stdout
    assert "This cell needs `perplexity`, which is not written yet" in done.stdout
    made = "which a cell above makes as soon as `squared_distances` is solved"
    assert f"This cell needs `second`, {made}" in done.stdout
    assert f"This cell needs `third`, {made}" in done.stdout
    assert done.stdout.count("Traceback") == 2
    assert "my own" in done.stdout
    assert "unknown_name" in done.stdout


TWO_CHECKS = """
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
shell.run_cell("from course_utils import check")
shell.run_cell("check('perplexity'); check('tsne')")
shell.run_cell("one = check('sne-q')")
shell.run_cell("1 + 1")
"""


def test_each_check_of_a_cell_is_shown_once():
    shown = subprocess.run([sys.executable, "-c", TWO_CHECKS], capture_output=True, text=True).stdout
    for name in ("perplexity", "tsne", "gaussian_affinities"):
        assert shown.count(f"`{name}` is not defined yet") == 1
