"""What was handed in: notebooks found in a folder or zip, and read as JSON only, whatever they hold.

Nothing is extracted to disk, no link is followed, nothing but ordinary files is opened, and every size is bounded by
what is really read. Code stays text: parsing it is left to the sandbox.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import io
import itertools
import json
import os
import re
import stat
import struct
import time
import unicodedata
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any

from course_utils import exercises
from course_utils.errors import CourseError

MAX_BYTES = 20_000_000  # of a notebook with its outputs; the solved notebooks have about 2 MB
MAX_ZIP_BYTES = 50_000_000  # of a zip inside a zip, which is held in memory
MAX_MEMBERS = 10_000  # of a zip, and files below one student's folder
MAX_DIRECTORY_BYTES = 4_000_000  # of a zip's table of contents, about 400 a member
MAX_DEPTH = 20  # folders below a student's
MAX_NOTEBOOKS = 50  # of one student
MAX_ZIPS = 10  # of one student
MAX_BRACKETS = 1_000_000  # in a notebook's text: each may become an object of 200 bytes and more in memory
MAX_CELLS = 5_000  # the notebooks of the course have about 300
MAX_CODE = 2_000_000  # characters in all code cells, as JSON writes them (é has six); solved notebooks have 100,000
MAX_REMARKS = 20

NOTEBOOK_ENDINGS = (".ipynb", ".ipynb.txt", ".ipynb.json")  # browsers add the last two when they save a notebook
INSTEAD = (".py", ".txt", ".md", ".html", ".htm", ".pdf", ".doc", ".docx", ".odt", ".rar", ".7z", ".tar", ".gz", ".tgz")
"""Endings of what a student may hand in instead of a notebook, where files are named by student."""

ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    OSError,
    NotImplementedError,
    RuntimeError,
    ValueError,
    IndexError,
    KeyError,
)
"""What `zipfile` raises for zips that are damaged, lie about themselves, or are packed in unusual ways."""

NO_TEXT = re.compile("[\ud800-\udfff\0]")  # lone surrogates and NUL, which JSON can hold and no source file

NOBODYS = ("__MACOSX", "__pycache__", ".ipynb_checkpoints", ".git")  # folders that programs make

AGAIN = "open the notebook in JupyterLab, save it, and hand it in again"


@dataclass(frozen=True)
class HandIn:
    """One file that was handed in, found but not read.

    `member` says where in a zip it is, by index, as two members can have one name: "3" is the fourth member of
    `source`, "3/0" the first member of the zip that is its fourth. Where `problem` is given, the file must not be
    opened.
    """

    student: str  # without control characters and path separators, at most 120 bytes
    file: str  # path inside what was handed in, for messages
    source: Path  # the file itself, or the zip that holds it
    member: str | None = None
    problem: str | None = None


@dataclass(frozen=True)
class Cell:
    """A code cell."""

    source: str
    exercise: str | None = None  # id of the exercise that this cell answers; one cell at most for each
    checks: str | None = None  # id of the exercise that this cell checks


@dataclass(frozen=True)
class Submission:
    """One notebook of one student, read. Where nothing of it can be graded, `problem` says why and what to do."""

    student: str
    file: str
    sha256: str  # of the file's bytes; empty where it was not read
    modified: float | None  # seconds since 1970
    notebook: str  # of the course; empty where it is not known which one this is
    cells: tuple[Cell, ...] = ()  # the code cells, in order
    problem: str | None = None
    remarks: tuple[str, ...] = ()  # sentences for the student

    @property
    def code_hash(self) -> str:
        """A hash of the code alone: text, outputs and the like may change without it."""
        sources = json.dumps([cell.source for cell in self.cells])
        return hashlib.sha256(sources.encode()).hexdigest()


class _UnreadableError(Exception):
    """A file that cannot be read; the message ends a sentence that begins with the file's name."""


# ---------------------------------------------------------------- text from students


def plain(text: str, most: int = 80) -> str:
    """Text from a student on one line: no control, format or unassigned characters, at most `most` characters.

    Of a longer text the end is kept, where a path has its file name.
    """
    ending = "".join(" " if char.isspace() else char for char in text[-4 * most :])
    kept = "".join(char for char in ending if not unicodedata.category(char).startswith("C"))
    line = " ".join(kept.split())
    return line if len(line) <= most else "…" + line[-most + 1 :]


