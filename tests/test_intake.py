"""What was handed in is found in every layout and read whatever it holds; nothing it holds reaches further."""

import copy
import io
import json
import os
import socket
import stat
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import handed_in
import pytest
from handed_in import NAME, as_bytes, cell_of, released, small, solved

from course_utils import exercises
from course_utils.errors import CourseError
from course_utils.grading import intake
from course_utils.grading.intake import Cell, Submission

ANSWER = "def perplexity(P):\n    return P"
NOTEBOOK = as_bytes(small(ANSWER))
IDS = [exercise.id for exercise in exercises.of(NAME)]


def write(path: Path, data: bytes = NOTEBOOK) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def packed(members: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", compression) as archive:
        for name, data in members.items():
            archive.writestr(zipfile.ZipInfo(name, (2024, 5, 6, 7, 8, 10)), data, compression)
    return stream.getvalue()


def found(place: Path) -> list[tuple[str, str]]:
    return [(one.student, one.file) for one in intake.find(place)]


def read(data: bytes, tmp_path: Path, name: str = "alice.ipynb") -> Submission:
    """What `read` makes of these bytes as the only file of a class."""
    return intake.read(intake.HandIn("alice", name, write(tmp_path / name, data)))


def read_plan(plan: object, tmp_path: Path) -> Submission:
    return read(json.dumps(plan).encode(), tmp_path)


def is_sentence(text: str, tmp_path: Path) -> bool:
    """One line, a full stop, short enough, and nothing of the machine or of Python in it."""
    foreign = ("Traceback", "Error", str(tmp_path), "/tmp", "Exception")
    clean = text.isprintable() and len(text) < 300 and text.endswith(".") and text[0] != " "
    return clean and not any(word in text for word in foreign)


def problem_of(submission: Submission, tmp_path: Path) -> str:
    """The problem of a submission of which nothing can be graded."""
    assert submission.problem is not None
    assert submission.cells == ()
    assert is_sentence(submission.problem, tmp_path)
    return submission.problem


def only_problem(place: Path, tmp_path: Path) -> str:
    """The problem of the only file of a class."""
    (hand_in,) = intake.find(place)
    return problem_of(intake.read(hand_in), tmp_path)


# ---------------------------------------------------------------- layouts


def test_a_student_whose_folder_begins_with_dots_is_not_lost(tmp_path):
    write(tmp_path / "..dots" / f"{NAME}.ipynb")
    write(tmp_path / ".hidden student" / f"{NAME}.ipynb")
    write(tmp_path / ".vscode" / "settings.json", b"{}")
    assert {file for _, file in found(tmp_path)} == {f"..dots/{NAME}.ipynb", f".hidden student/{NAME}.ipynb"}


def test_one_folder_a_student_with_notebooks_anywhere_below(tmp_path):
    write(tmp_path / "alice" / "01" / f"{NAME}.ipynb")
    write(tmp_path / "bob" / f"{NAME}.ipynb")
    write(tmp_path / "bob" / ".ipynb_checkpoints" / f"{NAME}-checkpoint.ipynb")
    write(tmp_path / "bob" / ".hidden.ipynb")
    write(tmp_path / "bob" / "notes.txt", b"x")
    write(tmp_path / "Carol Ö" / "UPPER.IPYNB")
    write(tmp_path / "dave" / "saved.ipynb.txt")
    write(tmp_path / ".git" / "x.ipynb")
    write(tmp_path / "README.txt", b"x")
    assert found(tmp_path) == [
        ("Carol Ö", "Carol Ö/UPPER.IPYNB"),
        ("alice", f"alice/01/{NAME}.ipynb"),
        ("bob", f"bob/{NAME}.ipynb"),
        ("dave", "dave/saved.ipynb.txt"),
    ]


def test_files_named_by_student(tmp_path):
    names = {
        "alice.ipynb": "alice",
        f"bob_{NAME}.ipynb": "bob",
        f"{NAME}_carol.ipynb": "carol",
        f"{NAME}_12345.ipynb": "12345",
        f"dave_{NAME}-1.ipynb": "dave",
        f"eve_77_{NAME} (1).ipynb": "eve_77",
        "frank.zip": "frank",
    }
    for name in names:
        write(tmp_path / name, packed({"x.ipynb": NOTEBOOK}) if name.endswith("zip") else NOTEBOOK)
    write(tmp_path / "grace.py", b"x = 1")
    write(tmp_path / "README.md", b"about")
    write(tmp_path / "roster.csv", b"a,b")
    hand_ins = intake.find(tmp_path)
    assert sorted(one.student for one in hand_ins) == sorted([*names.values(), "grace"])
    assert [one.problem for one in hand_ins if one.problem] == ["grace.py is no notebook: hand in the .ipynb file."]


def test_a_file_without_a_students_name_is_that_of_the_folder(tmp_path):
    write(tmp_path / "alice" / f"{NAME}.ipynb")
    write(tmp_path / "alice" / f"{NAME}-Copy1.ipynb")
    assert {student for student, _ in found(tmp_path / "alice")} == {"alice"}
    write(tmp_path / "bob.zip", packed({f"{NAME}.ipynb": NOTEBOOK}))
    assert found(tmp_path / "bob.zip") == [("bob", f"{NAME}.ipynb")]


@pytest.mark.parametrize("top", ["", "submissions/", "./submissions/"])
def test_a_zip_of_either_layout_reads_as_the_folder_does(tmp_path, top):
    folders = {"alice/a.ipynb": NOTEBOOK, "bob/x/b.ipynb": NOTEBOOK, "carol/": b"", "__MACOSX/alice/._a.ipynb": b"x"}
    write(tmp_path / "class.zip", packed({top + name: data for name, data in folders.items()}))
    hand_ins = intake.find(tmp_path / "class.zip")
    assert [one.student for one in hand_ins] == ["alice", "bob", "carol"]
    assert [intake.read(one).problem for one in hand_ins] == [
        None,
        None,
        "carol holds no notebook: hand in the .ipynb file.",
    ]
    write(tmp_path / "flat.zip", packed({top + f"alice_{NAME}.ipynb": NOTEBOOK, top + "bob.ipynb": NOTEBOOK}))
    assert [student for student, _ in found(tmp_path / "flat.zip")] == ["alice", "bob"]


def test_the_folder_of_the_only_student_in_a_zip_is_not_looked_through(tmp_path):
    write(tmp_path / "a.zip", packed({f"alice/{NAME}.ipynb": NOTEBOOK, "alice/data.csv": b"x"}))
    write(tmp_path / "b.zip", packed({f"alice/{NAME}/{NAME}.ipynb": NOTEBOOK}))
    for name in ("a.zip", "b.zip"):
        assert [student for student, _ in found(tmp_path / name)] == ["alice"]


def test_a_students_zip_is_looked_into_once(tmp_path):
    inner = packed({"work/a.ipynb": NOTEBOOK, "work/.ipynb_checkpoints/a.ipynb": NOTEBOOK, "notes.txt": b"x"})
    nested = packed({"inner.zip": inner})
    write(tmp_path / "class" / "alice" / "work.zip", inner)
    write(tmp_path / "class" / "bob" / "work.zip", nested)
    write(tmp_path / "class.zip", packed({"alice/work.zip": inner, "bob/work.zip": nested, "c.zip": inner}))
    alice, bob = intake.find(tmp_path / "class")
    assert (alice.student, alice.file) == ("alice", "alice/work.zip/work/a.ipynb")
    assert intake.read(alice).cells[0].source == ANSWER
    assert "a zip inside a zip" in problem_of(intake.read(bob), tmp_path)
    hand_ins = intake.find(tmp_path / "class.zip")
    assert [(one.student, intake.read(one).problem is None) for one in hand_ins] == [
        ("alice", True),
        ("bob", False),
        ("c", True),
    ]


def test_nobody_vanishes(tmp_path):
    write(tmp_path / "alice" / "a.ipynb")
    write(tmp_path / "bob" / "homework.py", b"x = 1")
    (tmp_path / "carol").mkdir()
    write(tmp_path / "dave" / "dave.zip", packed({}))
    write(tmp_path / "eve" / "eve.zip", b"no zip")
    (tmp_path / "frank" / ".hidden").mkdir(parents=True)
    problems = {one.student: intake.read(one).problem for one in intake.find(tmp_path)}
    assert problems == {
        "alice": None,
        "bob": "bob/homework.py is no notebook: hand in the .ipynb file.",
        "carol": "carol holds no notebook: hand in the .ipynb file.",
        "dave": "dave holds no notebook: hand in the .ipynb file.",
        "eve": "eve/eve.zip is no zip that can be read: pack it again, or hand in the .ipynb file itself.",
        "frank": "frank holds no notebook: hand in the .ipynb file.",
    }


def test_places_that_hold_no_class_are_said_in_one_sentence(tmp_path):
    (tmp_path / "empty").mkdir()
    write(tmp_path / "others" / "a" / "x.py")
    write(tmp_path / "alice.ipynb")
    write(tmp_path / "empty.zip", packed({}))
    write(tmp_path / "none.zip", packed({"a/x.txt": b""}))
    os.mkfifo(tmp_path / "fifo")
    for name in ("missing", "empty", "others", "alice.ipynb", "empty.zip", "none.zip", "fifo"):
        with pytest.raises(CourseError) as caught:
            intake.find(tmp_path / name)
        assert is_sentence(str(caught.value), tmp_path)


def test_students_names_are_safe_and_stay_apart(tmp_path):
    names = [
        "al\x1b[31mice",
        "al[31mice",
        "a\u202eb",
        "ab",
        "back\\slash",
        "x" * 200,
        "x" * 201,
        "=1+1",
        "\n..",
        "é" * 90,
    ]
    for name in names:
        write(tmp_path / name / "x.ipynb")
    students = [student for student, _ in found(tmp_path)]
    assert len(set(students)) == len(names)
    for student in students:
        assert student.isprintable()
        assert 0 < len(student.encode()) <= 120
        assert not {"/", "\\"} & set(student)
        assert not student.startswith(".")
    assert {"al[31mice", "ab", "=1+1"} < set(students)


def test_names_that_are_no_text_are_shown_without_harm(tmp_path):
    folder = os.fsencode(tmp_path) + b"/\xff\xfe"
    os.mkdir(folder)
    Path(os.fsdecode(folder), "x.ipynb").write_bytes(NOTEBOOK)
    ((student, file),) = found(tmp_path)
    assert student.encode()
    assert file.encode()


# ---------------------------------------------------------------- what must not be opened


def test_links_are_not_followed(tmp_path):
    secret = write(tmp_path / "secret" / "solution.ipynb")
    place = tmp_path / "class"
    write(place / "zoe" / "z.ipynb")
    for student, target in {"alice": secret, "bob": secret.parent}.items():
        (place / student).mkdir()
        (place / student / "x.ipynb").symlink_to(target)
    (place / "carol").symlink_to(secret.parent)
    (place / "dave").mkdir()
    (place / "dave" / "work.zip").symlink_to(write(tmp_path / "secret" / "s.zip", packed({"x.ipynb": NOTEBOOK})))
    hand_ins = intake.find(place)
    assert [one.student for one in hand_ins] == ["alice", "bob", "carol", "dave", "zoe"]
    for hand_in in hand_ins[:-1]:
        assert "symbolic link" in problem_of(intake.read(hand_in), tmp_path)


def test_a_file_that_becomes_a_link_after_it_was_found_is_not_read(tmp_path):
    path = write(tmp_path / "class" / "alice.ipynb")
    (hand_in,) = intake.find(path.parent)
    path.unlink()
    path.symlink_to(write(tmp_path / "solution.ipynb"))
    assert "cannot be read" in problem_of(intake.read(hand_in), tmp_path)
    path.unlink()
    os.mkfifo(path)
    assert "cannot be read" in problem_of(intake.read(hand_in), tmp_path)
    path.unlink()
    assert "cannot be read" in problem_of(intake.read(hand_in), tmp_path)


def test_pipes_sockets_and_devices_are_not_opened(tmp_path):
    place = tmp_path / "class"
    write(place / "zoe" / "z.ipynb")
    (place / "a").mkdir()
    os.mkfifo(place / "a" / "x.ipynb")
    (place / "b").mkdir()
    os.mkfifo(place / "b" / "x.zip")
    (place / "c").mkdir()
    with socket.socket(socket.AF_UNIX) as server, pytest.MonkeyPatch.context() as patch:
        patch.chdir(place / "c")  # the path of a socket must be short
        server.bind("x.ipynb")
        os.mkfifo(place / "d")
        hand_ins = intake.find(place)
        problems = [intake.read(one).problem for one in hand_ins]
    assert [one.student for one in hand_ins] == ["a", "b", "c", "d", "zoe"]
    assert all("no ordinary file" in problem for problem in problems[:-1])
    assert problems[-1] is None
    device = intake.read(intake.HandIn("eve", "x.ipynb", Path("/dev/zero")))
    assert "cannot be read" in problem_of(device, tmp_path)


def test_a_file_that_is_too_large_is_not_read(tmp_path):
    with (tmp_path / "alice.ipynb").open("wb") as stream:
        stream.truncate(200_000_000)  # takes no room on the disk
    tracemalloc.start()
    assert "more than 20 MB" in only_problem(tmp_path, tmp_path)
    grown = intake.read(intake.HandIn("alice", "alice.ipynb", tmp_path / "alice.ipynb"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert "more than 20 MB" in problem_of(grown, tmp_path)
    assert peak < 3 * intake.MAX_BYTES


def test_too_many_files_are_said_and_the_class_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(intake, "MAX_MEMBERS", 30)
    for index in range(80):
        write(tmp_path / "alice" / f"{index:03}.ipynb")
        write(tmp_path / "bob" / f"{index:03}.txt")
    write(tmp_path / "carol" / "x.ipynb")
    write(tmp_path / "dave" / "d.zip", packed({f"{index}.ipynb": NOTEBOOK for index in range(40)}))
    hand_ins = intake.find(tmp_path)
    said = {one.student: one.problem for one in hand_ins if one.problem}
    assert "more than 30 files" in said["alice"]
    assert "more than 30 files" in said["bob"]
    assert "more than 30 files" in said["dave"]
    assert [one.problem for one in hand_ins if one.student == "carol"] == [None]


def test_of_many_notebooks_the_first_are_read(tmp_path):
    for index in range(70):
        write(tmp_path / "alice" / f"{index:03}.ipynb")
    hand_ins = intake.find(tmp_path)
    assert sum(one.problem is None for one in hand_ins) == intake.MAX_NOTEBOOKS
    assert "after 50 others" in hand_ins[-1].problem


# ---------------------------------------------------------------- zips that attack


def everything_below(folder: Path) -> set[Path]:
    return set(folder.rglob("*"))


def attacked(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> list[Submission]:
    """What is read from a zip in a student's folder; asserts that nothing appears anywhere near it."""
    place = tmp_path / "deep" / "class"
    write(place / "alice" / "work.zip", data)
    (tmp_path / "cwd").mkdir(exist_ok=True)
    monkeypatch.chdir(tmp_path / "cwd")
    before = everything_below(tmp_path)
    submissions = [intake.read(one) for one in intake.find(place)]
    assert everything_below(tmp_path) == before
    assert {one.student for one in submissions} == {"alice"}
    return submissions


@pytest.mark.parametrize(
    "name",
    [
        "../evil.ipynb",
        "a/../../evil.ipynb",
        "/evil.ipynb",
        "..\\evil.ipynb",
        "C:\\evil.ipynb",
        "C:evil.ipynb",
        "//e.ipynb",
    ],
)
def test_paths_that_lead_out_of_a_zip_are_not_read(tmp_path, monkeypatch, name):
    (submission,) = attacked(tmp_path, packed({name: NOTEBOOK}), monkeypatch)
    assert "leads out of it" in problem_of(submission, tmp_path)


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_members_that_are_no_files_are_not_read(tmp_path, monkeypatch, kind):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        info = zipfile.ZipInfo("x.ipynb")
        info.external_attr = (kind | 0o777) << 16
        archive.writestr(info, "../../solutions/solved.ipynb")
    (submission,) = attacked(tmp_path, stream.getvalue(), monkeypatch)
    word = "symbolic link" if kind == stat.S_IFLNK else "no ordinary file"
    assert word in problem_of(submission, tmp_path)


def peak_of(tmp_path: Path, data: bytes, monkeypatch: pytest.MonkeyPatch) -> tuple[list[Submission], int]:
    """What is read from an attacking zip, and the most memory that took, in bytes."""
    tracemalloc.start()
    try:
        submissions = attacked(tmp_path, data, monkeypatch)
        return submissions, tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_ends_at_the_limit(tmp_path, monkeypatch):
    bomb = packed({"x.ipynb": b" " * 200_000_000})
    assert len(bomb) < 1_000_000
    (submission,), peak = peak_of(tmp_path, bomb, monkeypatch)
    assert "more than 20 MB" in problem_of(submission, tmp_path)
    assert peak < 10_000_000  # its size is declared, so nothing was read


def test_a_zip_bomb_that_lies_about_its_size_ends_too(tmp_path, monkeypatch):
    bomb = bytearray(packed({"x.ipynb": b" " * 100_000_000}))
    for position, offset in ((bomb.index(b"PK\1\2"), 24), (0, 22)):
        struct.pack_into("<I", bomb, position + offset, 1000)
    (submission,), peak = peak_of(tmp_path, bytes(bomb), monkeypatch)
    problem_of(submission, tmp_path)
    assert peak < 3 * intake.MAX_BYTES


def test_the_real_number_of_bytes_counts_and_not_the_declared_one(tmp_path):
    path = write(tmp_path / "a.zip", packed({"x.ipynb": b" " * 30_000_000}))
    submission = intake.read(intake.HandIn("alice", "x.ipynb", path, "0"))
    assert "more than 20 MB" in problem_of(submission, tmp_path)


def test_a_bomb_of_zips_in_zips_ends(tmp_path):
    bomb = packed({"x.ipynb": b" " * 100_000_000})
    huge = packed({"y.zip": b"PK" + b"\0" * 100_000_000})
    write(tmp_path / "class.zip", packed({"alice/a.zip": bomb, "bob/b.zip": huge, "carol/c.ipynb": NOTEBOOK}))
    tracemalloc.start()
    submissions = [intake.read(one) for one in intake.find(tmp_path / "class.zip")]
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert [one.problem is None for one in submissions] == [False, False, True]
    write(tmp_path / "class2.zip", packed({"alice/a.zip": packed({}) + b"\0" * 60_000_000, "c/c.ipynb": NOTEBOOK}))
    alice, _ = [intake.read(one) for one in intake.find(tmp_path / "class2.zip")]
    assert "too large" in problem_of(alice, tmp_path)
    assert peak < 2 * intake.MAX_ZIP_BYTES


def test_an_endless_table_of_contents_is_not_read(tmp_path, monkeypatch):
    many = packed({f"{index:0200}.txt": b"" for index in range(30_000)}, zipfile.ZIP_STORED)
    (submission,), peak = peak_of(tmp_path, many, monkeypatch)
    assert "no zip that can be read" in problem_of(submission, tmp_path)
    assert peak < 2 * len(many)
    some = packed({f"{index}.ipynb": b"" for index in range(intake.MAX_MEMBERS + 1)})
    (submission,) = attacked(tmp_path, some, monkeypatch)
    assert "more than 10000 files" in problem_of(submission, tmp_path)


def test_encrypted_damaged_and_unusual_members_are_said(tmp_path, monkeypatch):
    plain = packed({"x.ipynb": NOTEBOOK}, zipfile.ZIP_STORED)
    encrypted = bytearray(plain)
    for position, offset in ((encrypted.index(b"PK\1\2"), 8), (0, 6)):
        encrypted[position + offset] |= 1
    damaged = plain.replace(b"return P", b"return Q")
    wrong_header = plain.replace(b"x.ipynb", b"y.ipynb", 1)
    cases = {
        "encrypted": bytes(encrypted),
        "damaged": damaged,
        "cannot be read": wrong_header,
        "unusual": packed({"x.ipynb": NOTEBOOK}, zipfile.ZIP_LZMA),
        "no zip": plain[:-30],
    }
    for word, data in cases.items():
        (submission,) = attacked(tmp_path, data, monkeypatch)
        assert word in problem_of(submission, tmp_path)


def test_two_members_with_one_name_are_both_read(tmp_path, recwarn):
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("alice.ipynb", as_bytes(small(ANSWER)))
        archive.writestr("alice.ipynb", as_bytes(small("def perplexity(P):\n    return 2")))
    write(tmp_path / "class.zip", stream.getvalue())
    one, two = [intake.read(hand_in) for hand_in in intake.find(tmp_path / "class.zip")]
    assert {one.cells[0].source[-1], two.cells[0].source[-1]} == {"P", "2"}
    assert len(intake.choose([one, two])) == 1


def test_mutated_zips_end_in_cells_or_a_sentence(tmp_path, monkeypatch):
    good = packed({"a/x.ipynb": NOTEBOOK, "b.txt": b"x" * 50, "__MACOSX/._x": b"", "y.ipynb": NOTEBOOK})
    rng = handed_in.random.Random(1)
    for _ in range(300):
        data = bytearray(good)
        for _ in range(rng.choice((1, 2, 8))):
            data[rng.randrange(len(data))] = rng.randrange(256)
        for submission in attacked(
            tmp_path, bytes(data[: rng.choice((len(data), rng.randrange(len(data))))]), monkeypatch
        ):
            assert submission.cells or problem_of(submission, tmp_path)


def test_times_in_zips(tmp_path):
    path = write(tmp_path / "a.zip", packed({"x.ipynb": NOTEBOOK}))
    assert intake.read(intake.HandIn("a", "x.ipynb", path, "0")).modified == time.mktime(
        (2024, 5, 6, 7, 8, 10, 0, 0, -1)
    )
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        stamped = zipfile.ZipInfo("x.ipynb", (2024, 5, 6, 7, 8, 10))
        stamped.extra = struct.pack("<HHBi", 0x5455, 5, 1, 1_700_000_000)
        archive.writestr(stamped, NOTEBOOK)
        archive.writestr(zipfile.ZipInfo("y.ipynb"), NOTEBOOK)
    path = write(tmp_path / "b.zip", stream.getvalue())
    times = [intake.read(intake.HandIn("a", "x.ipynb", path, member)).modified for member in "01"]
    assert times == [1_700_000_000.0, None]


# ---------------------------------------------------------------- broken notebooks


@pytest.mark.parametrize("start", range(0, 480, 40))
def test_every_broken_notebook_ends_in_cells_or_in_one_sentence(tmp_path, start):
    for number in range(start, start + 40):
        submission = read(handed_in.broken(number), tmp_path, f"alice_{NAME}.ipynb")
        assert len(submission.sha256) == 64
        if submission.problem is not None:
            assert problem_of(submission, tmp_path).startswith(f"alice_{NAME}.ipynb "), number
        else:
            assert submission.notebook == NAME
            assert any(cell.exercise or "def " in cell.source for cell in submission.cells), number
        for remark in submission.remarks:
            assert is_sentence(remark, tmp_path), (number, remark)
        for cell in submission.cells:
            cell.source.encode()  # no lone surrogates


def test_of_the_broken_notebooks_some_are_read_and_some_are_not(tmp_path):
    results = [read(handed_in.broken(number), tmp_path).problem is None for number in range(240)]
    assert 40 < sum(results) < 200


def test_the_released_and_the_solved_notebook_are_read_whole(tmp_path):
    for plan in (released(), solved()):
        submission = read(as_bytes(plan), tmp_path)
        assert (submission.notebook, submission.problem, submission.remarks) == (NAME, None, ())
        assert [cell.exercise for cell in submission.cells if cell.exercise] == IDS
        assert [cell.checks for cell in submission.cells if cell.checks] == IDS
        code = ["".join(cell["source"]) for cell in plan["cells"] if cell["cell_type"] == "code"]
        assert [cell.source for cell in submission.cells] == code


def test_reading_takes_milliseconds(tmp_path):
    data = as_bytes(released())
    read(data, tmp_path)
    start = time.process_time()
    for _ in range(5):
        read(data, tmp_path)
    assert (time.process_time() - start) / 5 < 0.05  # 4 ms on a quiet machine


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n\0\0 ", "is empty"),
        (b"\xef\xbb\xbf\n", "is empty"),
        (b"null", "holds no notebook"),
        (b"[]", "holds no notebook"),
        (b'"text"', "holds no notebook"),
        (b"3", "holds no notebook"),
        (b"{}", "has no list of cells"),
        (b'{"cells": {}}', "has no list of cells"),
        (b'{"cells": 3, "worksheets": 4}', "has no list of cells"),
        (b'{"cells": []}', "no notebook of this course"),
        (b'{"cells": [1, null, "x", []]}', "no notebook of this course"),
        (b'{"worksheets": [3, {}, {"cells": 2}]}', "no notebook of this course"),
        (NOTEBOOK[:-20], "cut off or damaged at line"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b"[" * 2_000_000, "too many small parts"),
        (b"[[]" + b",[]" * 6_000_000 + b"]", "too many small parts"),
        (b"<!DOCTYPE html><html></html>", "web page"),
        (b"<<<<<<< HEAD\n{}\n=======\n{}\n>>>>>>> theirs", "merge conflict"),
        (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "cut off or damaged"),
        (b"print('a script')", "cut off or damaged"),
    ],
)
def test_files_that_are_no_notebook(tmp_path, data, words):
    assert words in problem_of(read(data, tmp_path), tmp_path)


def test_encodings(tmp_path):
    plan = small(ANSWER + "  # café, Σ")
    text = as_bytes(plan).decode()
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32"):
        submission = read(text.encode(encoding), tmp_path)
        assert submission.cells[0].source.endswith("# café, Σ")
        assert not any("UTF-8" in remark for remark in submission.remarks)
    submission = read(text.replace("Σ", "").encode("latin-1"), tmp_path)
    assert submission.cells[0].source == ANSWER + "  # caf\ufffd, "
    assert "not all UTF-8" in submission.remarks[0]


def test_json_that_is_strange_and_still_certain(tmp_path):
    text = as_bytes(small(ANSWER)).decode()
    twice = text.replace('"nbformat": 4,', '"nbformat": 4, "cells": [], "metadata": {"a": NaN, "b": -Infinity},')
    assert read(twice.encode(), tmp_path).cells[0].source == ANSWER  # of two keys the last counts, as in Jupyter
    huge = text.replace('"nbformat_minor": 5', '"nbformat_minor": ' + "9" * 10_000)
    assert read(huge.encode(), tmp_path).cells[0].source == ANSWER


def test_cells_of_strange_types(tmp_path):
    plan = small(ANSWER, "1", "2", "3", "4", "5")
    for cell, source in zip(plan["cells"][1:], (7, [1, 2], {"a": 1}, "\ud83d", "x\0y"), strict=True):
        cell["source"] = source
    plan["cells"][2]["metadata"] = [1]
    plan["cells"][3]["metadata"] = {"nbgrader": "yes"}
    plan["cells"][4]["metadata"] = {"nbgrader": {"grade_id": ["perplexity"]}}
    plan["cells"].insert(1, "no cell")
    plan["cells"].append({"source": "x"})
    plan["cells"].append({"cell_type": "code"})
    submission = read_plan(plan, tmp_path)
    assert [cell.source for cell in submission.cells] == [ANSWER, "", "", "", "\ufffd", "x\ufffdy", ""]
    assert submission.cells[0].exercise == "perplexity"
    assert [remark for remark in submission.remarks if "Code cell" in remark] == [
        f"Code cell {number} holds what no text can hold: write it anew." for number in (2, 3, 4, 5, 6)
    ]
    assert "1 entries among its cells" in " ".join(submission.remarks)


def test_sources_as_lists_of_lines(tmp_path):
    plan = small(ANSWER)
    plan["cells"][0]["source"] = ANSWER.splitlines(keepends=True)
    assert read_plan(plan, tmp_path).cells[0].source == ANSWER


def test_too_many_cells_and_too_much_code(tmp_path):
    many = small(ANSWER)
    many["cells"] *= 100_000
    assert "more than 5000 cells" in problem_of(read_plan(many, tmp_path), tmp_path)
    assert "characters of code" in problem_of(read_plan(small(ANSWER, "x = 1\n" * 300_000), tmp_path), tmp_path)


def test_many_remarks_are_cut(tmp_path):
    plan = small(ANSWER, *["x"] * 4000)
    for cell in plan["cells"][1:]:
        cell["source"] = 5
    remarks = read_plan(plan, tmp_path).remarks
    assert len(remarks) == intake.MAX_REMARKS
    assert remarks[-1] == "There are 3982 more remarks of this kind."


@pytest.mark.parametrize("version", [2, 3])
def test_old_formats_are_converted(tmp_path, version):
    cell = {"cell_type": "code", "input": ANSWER.splitlines(True), "language": "python", "collapsed": False}
    sheets = [
        {"cells": [{"cell_type": "heading", "source": "x", "level": 1}, cell]},
        {"cells": [dict(cell, input="y")]},
    ]
    submission = read_plan({"nbformat": version, "worksheets": sheets, "metadata": {"name": ""}}, tmp_path)
    assert submission.cells == (Cell(ANSWER, "perplexity"), Cell("y"))
    assert "was converted" in submission.remarks[0]


@pytest.mark.parametrize(("version", "shown"), [(5, "5"), (99, "99"), ("4", "4"), (None, "not given"), (1e400, "inf")])
def test_other_formats_are_read_as_they_look(tmp_path, version, shown):
    submission = read_plan(dict(small(ANSWER), nbformat=version), tmp_path)
    assert submission.cells[0].source == ANSWER
    assert submission.remarks[0] == f"The notebook's format is {shown}; it was read as format 4."


def test_other_kernels(tmp_path):
    r_code = small("perplexity = function(P) {\n  2\n}")
    r_code["metadata"] = {"kernelspec": {"name": "ir", "language": "R"}, "language_info": {"name": "R"}}
    assert "written in R, not in Python" in problem_of(read_plan(r_code, tmp_path), tmp_path)
    julia = small("function perplexity(P)\n  2\nend")
    julia["metadata"] = {"language_info": {"name": "julia"}}
    assert "written in julia" in problem_of(read_plan(julia, tmp_path), tmp_path)
    mislabelled = small(ANSWER)
    mislabelled["metadata"] = julia["metadata"]
    submission = read_plan(mislabelled, tmp_path)
    assert submission.cells[0].source == ANSWER
    assert "says that it is written in julia" in submission.remarks[0]
    for metadata in (3, [], {"kernelspec": 3}, {"kernelspec": {"language": 3}}, {"language_info": {"name": "ipython"}}):
        submission = read_plan(dict(small(ANSWER), metadata=metadata), tmp_path)
        assert submission.problem is None
        assert not any("written in" in remark for remark in submission.remarks)


def test_text_of_students_in_sentences_is_cut_and_clean(tmp_path):
    plan = small("x")
    plan["metadata"] = {"kernelspec": {"language": "R\x1b[31m\n" + "z" * 5000}}
    problem = problem_of(read_plan(plan, tmp_path), tmp_path)
    assert "\x1b" not in problem
    name = "a\u202e\x1b]0;x\x07" + "b" * 150 + ".ipynb"
    write(tmp_path / "class" / "alice" / name, b"")
    problem = only_problem(tmp_path / "class", tmp_path)
    assert problem.startswith("…")
    assert ".ipynb is empty" in problem


# ---------------------------------------------------------------- exercise cells


def remarks_on(plan: dict, tmp_path: Path) -> tuple[str, ...]:
    submission = read_plan(plan, tmp_path)
    assert submission.problem is None
    return submission.remarks


def test_claimed_points_change_nothing(tmp_path):
    plan = solved()
    want = read_plan(plan, tmp_path).cells
    for cell in plan["cells"]:
        cell["metadata"].setdefault("nbgrader", {}).update(points=1e9, score=99, locked=False, schema_version="x")
    assert read_plan(plan, tmp_path).cells == want


def test_ids_that_the_course_does_not_have(tmp_path):
    plan = small(ANSWER, "x = 1", "y = 2")
    plan["cells"][1]["metadata"] = {"nbgrader": {"grade_id": "nothing", "solution": True}}
    plan["cells"][2]["metadata"] = {"nbgrader": {"grade_id": "check-nothing", "grade": True}}
    assert [(cell.exercise, cell.checks) for cell in read_plan(plan, tmp_path).cells] == [
        ("perplexity", None),
        (None, None),
        (None, None),
    ]


def test_of_duplicated_cells_the_last_one_above_its_check_counts(tmp_path):
    plan = released()
    position = plan["cells"].index(cell_of(plan, "perplexity"))
    copies = [copy.deepcopy(plan["cells"][position]) for _ in range(3)]
    for number, duplicate in enumerate(copies):
        duplicate["source"] = f"def perplexity(P):\n    return {number}"
    copies[1]["source"] = "# emptied"
    plan["cells"][position + 1 : position + 1] = copies[:2]
    plan["cells"].append(copies[2])
    submission = read_plan(plan, tmp_path)
    (counting,) = [cell for cell in submission.cells if cell.exercise == "perplexity"]
    assert counting.source.endswith("return 0")
    number = [cell.exercise for cell in submission.cells].index("perplexity") + 1
    assert submission.remarks == (f"There are 4 cells of perplexity: code cell {number} counts.",)


def test_an_answer_that_uses_the_course_s_own_code_is_named_for_a_person_to_decide(tmp_path):
    plan = released()
    assert remarks_on(plan, tmp_path) == ()
    for own in ("metrics.recall_at_k", "course_utils.metrics"):
        cell_of(plan, "perplexity")["source"] = f"def perplexity(P):\n    return {own}(P)\n"
        (remark,) = remarks_on(plan, tmp_path)
        assert remark == f"The answer to perplexity uses the course's own {own}: a person decides if it counts."


def test_a_deleted_cell_is_named(tmp_path):
    plan = released()
    plan["cells"].remove(cell_of(plan, "perplexity"))
    assert "The notebook has no cell of perplexity: " in remarks_on(plan, tmp_path)[0]
    kept = small(ANSWER)
    assert "and 17 more" in remarks_on(kept, tmp_path)[0]


@pytest.mark.parametrize("kind", ["markdown", "raw", "Code", None, 3])
def test_a_retyped_cell_is_named(tmp_path, kind):
    plan = released()
    cell_of(plan, "perplexity")["cell_type"] = kind
    assert remarks_on(plan, tmp_path) == ("The cell of perplexity is no longer a code cell: make it one again.",)


def test_cells_in_another_order_are_named(tmp_path):
    plan = released()
    moved = cell_of(plan, "perplexity")
    plan["cells"].remove(moved)
    plan["cells"].insert(0, moved)
    (remark,) = remarks_on(plan, tmp_path)
    assert (
        remark == "The cell of perplexity stands above that of conditional-affinities, which comes first in the course."
    )


def test_answers_without_ids_are_known_by_their_functions(tmp_path):
    plan = solved()
    for cell in plan["cells"]:
        cell["metadata"] = {}
    submission = read(as_bytes(plan), tmp_path, "homework.ipynb")
    assert submission.notebook == NAME
    assert [cell.exercise for cell in submission.cells if cell.exercise] == IDS
    assert submission.remarks == ()


def test_a_notebook_without_exercises(tmp_path):
    scratch = {"nbformat": 4, "metadata": {}, "cells": [{"cell_type": "code", "metadata": {}, "source": "x = 1"}]}
    assert "no notebook of this course" in problem_of(read_plan(scratch, tmp_path), tmp_path)
    named = read(as_bytes(scratch), tmp_path, f"{NAME}_alice.ipynb")
    assert named.notebook == NAME
    assert "no code cell of any exercise" in problem_of(named, tmp_path)
    prose = small(ANSWER)
    prose["cells"][0]["cell_type"] = "markdown"
    submission = read_plan(prose, tmp_path)
    assert submission.notebook == NAME
    assert "no code cell of any exercise" in problem_of(submission, tmp_path)


def test_a_syntax_error_is_left_to_the_sandbox(tmp_path):
    submission = read_plan(small("def perplexity(P:\n return"), tmp_path)
    assert submission.cells == (Cell("def perplexity(P:\n return", "perplexity"),)


# ---------------------------------------------------------------- several files of one student


def submission(file: str, exercise_count: int = 5, **fields: object) -> Submission:
    cells = tuple(Cell("x", exercise) for exercise in IDS[:exercise_count])
    given = {"sha256": file, "modified": 1.0, "notebook": NAME, "cells": cells} | fields
    return Submission("alice", file, **given)


def test_the_later_file_counts_then_the_last_name():
    early, late = submission("b.ipynb"), submission("a.ipynb", modified=2.0)
    for order in ([early, late], [late, early]):
        (best,) = intake.choose(order)
        assert best.file == "a.ipynb"
        assert best.remarks == ("a.ipynb counts; b.ipynb, of the same notebook, is not graded.",)
    assert intake.choose([submission("a.ipynb"), submission("b.ipynb")])[0].file == "b.ipynb"
    assert intake.choose([submission("a.ipynb", modified=None), early])[0].file == "b.ipynb"


def test_a_later_file_that_is_broken_or_a_fragment_gives_way():
    good = submission("good.ipynb", 20)
    broken = submission("new.ipynb", 0, modified=9.0, problem="It is empty.")
    fragment = submission("try.ipynb", 1, modified=9.0)
    (best,) = intake.choose([good, broken, fragment])
    assert best.file == "good.ipynb"
    assert best.remarks == (
        "good.ipynb counts; new.ipynb, of the same notebook, cannot be graded.",
        "good.ipynb counts; try.ipynb, of the same notebook, is not graded.",
    )


def test_copies_of_one_file_need_no_remark():
    assert intake.choose([submission("a", sha256="1"), submission("b", sha256="1")])[0].remarks == ()


def test_files_of_no_notebook_count_only_alone():
    scratch = submission("scratch.ipynb", 0, notebook="", problem="scratch.ipynb is no notebook of this course.")
    other = submission("b.ipynb", notebook="02_other")
    results = intake.choose([scratch, other, submission("a.ipynb")])
    assert [one.notebook for one in results] == [NAME, "02_other"]
    assert all(one.remarks == ("scratch.ipynb is no notebook of this course.",) for one in results)
    assert intake.choose([scratch]) == [scratch]
    assert intake.choose([]) == []


def test_code_counts_as_the_wire_writes_it(tmp_path):
    """An é takes six characters there: what is let in must fit in a frame."""
    plan = small("def perplexity(P):\n    return 0\n")
    plan["cells"][0]["source"] += "# " + "é" * (intake.MAX_CODE // 5)
    assert "characters of code" in read_plan(plan, tmp_path).problem
