"""The gradebook keeps what was recorded whatever happens, counts the right file, and loses no decision."""

import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from course_utils import exercises
from course_utils.errors import CourseError
from course_utils.grading import gradebook
from course_utils.grading.gradebook import Change, Gradebook
from course_utils.grading.results import ExerciseResult, Status, SubmissionResult

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = "01_sne_to_tsne"
SPECS = exercises.of(NOTEBOOK)
FIRST, SECOND = SPECS[0], SPECS[1]


def made_up(student="ann", file_version="a", spec_version="spec-1", wrong=(), **more):
    """A result in which every exercise is right but those in `wrong`."""
    done = tuple(
        ExerciseResult(spec.id, Status.WRONG, 0.0, sentences=("Not yet.",), hidden=(("got", "[1, 2]"),))
        if spec.id in wrong
        else ExerciseResult(spec.id, Status.RIGHT, float(spec.points), cases_passed=5, cases=5, seconds=0.25)
        for spec in SPECS
    )
    fields = {
        "student": student,
        "notebook": NOTEBOOK,
        "file": f"{student}/{NOTEBOOK}.ipynb",
        "sha256": file_version * 64,
        "modified": 1000.0,
        "spec_version": spec_version,
        "seed_name": "seed-1",
        "exercises": done,
    }
    return SubmissionResult(**(fields | more))


def unreadable(student="ann", file="ann/odd.ipynb", file_version="z"):
    return made_up(student, file_version, notebook="", file=file, exercises=(), problem="It holds no notebook.")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "gradebook.db"


def record(path, *results, seen=()):
    """One grading run."""
    with Gradebook(path) as book:
        book.seen([result.key for result in seen])
        for result in results:
            book.record(result)


def read(path, method, *arguments):
    with Gradebook(path, writing=False) as book:
        return getattr(book, method)(*arguments)


def mark_of(path, student, exercise):
    (mark,) = [one for one in read(path, "marks") if (one.student, one.exercise) == (student, exercise)]
    return mark


def rows(path):
    """All that a run leaves but times and the run's number."""
    with sqlite3.connect(path) as database:
        columns = "student, notebook, sha256, spec_version, seed_name, file, modified, kept"
        return sorted(database.execute(f"SELECT {columns} FROM submission").fetchall())


# ---------------------------------------------------------------- what was recorded


def test_a_result_comes_back_as_it_was(path):
    one, two = made_up("bea", wrong=[FIRST.id], remarks=("a", "b")), made_up("ann", modified=None, seconds=1 / 3)
    record(path, one, two)
    assert read(path, "results") == [two, one]
    assert read(path, "has", one.key)
    assert not read(path, "has", made_up("bea", file_version="b").key)


def test_marks_hold_every_exercise_with_its_points(path):
    record(path, made_up(wrong=[SECOND.id]))
    marks = read(path, "marks")
    assert [(mark.exercise, mark.most) for mark in marks] == [(spec.id, float(spec.points)) for spec in SPECS]
    assert [mark.exercise for mark in marks if mark.points < mark.most] == [SECOND.id]
    assert marks[1].status is Status.WRONG
    assert all(mark.override is None and mark.late is None and mark.counted == mark.points for mark in marks)


def test_grading_twice_changes_nothing(path):
    results = [made_up(student, wrong=[FIRST.id]) for student in ("ann", "bob")]
    record(path, *results)
    before = rows(path), read(path, "marks")
    record(path, *results, *results)
    assert (rows(path), read(path, "marks")) == before
    assert len(before[0]) == 2


def test_names_and_texts_of_any_kind_are_kept(path):
    names = ["=1+1", "x'; DROP TABLE submission; --", "Åsa 🙂", "a\nb", "\x1b[31m"]
    results = [made_up(name, remarks=("\x00 \ud800 </script>",)) for name in names]
    record(path, *results)
    assert sorted(read(path, "results"), key=lambda one: names.index(one.student)) == results
    broken = os.fsdecode(b"caf\xe9")  # as a file name that is no UTF-8 reaches Python
    record(path, made_up(broken))
    assert read(path, "has", made_up(broken).key)
    assert "caf\\udce9" in [mark.student for mark in read(path, "marks")]


def test_the_file_is_its_owners_alone(path):
    record(path, made_up())
    assert path.stat().st_mode & 0o077 == 0


# ---------------------------------------------------------------- the seed