def _student(raw: str) -> str:
    """A student's name that is safe as part of a file name; a name that had to be changed gets a mark of its own."""
    name = unicodedata.normalize("NFC", raw)
    kept = plain(re.sub(r"[/\\:]", "_", name), 120).lstrip(".…").encode()[:120].decode(errors="ignore").strip()
    if kept == name:
        return kept
    mark = hashlib.sha256(raw.encode(errors="surrogatepass")).hexdigest()[:6]
    return f"{kept.encode()[:113].decode(errors='ignore')}~{mark}"


# ---------------------------------------------------------------- finding


@dataclass(frozen=True)
class _Entry:
    """A file in the place, or a folder at its top."""

    parts: tuple[str, ...]  # of its path in the place, as they are there
    source: Path
    member: str | None = None
    size: int = 0
    folder: bool = False
    problem: str | None = None  # the end of a sentence that begins with the path

    @property
    def path(self) -> str:
        """The path for messages."""
        return plain("/".join(self.parts), 200)

    @property
    def is_notebook(self) -> bool:
        """Whether the name is that of a notebook."""
        return not self.folder and self.parts[-1].lower().endswith(NOTEBOOK_ENDINGS)

    @property
    def is_zip(self) -> bool:
        """Whether the name is that of a zip."""
        return not self.folder and self.parts[-1].lower().endswith(".zip")


def find(place: Path) -> list[HandIn]:
    """The notebooks in a folder or zip, by student and file; every student that has anything there has one at least.

    The place holds one folder a student, with notebooks or zips of them anywhere below, or files named by student
    (`alice.ipynb`, `alice_01_sne_to_tsne.ipynb`, `01_sne_to_tsne_alice.ipynb`, `alice.zip`). Hidden files are left out.
    Raises CourseError where the place is missing, is neither folder nor zip, or has no notebook.
    """
    name = plain(place.name or place.resolve().name)
    if not place.exists():
        raise CourseError(f"There is no folder or zip {name}: give the place where the submissions are.")
    if place.is_dir():
        entries = _in_folder(place)
    elif place.is_file():
        entries = _in_class_zip(place)
    else:
        raise CourseError(f"{name} is neither a folder nor a zip: give the place where the submissions are.")
    if not any(entry.is_notebook or entry.is_zip for entry in entries):
        raise CourseError(f"{name} has no notebook: give the folder or zip that holds the students' .ipynb files.")
    found = [hand_in for student, own in _by_student(entries, place).items() for hand_in in _of_student(student, own)]
    return sorted(found, key=lambda one: (one.student, one.file, one.member or ""))


def _by_student(entries: list[_Entry], place: Path) -> dict[str, list[_Entry]]:
    """Entries by the student whose they are, in the order found.

    Files at the top that are neither notebook nor zip belong to nobody, unless the files there are named by student.
    """
    files_are_named = any(len(entry.parts) == 1 and (entry.is_notebook or entry.is_zip) for entry in entries)
    students: dict[str, list[_Entry]] = {}
    for entry in entries:
        at_top = len(entry.parts) == 1 and not entry.folder
        if at_top and not entry.is_notebook and not entry.is_zip and entry.problem is None:
            instead = entry.parts[0].lower().endswith(INSTEAD) and not entry.parts[0].lower().startswith("readme")
            if not (files_are_named and instead):
                continue
        raw = _named_by(entry.parts[0]) or place.resolve().stem if at_top else entry.parts[0]
        students.setdefault(_student(raw), []).append(entry)
    return students


def _stem(name: str) -> str:
    """A file's name without its ending."""
    ending = next((one for one in NOTEBOOK_ENDINGS if name.lower().endswith(one)), Path(name).suffix)
    return name[: len(name) - len(ending)]


def _named_by(name: str) -> str:
    """The student after whom a file is named; empty where the name is that of a notebook of the course alone."""
    stem = _stem(name)
    for notebook in exercises.MODULES:
        before, found, after = stem.partition(notebook)
        if found:
            # a browser's or Jupyter's mark of a copy is no student
            after = re.sub(r"^([- ]?\(\d+\)|-Copy\d+|-\d{1,2}(?!\d))+", "", after)
            return before.strip("_-. ") or after.strip("_-. ")
    return stem


