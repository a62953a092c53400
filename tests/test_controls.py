"""The trials before every batch: they pass where the sandbox holds, and stop grading at one hole."""

import os
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from sandboxed import need_namespaces, zygote

from course_utils.errors import CourseError
from course_utils.grading import controls
from course_utils.grading.intake import Cell
from course_utils.grading.marking import Marker
from course_utils.grading.reference import Reference
from course_utils.grading.sandbox import bubblewrap
from course_utils.grading.sandbox.launch import Mode, Zygote
from course_utils.grading.sandbox.limits import Limits

if not sys.platform.startswith("linux"):
    pytest.skip("the sandbox needs Linux", allow_module_level=True)

NOTEBOOK = "01_sne_to_tsne"


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference(NOTEBOOK)


@pytest.fixture(scope="module")
def marker(reference: Reference) -> Iterator[Marker]:
    need_namespaces()
    warm = Zygote(Limits(), Mode.NAMESPACES)
    yield Marker(warm, "seed", lambda name: reference)
    warm.close()


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A folder like the gradebook's, which other users may read."""
    tmp_path.chmod(0o755)
    (tmp_path / "gradebook.sqlite").write_bytes(b"marks")
    return tmp_path


def test_both_trials_pass_in_less_than_two_seconds(marker: Marker, reference: Reference, private: Path) -> None:
    used = time.process_time()
    controls.check_sandbox(marker.zygote, [private])
    controls.check_solution(marker, reference)
    assert time.process_time() - used < 2  # of this process; the sandbox's own time is not the grader's


def test_a_solution_that_loses_points_stops_the_batch(marker: Marker, reference: Reference) -> None:
    wrong = Reference(NOTEBOOK)
    kept = [cell for cell in wrong.cells if cell.exercise != "perplexity"]
    wrong.cells = (*kept, Cell("def perplexity(P):\n    return P.sum()", "perplexity", None))
    with pytest.raises(CourseError, match="solution of 01_sne_to_tsne itself loses points at 'perplexity'"):
        controls.check_solution(marker, wrong)


def stopped(zygote: Zygote, private: Path) -> str:
    """What the negative control says."""
    with pytest.raises(CourseError) as refusal:
        controls.check_probe(zygote, [controls.PROJECT / "solutions", Path.home(), private])
    return str(refusal.value)


def test_a_readable_folder_stops_the_batch(monkeypatch: pytest.MonkeyPatch, private: Path) -> None:
    monkeypatch.setattr(bubblewrap, "OF_THE_PROJECT", (*bubblewrap.OF_THE_PROJECT, private))
    shown = bubblewrap.shown_places()
    with zygote(monkeypatch) as leaky:
        monkeypatch.setattr(bubblewrap, "shown_places", lambda: [place for place in shown if place != private])
        assert f"could list {private}" in stopped(leaky, private)


def test_readable_solutions_stop_the_batch(monkeypatch: pytest.MonkeyPatch, private: Path) -> None:
    solutions = controls.PROJECT / "solutions"
    shown = bubblewrap.shown_places()
    monkeypatch.setattr(bubblewrap, "OF_THE_PROJECT", (*bubblewrap.OF_THE_PROJECT, solutions))
    monkeypatch.setattr(bubblewrap, "HIDDEN", ())
    with zygote(monkeypatch) as leaky:
        monkeypatch.setattr(bubblewrap, "shown_places", lambda: shown)
        assert f"could list {solutions}" in stopped(leaky, private)


def test_a_writable_folder_stops_the_batch(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    monkeypatch.setattr(bubblewrap, "OF_THE_PROJECT", (*bubblewrap.OF_THE_PROJECT, tmp_path))
    words = bubblewrap.file_system()
    places = [index for index, word in enumerate(words) if word == "--ro-bind" and words[index + 1] == str(tmp_path)]
    words[places[0]] = "--bind"
    monkeypatch.setattr(bubblewrap, "file_system", lambda: words)
    with zygote(monkeypatch) as leaky:
        assert f"could write to {tmp_path}" in stopped(leaky, tmp_path)


def test_processes_that_share_a_user_with_the_grader_stop_the_batch(
    monkeypatch: pytest.MonkeyPatch, private: Path
) -> None:
    with zygote(monkeypatch, Mode.UNPROTECTED) as leaky:
        reached = stopped(leaky, private)
        monkeypatch.setattr(controls, "probe", signals_only)
        assert "could reach the network" in reached
        assert "could send signals to other processes" in stopped(leaky, private)


def probe(aims):
    import os

    os.kill(aims["process"], 0)
    return ["send signals to other processes"]


signals_only = probe


def test_an_unprotected_run_promises_nothing(marker: Marker, private: Path) -> None:
    with pytest.MonkeyPatch.context() as context:
        context.setattr(marker.zygote, "mode", Mode.UNPROTECTED)
        context.setattr(controls, "check_probe", lambda *_: pytest.fail("the probe ran"))
        controls.check_sandbox(marker.zygote, [private])


def test_solutions_that_others_can_read_stop_a_weaker_sandbox(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root can become another user")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "answers.py").write_text("answers = 42")
        with zygote(monkeypatch, Mode.ANOTHER_USER) as weaker:
            controls.check_probe(weaker, [folder])  # mode 700
            folder.chmod(0o755)
            with pytest.raises(CourseError, match=rf"could list {folder} \(`chmod 700 {folder}`"):
                controls.check_probe(weaker, [folder])
            folder.chmod(0o711)
            with pytest.raises(CourseError, match=r"could open .*answers\.py"):
                controls.check_probe(weaker, [folder])


@pytest.mark.parametrize(
    ("without", "could"),
    [
        ("zygote.kernel.install_filter = lambda program: None", "make namespaces of its own"),
        (
            "limit = zygote.limit; zygote.limit = lambda limits, *more: limit(limits | {'processes': 60}, *more)",
            "run more than 16 processes",
        ),
    ],
)
def test_a_measure_left_out_stops_the_batch(
    monkeypatch: pytest.MonkeyPatch, private: Path, without: str, could: str
) -> None:
    with zygote(monkeypatch, without=without) as leaky:
        assert f"could {could}" in stopped(leaky, private)