def test_the_seed_is_drawn_once_and_kept(path, tmp_path):
    with Gradebook(path) as book:
        drawn = book.seed(None)
        assert book.seed(None) == book.seed(drawn) == drawn
    assert len(drawn) >= 32
    with Gradebook(path) as book:
        assert book.seed(None) == drawn
        with pytest.raises(CourseError, match="another seed") as told:
            book.seed("mine")
        assert drawn not in str(told.value)
    with Gradebook(tmp_path / "other.db") as book:
        assert book.seed(None) != drawn
    with Gradebook(tmp_path / "third.db") as book, pytest.raises(CourseError, match="empty"):
        book.seed(" ")


# ---------------------------------------------------------------- which result counts


def test_a_new_hand_in_counts_and_the_old_one_is_kept(path):
    old, new = made_up(file_version="a"), made_up(file_version="b", wrong=[FIRST.id])
    record(path, old)
    record(path, new)
    assert read(path, "results") == [new]
    assert read(path, "attempts", "ann", NOTEBOOK) == [old, new]


def test_an_earlier_file_handed_in_again_counts_again(path):
    old, new = made_up(file_version="a"), made_up(file_version="b", wrong=[FIRST.id])
    record(path, old)
    record(path, new)
    record(path, seen=[old])
    assert read(path, "results") == [old]
    assert len(rows(path)) == 2


@pytest.mark.parametrize("reverse", [False, True])
def test_of_two_files_in_one_run_the_one_changed_last_counts_in_whatever_order(path, reverse):
    both = [made_up(file_version="b", modified=1.0), made_up(file_version="a", modified=2.0, wrong=[FIRST.id])]
    record(path, *(both[::-1] if reverse else both))
    assert read(path, "results") == [both[1]]


def test_a_file_that_is_no_notebook_is_reported_until_it_is_one(path):
    odd, other = unreadable(), unreadable(file="ann/more.ipynb", file_version="y")
    record(path, odd, other)
    assert read(path, "results") == [other, odd]
    assert read(path, "marks") == []
    mended = made_up(file="ann/odd.ipynb")
    record(path, mended)
    assert read(path, "results") == [other, mended]


# ---------------------------------------------------------------- a changed specification


def test_a_new_specification_counts_only_once_it_is_accepted(path):
    old = [made_up("ann", wrong=[FIRST.id]), made_up("bob"), made_up("cat")]
    new = [made_up("ann", spec_version="spec-2"), made_up("bob", spec_version="spec-2", wrong=[SECOND.id])]
    record(path, *old)
    assert read(path, "pending") == []
    record(path, *new)
    assert read(path, "results") == old
    assert read(path, "pending") == [NOTEBOOK]
    assert read(path, "diff", NOTEBOOK) == [
        Change("ann", FIRST.id, 0.0, float(FIRST.points), False),
        Change("bob", SECOND.id, float(SECOND.points), 0.0, False),
    ]
    with Gradebook(path) as book:
        assert book.accept(NOTEBOOK) == ["cat"]  # who was not graded again keeps the mark
        assert book.results() == [*new, old[2]]
        assert book.diff(NOTEBOOK) == book.pending() == []


def test_who_hands_in_first_after_the_change_is_counted_at_once(path):
    record(path, made_up("ann"))
    late = made_up("bob", spec_version="spec-2")
    record(path, late)
    assert read(path, "results") == [made_up("ann"), late]
    assert read(path, "diff", NOTEBOOK) == []


def test_an_exercise_that_is_new_shows_in_the_diff(path):
    whole = made_up(spec_version="spec-2")
    record(path, replace(whole, spec_version="spec-1", exercises=whole.exercises[1:]))
    record(path, whole)
    assert read(path, "diff", NOTEBOOK) == [Change("ann", FIRST.id, None, float(FIRST.points), False)]


def test_accepting_what_was_never_graded_is_refused(path):
    record(path, made_up())
    with Gradebook(path) as book, pytest.raises(CourseError, match="no result for '02_x'"):
        book.accept("02_x")


# ---------------------------------------------------------------- decisions


def test_decisions_survive_regrades_and_new_hand_ins(path, monkeypatch):
    monkeypatch.setenv("LOGNAME", "prof")
    record(path, made_up(wrong=[SECOND.id]))
    with Gradebook(path) as book:
        book.override("ann", SECOND.id, 1, "explained it orally")
        book.late("ann", NOTEBOOK, 10, "two days late")
    record(path, made_up(wrong=[SECOND.id]))
    record(path, made_up(file_version="b", wrong=[SECOND.id]))
    record(path, made_up(file_version="b", wrong=[SECOND.id], spec_version="spec-2"))
    with Gradebook(path) as book:
        book.accept(NOTEBOOK)
    mark = mark_of(path, "ann", SECOND.id)
    assert (mark.points, mark.graded, mark.status) == (1.0, 0.0, Status.WRONG)
    assert (mark.override.reason, mark.override.by) == ("explained it orally", "prof")
    assert (mark.late.value, mark.late.reason) == (10.0, "two days late")
    assert mark.counted == pytest.approx(0.9)
    assert mark.override.time.endswith("+00:00")