def _of_student(student: str, entries: list[_Entry]) -> list[HandIn]:
    """What a student handed in: the notebooks, or one entry with a problem where there is none."""
    looked_in, zips = [], 0
    for entry in entries:
        zips += entry.is_zip
        if entry.is_zip and zips > MAX_ZIPS and entry.problem is None:
            looked_in.append(replace(entry, problem="is not looked at, as it comes after many others: hand in one zip"))
        else:
            looked_in += _in_students_zip(entry) if entry.is_zip else [entry]
    files = [entry for entry in looked_in if not entry.folder]
    notebooks = [entry for entry in files if entry.is_notebook or (entry.is_zip and entry.problem)]
    hand_ins = [_hand_in(student, entry) for entry in notebooks[:MAX_NOTEBOOKS]]
    if len(notebooks) > MAX_NOTEBOOKS:
        problem = f"is not looked at, as it comes after {MAX_NOTEBOOKS} others: hand in the course's notebooks only"
        hand_ins.append(_hand_in(student, replace(notebooks[MAX_NOTEBOOKS], problem=problem)))
    if hand_ins:
        return hand_ins
    if files:
        problem = files[0].problem or "is no notebook: hand in the .ipynb file"
        return [_hand_in(student, replace(files[0], problem=problem))]
    return [_hand_in(student, replace(entries[0], problem="holds no notebook: hand in the .ipynb file"))]


def _hand_in(student: str, entry: _Entry) -> HandIn:
    problem = entry.problem
    if problem is None and entry.size > MAX_BYTES:
        problem = _too_large()
    sentence = f"{plain(entry.path)} {problem}." if problem else None
    return HandIn(student, entry.path, entry.source, entry.member, sentence)


def _too_large() -> str:
    return (
        f"has more than {MAX_BYTES // 1_000_000} MB and is not read: clear all outputs, save the notebook, "
        "and hand it in again"
    )


def _hidden(name: str) -> bool:
    return (name.startswith(".") and name != "..") or name in NOBODYS


# ---------------------------------------------------------------- folders


def _in_folder(place: Path) -> list[_Entry]:
    """Every file below a folder, and the folders at its top, so that an empty one is seen too."""
    try:
        names = sorted(os.listdir(place))
    except OSError as error:
        raise CourseError(f"The folder {plain(place.name)} cannot be read: {error.strerror}.") from None
    seen = [name for name in names if not _hidden(name) or _is_students(place / name)]
    return [entry for name in seen for entry in _below(place / name, name)]


def _is_students(folder: Path) -> bool:
    """Whether a folder that looks hidden is a student's, whose name begins with a dot: it has a notebook at its top."""
    if folder.name in NOBODYS:
        return False
    with contextlib.suppress(OSError):
        return any(name.lower().endswith(NOTEBOOK_ENDINGS) for name in os.listdir(folder))
    return False


def _below(top: Path, name: str) -> Iterator[_Entry]:
    """The files at or below a path, in order; what it is, not what a link points to, decides."""
    waiting: list[tuple[Path, tuple[str, ...]]] = [(top, (name,))]
    seen = 0
    while waiting:
        path, parts = waiting.pop()
        seen += 1
        if seen > MAX_MEMBERS:
            problem = f"and what follows is not looked at, as there are more than {MAX_MEMBERS} files: hand in less"
            yield _Entry((*parts, "more.ipynb"), path, problem=problem)
            return
        try:
            status = path.lstat()
            if stat.S_ISDIR(status.st_mode):
                if len(parts) == 1:
                    yield _Entry(parts, path, folder=True)
                if len(parts) <= MAX_DEPTH:
                    inner = sorted((one for one in os.listdir(path) if not _hidden(one)), reverse=True)
                    waiting += [(path / one, (*parts, one)) for one in inner]
                continue
        except OSError:
            yield _Entry(parts, path, problem="cannot be opened: give the grader the right to read it")
            continue
        yield _Entry(parts, path, size=status.st_size, problem=_problem_of_mode(status.st_mode))


def _problem_of_mode(mode: int) -> str | None:
    """Why a file must not be opened, from what kind of file it is."""
    if stat.S_ISLNK(mode):
        return "is a symbolic link, which is not followed: hand in the file itself"
    if not stat.S_ISREG(mode):
        return "is no ordinary file and is not opened: hand in the .ipynb file"
    return None


