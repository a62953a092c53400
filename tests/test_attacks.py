"""Every attack gains no point, harms no other submission, and leaves nothing behind; the student reads one sentence."""

import dataclasses
import os
import re
import time
from pathlib import Path

import attacks
import psutil
import pytest
from sandboxed import need_namespaces

from course_utils.grading import marking, session
from course_utils.grading.intake import Cell, Submission
from course_utils.grading.marking import Marker
from course_utils.grading.reference import Reference
from course_utils.grading.results import SubmissionResult
from course_utils.grading.sandbox.launch import Zygote
from course_utils.grading.sandbox.limits import Limits

NOTEBOOK = "01_sne_to_tsne"
SECONDS = 0.6  # for an exercise, so that what runs for ever does not take long
LIMITS = Limits(wall=30.0, cpu=20, memory=600, processes=16, file_size=4, scratch=8)
PERPLEXITY = (
    "import numpy as np\n\n\ndef perplexity(P):\n"
    "    logs = np.log2(np.where(P > 0, P, 1))\n    return 2 ** -(P * logs).sum(1)\n"
)
RIGHT = attacks.body("D = ((X[:, None] - X[None]) ** 2).sum(-1)\nreturn D")
SHARED = [Path(name) for name in ("/tmp", "/var/tmp", "/dev/shm")]


@pytest.fixture(scope="module")
def reference() -> Reference:
    """Two exercises of notebook 01, of which the first is attacked and the second is answered rightly."""
    whole = Reference(NOTEBOOK)
    whole.exercises = tuple(
        dataclasses.replace(one, time_limit=SECONDS)
        for one in whole.exercises
        if one.id in ("squared-distances", "perplexity")
    )
    return whole


@pytest.fixture(scope="module")
def marker(reference):
    """A marker with a zygote that all attacks share, as the submissions of a class do."""
    need_namespaces()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(session, "LEEWAY", 1.0)
        patch.setattr(marking, "LOAD_SECONDS", 8.0)
        zygote = Zygote(LIMITS)
        yield Marker(zygote, "a seed", lambda name: reference)
        zygote.close()


def mark(marker: Marker, answer: str, before: str = attacks.IMPORTS) -> SubmissionResult:
    """Mark a notebook of three cells: helpers, the answer to `squared-distances`, and a right `perplexity`."""
    cells = (Cell(before), Cell(answer, "squared-distances"), Cell(PERPLEXITY, "perplexity"))
    return marker.mark(Submission("mallory", "mallory.ipynb", "0", None, NOTEBOOK, cells))


def assert_harmless(marker: Marker, result: SubmissionResult) -> None:
    """No point was gained, the feedback is a few clear sentences, and the next submission is marked as it deserves."""
    attacked, other = result.exercises
    assert attacked.points == 0, attacked
    assert other.points in (0, other.most)
    for sentence in [*attacked.sentences, *other.sentences, *result.remarks]:
        assert len(sentence) <= 1000
        assert sentence.isprintable()
        assert not re.search(r"Traceback|/course_utils/|site-packages|a seed", sentence), sentence
        assert not re.search(r"\bfound\b.*RuntimeError|RuntimeError: (found|made|done)", sentence), sentence
    assert attacked.sentences
    last = attacked.sentences[-1]
    assert last.endswith((".", "?")) or "raised an error" in last, last
    honest = mark(marker, RIGHT)
    assert [one.points for one in honest.exercises] == [one.most for one in honest.exercises], honest


@pytest.fixture
def nothing_left():
    """Fails where files appear in the folders that all users share."""
    before = {path for folder in SHARED for path in folder.glob("*")}
    yield
    left = {path.name for folder in SHARED for path in folder.glob("*")} - {path.name for path in before}
    assert not {name for name in left if re.search(r"left|results\.json|flood|file\d", name)}


def test_there_are_enough_kinds():
    assert len(attacks.BODIES) + len(attacks.DEFINITIONS) >= 90


@pytest.mark.parametrize("name", attacks.BODIES)
def test_an_attack_gains_nothing(marker, nothing_left, name):
    start = time.monotonic()
    result = mark(marker, attacks.body(attacks.BODIES[name]))
    assert_harmless(marker, result)
    assert time.monotonic() - start < LIMITS.wall + 10


@pytest.mark.parametrize("name", attacks.DEFINITIONS)
def test_an_attack_by_definitions_gains_nothing(marker, nothing_left, name):
    answer = attacks.body("return wrong(X)")
    assert_harmless(marker, mark(marker, answer, attacks.IMPORTS + attacks.DEFINITIONS[name]))


@pytest.mark.parametrize(
    "name", ["endless loop", "fork bomb", "patched NumPy", "an error in HTML", "a structure without end", "nothing"]
)
def test_an_attack_spares_the_exercises_that_it_does_not_touch(marker, name):
    _, other = mark(marker, attacks.body(attacks.BODIES[name])).exercises
    assert other.points == other.most


def test_no_process_is_left(marker):
    for name in ("fork bomb", "threads", "a child that outlives the call", "memory of several processes"):
        mark(marker, attacks.body(attacks.BODIES[name]))
    family = psutil.Process(marker.zygote.process.pid).children(recursive=True)
    assert len(family) <= 3  # bubblewrap's own, the zygote's first process, the zygote
    assert os.getpid() not in [one.pid for one in family]


def test_a_right_answer_with_an_attack_beside_it_earns_what_it_deserves(marker):
    answer = attacks.body("np.left_behind = True\nreturn ((X[:, None] - X[None]) ** 2).sum(-1)")
    attacked, other = mark(marker, answer).exercises
    assert (attacked.points, other.points) == (attacked.most, other.most)