def test_decisions_can_be_changed_and_taken_back_and_all_are_kept(path):
    record(path, made_up(wrong=[SECOND.id]), made_up("bob"))
    with Gradebook(path) as book:
        book.override("ann", SECOND.id, 2, "first")
        book.override("ann", SECOND.id, 0, "second")
        assert [mark.points for mark in book.marks() if mark.override] == [0.0]
        book.override("ann", SECOND.id, None, "third")
        book.late("ann", NOTEBOOK, 50, "fourth")
        book.late("ann", NOTEBOOK, 0, "fifth")
        assert all(mark.override is None and mark.late is None for mark in book.marks())
        assert [one.reason for one in book.history()] == ["first", "second", "third", "fourth", "fifth"]


def test_the_diff_says_where_an_override_stays(path):
    record(path, made_up(wrong=[SECOND.id]))
    with Gradebook(path) as book:
        book.override("ann", SECOND.id, 1, "half of it")
        book.record(made_up(spec_version="spec-2"))
        assert book.diff(NOTEBOOK) == [Change("ann", SECOND.id, 0.0, float(SECOND.points), True)]


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (("override", "anne", SECOND.id, 1, "x"), "no student 'anne'.*did you mean 'ann'"),
        (("override", "zzzzzz", SECOND.id, 1, "x"), "no student 'zzzzzz'.*it has 2 students"),
        (("override", "ann", "perplexiti", 1, "x"), "no exercise 'perplexiti'; did you mean 'perplexity'"),
        (("override", "odd", SECOND.id, 1, "x"), f"'odd' has handed in nothing for {NOTEBOOK}"),
        (("override", "ann", SECOND.id, SECOND.points + 0.5, "x"), "between 0 and 2, and 2.5 does not"),
        (("override", "ann", SECOND.id, -1, "x"), "between 0 and 2"),
        (("override", "ann", SECOND.id, float("nan"), "x"), "must be a number"),
        (("override", "ann", SECOND.id, "2", "x"), "must be a number"),
        (("override", "ann", SECOND.id, 1, " "), "Give a reason"),
        (("late", "ann", NOTEBOOK, 101, "x"), "between 0 and 100"),
        (("late", "ann", "01_sne", 10, "x"), "no notebook '01_sne'"),
        (("late", "ann", NOTEBOOK, 10, ""), "Give a reason"),
        (("late", "bnn", NOTEBOOK, 10, "x"), "no student 'bnn'.*did you mean 'ann'"),
    ],
)
def test_a_wrong_decision_is_refused_in_a_sentence(path, call, sentence):
    record(path, made_up(), unreadable("odd"))
    with Gradebook(path) as book:
        with pytest.raises(CourseError, match=sentence) as told:
            getattr(book, call[0])(*call[1:])
        assert "\n" not in str(told.value)
        assert book.history() == []


# ---------------------------------------------------------------- files that are no gradebook


def no_database(path):
    path.write_text("student,points\nann,3\n" * 100)


def another_database(path):
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE grades (x)")


def newer(path):
    record(path, made_up())
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {gradebook.VERSION + 1}")


def cut_short(path):
    record(path, *(made_up(f"student-{number}") for number in range(20)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def scribbled_over(path):
    record(path, *(made_up(f"student-{number}") for number in range(20)))
    content = bytearray(path.read_bytes())
    content[5000:30000] = random.Random(0).randbytes(25000)
    path.write_bytes(content)


@pytest.mark.parametrize("writing", [True, False])
@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (no_database, "is damaged, or is no gradebook"),
        (another_database, "a database but no gradebook"),
        (newer, "newer version of the course"),
        (cut_short, "is damaged"),
        (scribbled_over, "is damaged"),
        (Path.mkdir, "folder|no gradebook"),
    ],
)
def test_what_is_no_gradebook_ends_in_a_sentence_and_is_left_alone(path, make, sentence, writing):
    make(path)
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(CourseError, match=sentence) as told:
        Gradebook(path, writing)
    assert str(path) in str(told.value)
    assert "\n" not in str(told.value)
    assert before is None or path.read_bytes() == before