# ---------------------------------------------------------------- zips


class _BoundedReads:
    """A file whose single reads are bounded, as `zipfile` reads a table of contents at once, however long it is."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.seek, self.tell, self.seekable, self.close = stream.seek, stream.tell, stream.seekable, stream.close
        self._read = stream.read

    def read(self, size: int | None = -1) -> bytes:
        """Read as a file does, at most MAX_DIRECTORY_BYTES. Raises BadZipFile where more is asked for."""
        if size is not None and size > MAX_DIRECTORY_BYTES:
            raise zipfile.BadZipFile("the table of contents is too long")
        return self._read(MAX_DIRECTORY_BYTES if size is None or size < 0 else size)


def _in_class_zip(place: Path) -> list[_Entry]:
    """Every file in the zip of a class, without the one folder around all of it that many zips have."""
    name = plain(place.name)
    try:
        with _opened_zip(place) as opened:
            entries = _without_wrapper(_members(opened, _Entry((), place)))
    except _UnreadableError as error:
        raise CourseError(f"{name} {error}.") from None
    except ZIP_ERRORS:
        raise CourseError(f"{name} is neither a folder nor a zip that can be read: pack it anew.") from None
    return [entry for entry in entries if len(entry.parts) == 1 or not entry.folder]


def _without_wrapper(entries: list[_Entry]) -> list[_Entry]:
    """Entries without the single folder that holds them all, unless that is the folder of one student."""
    inside = {entry.parts[1] for entry in entries if len(entry.parts) > 1}
    one_folder = len({entry.parts[0] for entry in entries}) == 1
    nothing_beside = all(len(entry.parts) > 1 or entry.folder for entry in entries)
    a_students = any(not _named_by(name) for name in inside)
    if not (inside and one_folder and nothing_beside) or a_students:
        return entries
    return [replace(entry, parts=entry.parts[1:]) for entry in entries if len(entry.parts) > 1]


def _in_students_zip(entry: _Entry) -> list[_Entry]:
    """The files in a student's zip, or the zip itself with its problem."""
    if entry.problem:
        return [entry]
    try:
        with _opened_zip(entry.source, entry.member) as opened:
            inner = _members(opened, entry)
    except _UnreadableError as error:
        return [replace(entry, problem=str(error))]
    except ZIP_ERRORS:
        return [replace(entry, problem="is no zip that can be read: pack it again, or hand in the .ipynb file itself")]
    in_it = "is a zip inside a zip and is not opened: hand in the .ipynb file"
    return [replace(one, problem=one.problem or in_it) if one.is_zip else one for one in inner]


def _members(opened: zipfile.ZipFile, around: _Entry) -> list[_Entry]:
    """The visible files and folders of an open zip. Raises _UnreadableError for too many."""
    infos = opened.infolist()
    if len(infos) > MAX_MEMBERS:
        raise _UnreadableError(f"has more than {MAX_MEMBERS} files in it: hand in the .ipynb files only")
    entries = []
    for index, info in enumerate(infos):
        name = info.filename.replace("\\", "/")
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        real = tuple(part for part in parts if part != "..")
        if not real or any(map(_hidden, real)):
            continue
        if name.endswith("/"):
            entries.append(_Entry((*around.parts, *real), around.source, folder=True))
            continue
        member = f"{around.member}/{index}" if around.member else str(index)
        problem = _problem_of_member(info, name)
        entries.append(_Entry((*around.parts, *real), around.source, member, info.file_size, problem=problem))
    return entries


def _problem_of_member(info: zipfile.ZipInfo, name: str) -> str | None:
    """Why a member of a zip must not be read."""
    if ".." in name.split("/") or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return "has a path in its zip that leads out of it: pack the .ipynb file itself"
    mode = info.external_attr >> 16
    if stat.S_IFMT(mode):
        problem = _problem_of_mode(mode)
        if problem:
            return problem
    if info.flag_bits & 0x1:
        return "is encrypted in its zip: pack it without a password"
    # The others (bzip2, LZMA) can claim any memory before the first byte comes out.
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "is packed in an unusual way: make an ordinary zip, or hand in the .ipynb file itself"
    return None