def test_a_result_that_was_tampered_with_is_told(path):
    record(path, made_up())
    with sqlite3.connect(path) as database:
        database.execute("UPDATE submission SET kept = '{}'")
    with pytest.raises(CourseError, match="damaged"):
        read(path, "marks")


def test_a_missing_or_empty_gradebook_is_told_to_who_reads(path):
    with pytest.raises(CourseError, match="There is no gradebook"):
        Gradebook(path, writing=False)
    assert not path.exists()
    path.touch()
    with pytest.raises(CourseError, match="is empty"):
        Gradebook(path, writing=False)
    record(path, made_up())  # what a grader that was killed at its start leaves is no obstacle
    assert read(path, "results") == [made_up()]


# ---------------------------------------------------------------- one writer


def test_a_second_writer_is_told_which_process_is_the_first(path):
    script = (
        "import sys; from pathlib import Path; from course_utils.grading.gradebook import Gradebook\n"
        "book = Gradebook(Path(sys.argv[1])); print('open', flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(path)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True)
    try:
        assert first.stdout.readline() == "open\n"
        with pytest.raises(CourseError, match=rf"process {first.pid}\).*wait until it has ended"):
            Gradebook(path)
        assert read(path, "results") == []  # who only reads is not kept waiting
    finally:
        first.kill()
        first.communicate()
    record(path, made_up())  # the kernel let go when it died


def test_a_second_writer_in_the_same_process_is_told_too(path):
    with Gradebook(path) as book:
        with pytest.raises(CourseError, match=f"process {os.getpid()}"):
            Gradebook(path)
        book.record(made_up())
    record(path, made_up("bob"))


def test_a_child_that_outlives_the_grader_does_not_keep_the_lock(path):
    script = (
        "import os, sys; from pathlib import Path; from course_utils.grading.gradebook import Gradebook\n"
        "book = Gradebook(Path(sys.argv[1])); child = os.fork()\n"
        "print('ready', flush=True) if child else None; sys.stdin.read()"
    )
    command = [sys.executable, "-c", script, str(path)]
    first = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment(), text=True)
    try:
        assert first.stdout.readline() == "ready\n"
        first.kill()
        first.wait()
        record(path, made_up())
    finally:
        first.stdin.close()  # which ends the child
        first.stdout.close()


def test_a_reader_sees_what_is_committed_while_a_writer_is_at_work(path):
    with Gradebook(path) as book:
        book.record(made_up())
        assert read(path, "results") == [made_up()]


# ---------------------------------------------------------------- killed at any moment


class Grader:
    """A process that does what a grader does, skip what is there and record the rest, as far as it is let."""

    def __init__(self, path, results, at_most):
        self.begun, begun = os.pipe()
        allowed, self.allow = os.pipe()
        os.write(self.allow, b"." * at_most)
        self.process = os.fork()
        if self.process:
            os.close(begun)
            os.close(allowed)
            return
        try:
            with Gradebook(path) as book:
                book.seed("a seed")
                for result in results:
                    if not book.has(result.key):
                        os.read(allowed, 1)
                        os.write(begun, b".")
                        book.record(result)
            os._exit(0)
        finally:
            os._exit(1)

    def wait(self):
        """Wait for its end; returns how it ended, as os.waitpid does."""
        _, status = os.waitpid(self.process, 0)
        os.close(self.begun)
        os.close(self.allow)
        return status


def test_a_run_killed_at_twenty_moments_ends_with_the_rows_of_an_undisturbed_one(path, tmp_path):
    padding = ("x" * 2000,) * 20  # so that a commit takes a while to be killed in
    results = [made_up(f"s{number:03}", wrong=[SPECS[number % 23].id], remarks=padding) for number in range(100)]
    undisturbed = tmp_path / "undisturbed.db"
    record(undisturbed, *results)
    chance = random.Random(20)
    left = 0
    for life in range(20):
        steps = chance.randint(0, 4) if life else 0
        grader = Grader(path, results, steps)
        for _ in range(steps):
            assert os.read(grader.begun, 1) == b"."
        time.sleep(chance.random() * (0.001 if steps else 0.01))  # in a commit, or while the file is made or opened
        os.kill(grader.process, signal.SIGKILL)
        assert os.WTERMSIG(grader.wait()) == signal.SIGKILL  # it had not ended by itself
        try:
            found = read(path, "results")
        except CourseError:  # killed before there was a gradebook
            assert left == 0
            continue
        assert found == results[: len(found)]
        assert left <= len(found) <= left + steps
        left = len(found)
    assert 10 < left < 100
    assert Grader(path, results, 100).wait() == 0
    assert rows(path) == rows(undisturbed)
    assert len(rows(path)) == 100
    assert read(path, "marks") == read(undisturbed, "marks")