@contextmanager
def _opened_zip(source: Path, member: str | None = None) -> Iterator[zipfile.ZipFile]:
    """A zip on disk, or (held in memory) the zip that is a member of it. Raises _UnreadableError and ZIP_ERRORS."""
    with _opened(source) as stream, zipfile.ZipFile(_BoundedReads(stream)) as outer:
        if member is None:
            yield outer
            return
        data = _member_bytes(outer, outer.infolist()[int(member)], MAX_ZIP_BYTES)
        with zipfile.ZipFile(_BoundedReads(io.BytesIO(data))) as inner:
            yield inner


def _member_bytes(opened: zipfile.ZipFile, info: zipfile.ZipInfo, most: int) -> bytes:
    """A member's bytes, counted as they come, since a zip can lie about sizes."""
    with opened.open(info) as stream:
        return _bounded(stream, most)


def _bounded(stream: IO[bytes], most: int) -> bytes:
    """All that is left of a stream. Raises _UnreadableError where that is more than `most` bytes."""
    chunks, count = [], 0
    while chunk := stream.read(1 << 16):
        count += len(chunk)
        if count > most:
            raise _UnreadableError(_too_large() if most == MAX_BYTES else "is too large to be unpacked: hand in less")
        chunks.append(chunk)
    return b"".join(chunks)


def _when(info: zipfile.ZipInfo) -> float | None:
    """When a member was changed: its extended timestamp, or its date taken as local time; None where it has none."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack_from("<HH", extra)
        if kind == 0x5455 and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            return float(struct.unpack_from("<i", extra, 5)[0])
        extra = extra[4 + size :]
    if info.date_time <= (1980, 1, 1, 0, 0, 0):
        return None
    try:
        return time.mktime((*info.date_time, 0, 0, -1))
    except (OverflowError, ValueError):
        return None


# ---------------------------------------------------------------- reading


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """An ordinary file, open for reading; never follows a link and never waits. Raises OSError."""
    flags = os.O_RDONLY
    for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"):
        flags |= getattr(os, name, 0)  # each system has some of them
    with os.fdopen(os.open(path, flags), "rb") as stream:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            raise OSError("no ordinary file")
        yield stream


def read(hand_in: HandIn) -> Submission:
    """Read one notebook. Never raises for what a file holds: `problem` then says what is wrong with it."""
    submission = Submission(hand_in.student, hand_in.file, "", None, _by_file_name(hand_in.file))
    if hand_in.problem:
        return replace(submission, problem=hand_in.problem)
    try:
        data, modified = _bytes_of(hand_in)
        submission = replace(submission, sha256=hashlib.sha256(data).hexdigest(), modified=modified)
        content, said = _json_of(data)
        return _understood(submission, content, said)
    except _UnreadableError as error:
        problem = str(error)
    except MemoryError:
        problem = f"needs too much memory to be read: clear its outputs, then {AGAIN}"
    return replace(submission, problem=f"{plain(hand_in.file)} {problem}.")


def _bytes_of(hand_in: HandIn) -> tuple[bytes, float | None]:
    """A file's bytes and when it was changed. Raises _UnreadableError."""
    try:
        if hand_in.member is None:
            with _opened(hand_in.source) as stream:
                return _bounded(stream, MAX_BYTES), os.fstat(stream.fileno()).st_mtime
        outer, _, index = hand_in.member.rpartition("/")
        with _opened_zip(hand_in.source, outer or None) as opened:
            info = opened.infolist()[int(index)]
            return _member_bytes(opened, info, MAX_BYTES), _when(info)
    except ZIP_ERRORS:
        advice = "hand it in again" if hand_in.member is None else "pack it again, or hand in the .ipynb file itself"
        raise _UnreadableError(f"cannot be read or is damaged: {advice}") from None


def _json_of(data: bytes) -> tuple[Any, list[str]]:
    """The content of a notebook's bytes, and remarks about it. Raises _UnreadableError."""
    encoding, remarks = json.detect_encoding(data), []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode(encoding, "replace")
        remarks.append("The file is not all UTF-8: what could not be read in it was replaced by the sign \ufffd.")
    text = text.removeprefix("\ufeff")
    if not text.strip("\0 \t\r\n"):
        raise _UnreadableError(f"is empty: {AGAIN}")
    if text.count("[") + text.count("{") > MAX_BRACKETS:
        raise _UnreadableError(f"holds too many small parts to be read: clear its outputs, then {AGAIN}")
    try:
        return json.loads(text, strict=False, parse_int=_bounded_int), remarks
    except json.JSONDecodeError as error:
        if text.lstrip().startswith("<<<<<<<"):
            raise _UnreadableError(f"holds a merge conflict of git, not yet resolved: resolve it, {AGAIN}") from None
        if text.lstrip().startswith("<"):
            raise _UnreadableError("is a web page, not a notebook: hand in the .ipynb file itself") from None
        raise _UnreadableError(f"is cut off or damaged at line {error.lineno}: {AGAIN}") from None
    except RecursionError:
        raise _UnreadableError(f"is nested too deeply to be a notebook: {AGAIN}") from None


def _bounded_int(digits: str) -> int:
    """A whole number; a notebook has no use for one that is longer than Python converts."""
    return int(digits) if len(digits) < 100 else 0


# ---------------------------------------------------------------- cells


@dataclass(frozen=True)
class _Raw:
    """A cell as the file has it, of any type."""

    code: bool
    source: str
    grade_id: str
    defines: frozenset[str] = frozenset()  # names of the course's functions


def _understood(submission: Submission, content: Any, said: list[str]) -> Submission:
    """A submission with the cells of a notebook's content. Raises _UnreadableError."""
    cells, about_cells = _raw_cells(content)
    remarks = said + about_cells
    notebook = _by_ids(cells) or _by_functions(cells) or submission.notebook
    if not notebook:
        raise _UnreadableError(
            "is no notebook of this course, as no cell has an exercise's id or function: hand in the one you were given"
        )
    submission = replace(submission, notebook=notebook)
    language = _other_language(content)
    if language and not any(re.search(r"^[ \t]*def ", cell.source, re.M) for cell in cells if cell.defines):
        return replace(
            submission,
            problem=f"{plain(submission.file)} is written in {language}, not in Python: choose the kernel Python 3 and "
            "solve it there.",
        )
    if language:
        remarks.append(f"The notebook says that it is written in {language}; its cells are read as Python.")
    answers, about_answers = _answers(cells, notebook)
    if not answers and not any(cell.defines for cell in cells):
        nothing = (
            f"{plain(submission.file)} has no code cell of any exercise: solve them in the notebook you were given."
        )
        return replace(submission, problem=nothing, remarks=tuple(about_answers))
    own = {exercise.id for exercise in exercises.of(notebook)}
    kept = []
    for index, cell in enumerate(cells):
        if cell.code:
            checked = cell.grade_id.removeprefix("check-") if cell.grade_id.startswith("check-") else None
            kept.append(Cell(cell.source, answers.get(index), checked if checked in own else None))
    remarks += about_answers
    if len(remarks) > MAX_REMARKS:
        remarks[MAX_REMARKS - 1 :] = [f"There are {len(remarks) - MAX_REMARKS + 1} more remarks of this kind."]
    return replace(submission, cells=tuple(kept), remarks=tuple(remarks))


def _raw_cells(content: Any) -> tuple[list[_Raw], list[str]]:
    """The cells of a notebook's content, in order, and remarks about them. Raises _UnreadableError."""
    found, remarks = _list_of_cells(content)
    if len(found) > MAX_CELLS:
        raise _UnreadableError(f"has more than {MAX_CELLS} cells: delete what is not part of the homework")
    cells, strange, number, length = [], 0, 0, 0
    for cell in found:
        if not isinstance(cell, dict):
            strange += 1
            continue
        code = cell.get("cell_type") == "code"
        number += code
        source, whole = _source(cell)
        if code and not whole:
            remarks.append(f"Code cell {number} holds what no text can hold: write it anew.")
        length += len(json.dumps(source)) if code else 0
        defines = frozenset(one[0] or one[1] for one in _definition().findall(source)) if code else frozenset()
        cells.append(_Raw(code, source, _grade_id(cell), defines))
    if strange:
        remarks.append(f"The file holds {strange} entries among its cells that are no cells; they were left out.")
    if length > MAX_CODE:
        raise _UnreadableError(f"has more than {MAX_CODE} characters of code: delete what is not part of the homework")
    return cells, remarks