def test_a_submission_is_recorded_whole_or_not_at_all(path):
    record(path, made_up())
    with sqlite3.connect(path) as database:
        database.execute("ALTER TABLE accepted RENAME TO missing")  # so that the second of its statements fails
    with Gradebook(path) as book, pytest.raises(CourseError, match="no such table"):
        book.record(made_up("bob"))
    assert len(rows(path)) == 1


# ---------------------------------------------------------------- disk full, read-only


def environment():
    return dict(os.environ, PYTHONPATH=str(ROOT), PYTHONDONTWRITEBYTECODE="1")


def in_a_mount(folder, options, script):
    """Run Python with `folder` mounted with these options, seen by that process alone. Skips, saying why, where this
    user may not mount.
    """
    unshare = shutil.which("unshare")
    if not unshare or subprocess.run([unshare, "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this user may make no mount namespace, so a full or read-only disk cannot be made")
    command = [
        unshare,
        "-rm",
        "sh",
        "-c",
        f'mount {options} && exec "$@"',
        folder,
        sys.executable,
        "-c",
        script,
        folder,
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


FILL = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_gradebook import Gradebook, CourseError, made_up, read
path = Path(sys.argv[1]) / "gradebook.db"
kept = 0
with Gradebook(path) as book:
    try:
        for number in range(1000):
            book.record(made_up(f"s{{number:03}}"))
            kept += 1
    except CourseError as told:
        print(told)
    print(kept, len(book.results()))
with Gradebook(path, writing=False) as book:
    print(len(book.results()), len(book.marks()) == kept * 23)
"""


def test_a_full_disk_ends_in_a_sentence_and_the_gradebook_is_whole(tmp_path):
    script = FILL.format(tests=str(ROOT / "tests"))
    told, counts, again = in_a_mount(str(tmp_path), '-t tmpfs -o size=3m none "$0"', script)
    assert "There is no room left for" in told
    kept, results = map(int, counts.split())
    assert kept == results > 10
    assert again == f"{kept} True"


def test_a_file_that_may_not_grow_ends_in_a_sentence_and_the_gradebook_is_whole(tmp_path):
    limit = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (2**20, 2**20))\n"
    script = limit + FILL.format(tests=str(ROOT / "tests"))
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment(), timeout=120)
    assert done.returncode == 0, done.stderr
    told, counts, again = done.stdout.splitlines()
    assert "all that was recorded before is kept" in told
    kept, results = map(int, counts.split())
    assert kept == results > 10
    assert again == f"{kept} True"
    record(tmp_path / "gradebook.db", made_up("afterwards"))  # with room again it goes on
    assert len(read(tmp_path / "gradebook.db", "results")) == kept + 1


READ_ONLY = """
import sys
from pathlib import Path
from course_utils.grading.gradebook import Gradebook, CourseError
for path in (Path(sys.argv[1]) / "gradebook.db", Path(sys.argv[1]) / "new.db"):
    try:
        Gradebook(path)
    except CourseError as told:
        print(told)
with Gradebook(Path(sys.argv[1]) / "gradebook.db", writing=False) as book:
    print(len(book.marks()))
"""


def test_a_read_only_folder_is_told_to_who_writes_and_can_be_read(path, tmp_path):
    record(path, made_up())
    before = path.read_bytes()
    mount = '--bind "$0" "$0" && mount -o remount,bind,ro "$0"'
    old, new, marks = in_a_mount(str(tmp_path), mount, READ_ONLY)
    assert f"{path} cannot be written (Read-only file system)" in old
    assert "new.db cannot be written (Read-only file system)" in new
    assert marks == str(len(SPECS))
    assert path.read_bytes() == before


def test_a_log_left_in_a_read_only_folder_is_not_ignored(path, tmp_path):
    """Read without its log, a gradebook would lack the last results."""
    copy = tmp_path / "copy"
    copy.mkdir()
    with Gradebook(path) as book:
        book.record(made_up())
        for name in ("gradebook.db", "gradebook.db-wal"):
            shutil.copy(tmp_path / name, copy / name)
    script = """
import sys
from pathlib import Path
from course_utils.grading.gradebook import Gradebook, CourseError
try:
    Gradebook(Path(sys.argv[1]) / "gradebook.db", writing=False)
except CourseError as told:
    print(told)
"""
    (told,) = in_a_mount(str(copy), '--bind "$0" "$0" && mount -o remount,bind,ro "$0"', script)
    assert "has marks in gradebook.db-wal" in told