def _list_of_cells(content: Any) -> tuple[list[Any], list[str]]:
    """The entries of a notebook's list of cells, also of formats 2 and 3, which had worksheets."""
    if not isinstance(content, dict):
        raise _UnreadableError(f"holds no notebook: {AGAIN}")
    version = content.get("nbformat")
    if isinstance(content.get("cells"), list):
        if version != 4:
            shown = plain(str(version), 20) if isinstance(version, int | float | str) else "not given"
            return content["cells"], [f"The notebook's format is {shown}; it was read as format 4."]
        return content["cells"], []
    if isinstance(content.get("worksheets"), list):
        sheets = [sheet.get("cells") for sheet in content["worksheets"] if isinstance(sheet, dict)]
        cells = [cell for sheet in sheets if isinstance(sheet, list) for cell in sheet]
        return cells, ["The notebook is in an old format and was converted: save it in JupyterLab."]
    raise _UnreadableError(f"has no list of cells: {AGAIN}")


def _source(cell: dict[str, Any]) -> tuple[str, bool]:
    """A cell's text, and whether it is whole: lone surrogates and NUL are replaced, what is no text is left out."""
    source = cell.get("source", cell.get("input", ""))  # formats 2 and 3 called it input
    if isinstance(source, list) and all(isinstance(line, str) for line in source):
        source = "".join(source)
    if not isinstance(source, str):
        return "", False
    clean = NO_TEXT.sub("\ufffd", source)
    return clean, clean == source


def _grade_id(cell: dict[str, Any]) -> str:
    """The id that a cell's metadata gives it, for an answer that of its exercise; empty where there is none."""
    metadata = cell.get("metadata")
    grading = metadata.get("nbgrader") if isinstance(metadata, dict) else None
    grade_id = grading.get("grade_id") if isinstance(grading, dict) else None
    return grade_id if isinstance(grade_id, str) else ""


def _other_language(content: dict[str, Any]) -> str:
    """The language that a notebook's metadata names, where it is not Python."""
    metadata = content.get("metadata")
    if not isinstance(metadata, dict):
        return ""
    for part, key in (("kernelspec", "language"), ("language_info", "name")):
        inner = metadata.get(part)
        language = inner.get(key) if isinstance(inner, dict) else None
        if isinstance(language, str) and plain(language):
            return "" if "python" in language.lower() else plain(language, 20)
    return ""


# ---------------------------------------------------------------- which notebook, which exercise

# Code of the course's that computes what some exercises ask for; whoever uses it has solved nothing.
OWN_CODE = re.compile(r"\bmetrics\.[A-Za-z_]{1,40}|\bcourse_utils(?:\.[A-Za-z_]{1,40}){0,3}")


@functools.cache
def _definition() -> re.Pattern[str]:
    """Matches where a cell's text defines a function or class of the course, by `def`, `class` or by assignment."""
    names = "|".join(sorted({re.escape(exercise.name) for exercise in exercises.all_by_id().values()}))
    return re.compile(rf"^[ \t]*(?:def|class)[ \t]+({names})\b|^({names})[ \t]*=(?!=)", re.M)


def _most_named(votes: Counter[str]) -> str:
    """The notebook with the most votes, of several the first in the course; empty where there is none."""
    return max(exercises.MODULES, key=lambda name: votes[name]) if votes else ""


def _by_ids(cells: list[_Raw]) -> str:
    """The notebook to which most of the cells' ids belong."""
    known = exercises.all_by_id()
    ids = {cell.grade_id.removeprefix("check-") for cell in cells}
    return _most_named(Counter(known[one].notebook for one in ids if one in known))


def _by_functions(cells: list[_Raw]) -> str:
    """The notebook to which most of the functions belong that the cells define."""
    defined = {name for cell in cells for name in cell.defines}
    return _most_named(Counter(one.notebook for one in exercises.all_by_id().values() if one.name in defined))


def _by_file_name(file: str) -> str:
    """The notebook of the course whose name is in a path."""
    return next((name for name in reversed(exercises.MODULES) if name in file), "")


def _answers(cells: list[_Raw], notebook: str) -> tuple[dict[int, str], list[str]]:
    """The index of the cell that counts for each exercise, and remarks on cells that are not as they were released.

    Where no code cell has an exercise's id, the last one without any id that defines its function counts.
    """
    known = exercises.all_by_id()
    numbers = {index: number for number, index in enumerate((i for i, cell in enumerate(cells) if cell.code), start=1)}
    answers: dict[int, str] = {}
    remarks, gone, order = [], [], []
    for exercise in exercises.of(notebook):
        own = [index for index, cell in enumerate(cells) if cell.grade_id == exercise.id]
        code = [index for index in own if cells[index].code]
        free = [i for i, cell in enumerate(cells) if exercise.name in cell.defines and cell.grade_id not in known]
        if code:
            index = _that_counts(cells, code, exercise)
            answers[index] = exercise.id
            order.append((exercise.id, index))
            if len(code) > 1:
                remarks.append(f"There are {len(code)} cells of {exercise.id}: code cell {numbers[index]} counts.")
        elif free:
            answers[free[-1]] = exercise.id
        elif own:
            remarks.append(f"The cell of {exercise.id} is no longer a code cell: make it one again.")
        elif not any(exercise.name in cell.defines for cell in cells):
            gone.append(exercise.id)
    if gone:
        shown = ", ".join(gone[:5]) + (f" and {len(gone) - 5} more" if len(gone) > 5 else "")
        remarks.append(f"The notebook has no cell of {shown}: copy them from the notebook you were given.")
    for (first, above), (second, below) in itertools.pairwise(order):
        if below < above:
            remarks.append(f"The cell of {second} stands above that of {first}, which comes first in the course.")
    for index, exercise_id in answers.items():
        own = OWN_CODE.search(cells[index].source)
        if own:
            what = f"The answer to {exercise_id} uses the course's own {own[0]}"
            remarks.append(f"{what}: a person decides if it counts.")
    return answers, remarks


def _that_counts(cells: list[_Raw], candidates: list[int], exercise: exercises.Exercise) -> int:
    """Of several cells with one id, the last above its check that defines the function, or else the last of all."""
    checking = (index for index, cell in enumerate(cells) if cell.code and cell.grade_id == f"check-{exercise.id}")
    check = next(checking, len(cells))
    defining = [index for index in candidates if exercise.name in cells[index].defines] or candidates
    return ([index for index in defining if index < check] or defining)[-1]


# ---------------------------------------------------------------- several files of one student


def choose(submissions: list[Submission]) -> list[Submission]:
    """Of all that a student handed in, one submission a notebook, with a remark for each file that does not count.

    What can be read comes before what cannot, and a file with less than half of the exercises of another gives way to
    it; then the later one counts, and of several from the same time the one whose name is last. Files that are no
    notebook of the course count only where the student handed in nothing else.
    """
    by_notebook: dict[str, list[Submission]] = {}
    for submission in submissions:
        by_notebook.setdefault(submission.notebook, []).append(submission)
    unknown = by_notebook.pop("", []) if len(by_notebook) > 1 else []
    chosen = []
    for _, group in sorted(by_notebook.items()):
        most = max(_exercise_count(one) for one in group)
        best = max(group, key=lambda one: (2 * _exercise_count(one) >= most, *_recency(one)))
        left_out = [one for one in group if one is not best and one.sha256 != best.sha256]
        chosen.append(_with_remarks(best, left_out, unknown))
    return chosen


def _exercise_count(submission: Submission) -> int:
    return sum(cell.exercise is not None for cell in submission.cells)


def _recency(submission: Submission) -> tuple[bool, float, str, str]:
    modified = float("-inf") if submission.modified is None else submission.modified
    return submission.problem is None, modified, submission.file, submission.sha256


def _with_remarks(best: Submission, left_out: list[Submission], unknown: list[Submission]) -> Submission:
    """A submission with remarks that name the files of the student that do not count, at most MAX_REMARKS in all."""
    remarks = list(best.remarks)
    for other in sorted(left_out, key=lambda one: one.file):
        why = "cannot be graded" if other.problem else "is not graded"
        remarks.append(f"{plain(best.file)} counts; {plain(other.file)}, of the same notebook, {why}.")
    remarks += [other.problem for other in sorted(unknown, key=lambda one: one.file) if other.problem]
    return replace(best, remarks=tuple(remarks[:MAX_REMARKS]))
