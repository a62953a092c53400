"""The gradebook: an SQLite file with every result, every decision of the instructor, and the seed.

A submission is recorded in one transaction under `SubmissionResult.key`, with a write-ahead log and a sync at every
commit, so a grader that is killed loses the submission it was at and no other. Nothing is ever deleted: which of the
results count is worked out when they are read.

What counts, for each student and notebook, is the file of the latest grading run that had one (within a run the one
that was changed last), under the accepted specification. A student who has no result under that specification is
counted by the latest there is, so that no mark disappears while a class is half regraded.
"""

from __future__ import annotations

import contextlib
import difflib
import getpass
import json
import math
import os
import secrets
import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any
from urllib.parse import quote

from course_utils import exercises
from course_utils.errors import CourseError
from course_utils.grading.results import Status, SubmissionResult, as_dict, from_dict

APPLICATION = 0x45434742  # "ECGB" in the file's header: an embedding course's gradebook
VERSION = 1
"""Of the tables below; a file with a higher one was made by a newer course."""

TABLES = (
    "CREATE TABLE setting (name TEXT PRIMARY KEY, value TEXT NOT NULL)",
    """CREATE TABLE submission (
        id INTEGER PRIMARY KEY,
        student TEXT NOT NULL, notebook TEXT NOT NULL, sha256 TEXT NOT NULL,
        spec_version TEXT NOT NULL, seed_name TEXT NOT NULL,
        file TEXT NOT NULL,
        modified REAL NOT NULL,   -- seconds since 1970, 0 where that is not known
        run INTEGER NOT NULL,     -- the last grading run that had this file
        recorded TEXT NOT NULL,   -- UTC
        kept TEXT NOT NULL,       -- JSON: the result, and the points that each exercise had
        UNIQUE (student, notebook, sha256, spec_version, seed_name))""",
    "CREATE TABLE accepted (notebook TEXT PRIMARY KEY, spec_version TEXT NOT NULL)",
    """CREATE TABLE decision (
        id INTEGER PRIMARY KEY,
        student TEXT NOT NULL, notebook TEXT NOT NULL,
        exercise TEXT,            -- NULL: lateness, of the whole notebook
        value REAL,               -- points, or per cent taken off; NULL takes the last decision back
        reason TEXT NOT NULL, by TEXT NOT NULL, time TEXT NOT NULL)""",
)

Key = tuple[str, str, str, str, str]
_held: set[Path] = set()  # gradebooks that this process writes: lockf keeps out other processes only


@dataclass(frozen=True)
class Decision:
    """What a person decided: the points of an exercise, or how much a late notebook loses (`exercise` is None)."""

    student: str
    notebook: str
    exercise: str | None
    value: float | None  # points, or per cent; None takes an earlier decision back
    reason: str
    by: str  # the login name
    time: str  # UTC, as ISO 8601


@dataclass(frozen=True)
class Mark:
    """The mark of one exercise of one student."""

    student: str
    notebook: str
    exercise: str
    points: float  # with the override, before anything is taken off for lateness
    most: float
    status: Status
    graded: float  # the points without an override
    override: Decision | None = None
    late: Decision | None = None  # of the notebook

    @property
    def counted(self) -> float:
        """The points after what lateness takes off."""
        minus_percent = (self.late.value or 0.0) if self.late else 0.0
        return self.points * (1 - minus_percent / 100)


@dataclass(frozen=True)
class Change:
    """An exercise whose points a new specification changes; None where one of the two does not have it."""

    student: str
    exercise: str
    old: float | None
    new: float | None
    overridden: bool  # so the mark stays as it was decided


class Gradebook:
    """An open gradebook; a context manager, for the thread that opened it.

    `writing` makes the file where there is none and keeps other writers out until it is closed or the process dies.
    Raises CourseError, here and in every method, in one sentence: no such file, not a gradebook, damaged, made by a
    newer course, cannot be written, disk full, in use by another grader.
    """

    def __init__(self, path: Path, writing: bool = True) -> None:
        self.path = Path(path)
        with contextlib.ExitStack() as opened:
            if writing:
                self._prepare()
                opened.enter_context(_lock(self.path))
            self._database = opened.enter_context(contextlib.closing(self._connect(writing)))
            with self._told():
                self._check_identity(writing)
                if writing:
                    self._make_ready()
            self._opened = opened.pop_all()

    def __enter__(self) -> Gradebook:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file and let other writers in."""
        self._opened.close()

    # ------------------------------------------------------------ what grading writes

    def seed(self, given: str | None) -> str:
        """The master seed, kept from the first call on: `given`, or a random one.

        Raises CourseError where another one is given later, because the same marks would then not come out again.
        """
        if given is not None and not given.strip():
            raise CourseError("The seed is empty: give --seed some text, or leave it out for a random one.")
        with self._told():
            kept = self._database.execute("SELECT value FROM setting WHERE name = 'seed'").fetchone()
            if kept is None:
                kept = (given or secrets.token_hex(16),)
                with self._transaction():
                    self._database.execute("INSERT INTO setting VALUES ('seed', ?)", kept)
        if given not in (None, kept[0]):
            raise CourseError(
                f"{self.path} was begun with another seed: leave --seed out to go on with that one, "
                "or name a new gradebook."
            )
        return kept[0]

    def has(self, key: Key) -> bool:
        """Whether this file of this student was graded with these specifications and this seed."""
        with self._told():
            return self._database.execute(f"SELECT 1 FROM submission WHERE {_KEY}", _texts(key)).fetchone() is not None

    def record(self, result: SubmissionResult) -> None:
        """Keep a result, in one transaction. A result that is there already stays as it is."""
        student, file = _texts((result.student, result.file))
        result = replace(result, student=student, file=file)
        kept = {"result": as_dict(result), "most": {one.exercise: one.most for one in result.exercises}}
        row = (*_texts(result.key), file, result.modified or 0.0, self._run, _now(), json.dumps(kept))
        with self._told(), self._transaction():
            self._database.execute(
                "INSERT INTO submission (student, notebook, sha256, spec_version, seed_name, file, modified, run,"
                " recorded, kept) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT (student, notebook, sha256, spec_version, seed_name) DO UPDATE SET run = excluded.run",
                row,
            )
            if result.notebook:
                first = _texts((result.notebook, result.spec_version))
                self._database.execute("INSERT OR IGNORE INTO accepted VALUES (?, ?)", first)

    def seen(self, keys: Iterable[Key]) -> None:
        """These files, graded earlier (`has`), are handed in in this run too: they count before those that are not.

        So a student who hands in an earlier file again is marked for that one.
        """
        with self._told(), self._transaction():
            rows = [(self._run, *_texts(key)) for key in keys]
            self._database.executemany(f"UPDATE submission SET run = ? WHERE {_KEY}", rows)

    # ------------------------------------------------------------ what people decide

    def override(self, student: str, exercise: str, points: float | None, reason: str) -> None:
        """Give an exercise other points; it stays so when it is graded again. `points=None` takes that back."""
        spec = exercises.get(exercise)
        if points is not None:
            _check_number(points, float(spec.points), f"The points of {exercise!r}")
        self._decide(student, spec.notebook, exercise, points, reason)

    def late(self, student: str, notebook: str, minus_percent: float, reason: str) -> None:
        """Take a share of a notebook's points off for lateness; 0 takes that back."""
        exercises.of(notebook)
        _check_number(minus_percent, 100.0, "What lateness takes off, in per cent,")
        self._decide(student, notebook, None, minus_percent, reason)

    def accept(self, notebook: str) -> list[str]:
        """Let the results under the newest specification count.

        Returns the students who have none: they keep the mark that they have until they are graded again.
        """
        newest = self._newest(notebook)
        with self._told(), self._transaction():
            row = _texts((newest, notebook))
            self._database.execute("UPDATE accepted SET spec_version = ? WHERE notebook = ?", row)
        return sorted(one.student for one in self.results() if one.notebook == notebook and one.spec_version != newest)

    # ------------------------------------------------------------ reading

    def results(self) -> list[SubmissionResult]:
        """The results that count, by student and notebook, as they were graded (without overrides and lateness).

        A file that could be no notebook of the course is among them, until its student hands in one of that name
        that is.
        """
        return [result for result, _ in self._counting(self._accepted())]

    def marks(self) -> list[Mark]:
        """The marks that count, by student and notebook, exercises in the notebook's order."""
        # Of several decisions the last one counts; no value, and no per cent off, take the earlier ones back.
        last = {(one.student, one.notebook, one.exercise): one for one in self.history()}
        decided = {slot: one for slot, one in last.items() if one.value or (slot[2] and one.value is not None)}
        return [
            _mark(result, index, most, decided)
            for result, most in self._counting(self._accepted())
            for index in range(len(result.exercises))
        ]

    def attempts(self, student: str, notebook: str) -> list[SubmissionResult]:
        """Every result of a student's notebook, also those that do not count, the latest last."""
        with self._told():
            rows = self._database.execute(
                "SELECT kept FROM submission WHERE student = ? AND notebook = ? ORDER BY run, modified, sha256, id",
                _texts((student, notebook)),
            )
            return [self._read(kept)[0] for (kept,) in rows]

    def history(self) -> list[Decision]:
        """Every override and lateness that was ever decided, the latest last."""
        with self._told():
            columns = "student, notebook, exercise, value, reason, by, time"
            return [Decision(*row) for row in self._database.execute(f"SELECT {columns} FROM decision ORDER BY id")]

    def pending(self) -> list[str]:
        """The notebooks that have results under a newer specification than the accepted one."""
        return sorted(name for name, version in self._accepted().items() if self._newest(name) != version)

    def diff(self, notebook: str) -> list[Change]:
        """What `accept` would change, exercise by exercise."""
        accepted = self._accepted()
        old = self._points(notebook, accepted)
        new = self._points(notebook, accepted | {notebook: self._newest(notebook)})
        fixed = {(one.student, one.exercise) for one in self.marks() if one.override}
        order = [slot for slot in old | new if old.get(slot) != new.get(slot)]
        return [Change(*slot, old.get(slot), new.get(slot), slot in fixed) for slot in order]

    # ------------------------------------------------------------ inside

    def _prepare(self) -> None:
        """Make an empty file that only its owner can read (it will hold the seed); SQLite's own files follow it."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
        except IsADirectoryError:
            raise CourseError(f"{self.path} is a folder: name a file for the gradebook.") from None
        except OSError as error:
            raise _cannot_write(self.path, error.strerror) from error

    def _connect(self, writing: bool) -> sqlite3.Connection:
        if not self.path.is_file():
            raise CourseError(f"There is no gradebook {self.path}: `course grade` makes one; or name its place.")
        address = f"file:{quote(str(self.path.absolute()))}"
        with self._told():
            if writing:
                return sqlite3.connect(f"{address}?mode=rw", uri=True, timeout=10, isolation_level=None)
            connection = sqlite3.connect(f"{address}?mode=ro", uri=True, timeout=10, isolation_level=None)
            try:
                connection.execute("SELECT 1 FROM sqlite_master").fetchone()
            except sqlite3.OperationalError as error:
                # A log cannot be opened in a folder that cannot be written; where it is empty, none is needed.
                connection.close()
                if error.sqlite_errorcode & 0xFF not in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
                    raise
                place = self.path.resolve()
                log = place.with_name(f"{place.name}-wal")
                if log.exists() and log.stat().st_size:
                    raise CourseError(
                        f"{self.path} has marks in {log.name} that cannot be read in a folder that cannot be written: "
                        "copy both files to another folder."
                    ) from error
                connection = sqlite3.connect(f"{address}?mode=ro&immutable=1", uri=True, isolation_level=None)
            return connection

    def _check_identity(self, writing: bool) -> None:
        """Raises CourseError where this is no whole gradebook; a file without any table is a new one."""
        (application,) = self._database.execute("PRAGMA application_id").fetchone()
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        (tables,) = self._database.execute("SELECT count(*) FROM sqlite_master").fetchone()
        if not application and not tables:
            if not writing:
                raise CourseError(f"{self.path} is empty: `course grade` writes marks into it.")
        elif application != APPLICATION:
            raise CourseError(f"{self.path} is a database but no gradebook of this course: name another file.")
        elif version > VERSION:
            raise CourseError(f"{self.path} was written by a newer version of the course: update this one.")
        elif self._database.execute("PRAGMA quick_check(1)").fetchone() != ("ok",):
            raise _damaged(self.path)

    def _make_ready(self) -> None:
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = FULL")  # a commit survives a power cut too
        with self._transaction():
            if not self._database.execute("PRAGMA application_id").fetchone()[0]:
                for table in TABLES:
                    self._database.execute(table)
                self._database.execute(f"PRAGMA application_id = {APPLICATION}")
                self._database.execute(f"PRAGMA user_version = {VERSION}")
            (last,) = self._database.execute("SELECT coalesce(max(run), 0) FROM submission").fetchone()
        self._run = last + 1

    @contextlib.contextmanager
    def _transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        finally:
            if self._database.in_transaction:  # SQLite itself takes some failed ones back
                self._database.execute("ROLLBACK")

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Say in a sentence what SQLite could not do."""
        try:
            yield
        except sqlite3.ProgrammingError:
            raise
        except sqlite3.DatabaseError as error:
            raise _sentence(self.path, error) from error

    def _decide(self, student: str, notebook: str, exercise: str | None, value: float | None, reason: str) -> None:
        if not reason.strip():
            raise CourseError("Give a reason: it is kept with the decision, for whoever asks later.")
        self._check_handed_in(student, notebook)
        row = (*_texts((student, notebook)), exercise, value, *_texts((reason.strip(), _login())), _now())
        with self._told(), self._transaction():
            self._database.execute(
                "INSERT INTO decision (student, notebook, exercise, value, reason, by, time) VALUES (?,?,?,?,?,?,?)",
                row,
            )

    def _check_handed_in(self, student: str, notebook: str) -> None:
        with self._told():
            rows = self._database.execute("SELECT DISTINCT student, notebook FROM submission").fetchall()
        students = sorted({one for one, _ in rows})
        (wanted,) = _texts((student,))
        if wanted not in students:
            near = difflib.get_close_matches(wanted, students, n=1, cutoff=0.5)
            advice = f"did you mean {near[0]!r}?" if near else f"it has {len(students)} students."
            raise CourseError(f"There is no student {student!r} in {self.path}; {advice}")
        if (wanted, notebook) not in rows:
            raise CourseError(f"{student!r} has handed in nothing for {notebook}, so there is no mark to change.")

    def _accepted(self) -> dict[str, str]:
        with self._told():
            return dict(self._database.execute("SELECT notebook, spec_version FROM accepted"))

    def _newest(self, notebook: str) -> str:
        """The specification of the last results of a notebook. Raises CourseError where there are none."""
        with self._told():
            row = self._database.execute(
                "SELECT spec_version FROM submission WHERE notebook = ? ORDER BY run DESC, id DESC LIMIT 1",
                _texts((notebook,)),
            ).fetchone()
        if row is None:
            graded = ", ".join(self._accepted()) or "nothing"
            raise CourseError(f"{self.path} has no result for {notebook!r}; it has {graded}.")
        return row[0]

    def _counting(self, accepted: dict[str, str]) -> list[tuple[SubmissionResult, dict[str, float]]]:
        """The results that count where these specifications are accepted, with the points that each exercise had."""
        with self._told():
            rows = self._database.execute(
                "SELECT id, student, notebook, spec_version, file, run FROM submission"
                " ORDER BY student, notebook, run, modified, sha256, id"
            ).fetchall()
            chosen = sorted(_chosen(rows, accepted).values(), key=lambda row: row[1:5])
            query = "SELECT kept FROM submission WHERE id = ?"
            return [self._read(self._database.execute(query, row[:1]).fetchone()[0]) for row in chosen]

    def _read(self, kept: str) -> tuple[SubmissionResult, dict[str, float]]:
        try:
            stored = json.loads(kept)
            return from_dict(stored["result"]), stored["most"]
        except (ValueError, KeyError, TypeError) as error:
            raise _damaged(self.path) from error

    def _points(self, notebook: str, accepted: dict[str, str]) -> dict[tuple[str, str], float]:
        """Points by (student, exercise), without overrides."""
        return {
            (result.student, one.exercise): one.points
            for result, _ in self._counting(accepted)
            if result.notebook == notebook
            for one in result.exercises
        }


_KEY = "student = ? AND notebook = ? AND sha256 = ? AND spec_version = ? AND seed_name = ?"


def _chosen(rows: list[tuple[Any, ...]], accepted: dict[str, str]) -> dict[tuple[str, str, str], tuple[Any, ...]]:
    """The row of each student and notebook that counts; of rows (id, student, notebook, spec_version, file, run)
    in the order in which they replace each other. Files that could be no notebook have a place each, by name.
    """
    best: dict[tuple[str, str, str], tuple[Any, ...]] = {}
    readable: dict[tuple[str, str], int] = {}  # the last run in which a student's file of that name was a notebook
    for row in rows:
        _, student, notebook, spec_version, file, run = row
        slot = (student, notebook, "" if notebook else file)
        wanted = accepted.get(notebook)
        if slot not in best or spec_version == wanted or best[slot][3] != wanted:
            best[slot] = row
        if notebook:
            readable[student, file] = max(run, readable.get((student, file), 0))
    return {slot: row for slot, row in best.items() if row[2] or row[5] >= readable.get((row[1], row[4]), 0)}


def _mark(
    result: SubmissionResult,
    index: int,
    most: dict[str, float],
    decided: dict[tuple[str, str, str | None], Decision],
) -> Mark:
    one = result.exercises[index]
    student, notebook, exercise = result.student, result.notebook, one.exercise
    override = decided.get((student, notebook, exercise))
    graded = float(one.points)
    # An exercise that was made smaller after a decision cannot earn more than it has.
    points = min(override.value, most[exercise]) if override and override.value is not None else graded
    late = decided.get((student, notebook, None))
    return Mark(student, notebook, exercise, points, most[exercise], one.status, graded, override, late)


def _check_number(value: float, most: float, what: str) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise CourseError(f"{what} must be a number, and {value!r} is none.")
    if not 0 <= value <= most:
        raise CourseError(f"{what} must lie between 0 and {most:g}, and {value:g} does not.")


def _texts(values: tuple[str, ...]) -> tuple[str, ...]:
    """Names as SQLite can hold them: a file name that is no UTF-8 reaches Python with characters that cannot be."""
    return tuple(value.encode("utf-8", "backslashreplace").decode("utf-8") for value in values)


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _login() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a container's user may have no name
        return "unknown"


# ---------------------------------------------------------------- one writer, and what can go wrong


@contextlib.contextmanager
def _lock(path: Path) -> Iterator[None]:
    """Keep other graders out. The kernel lets go when this process dies, whatever became of its children.

    Raises CourseError where another one is at work, or where the file beside `path` cannot be made.
    """
    try:
        import fcntl
    except ImportError:  # Windows
        raise CourseError("A gradebook can be written on Linux and macOS only.") from None
    place = path.resolve()
    if place in _held:  # opening and closing the file once more would let go of the lock
        raise _in_use(path, str(os.getpid()))
    try:
        handle = os.open(place.with_name(f"{place.name}.lock"), os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise _cannot_write(path, error.strerror) from error
    try:
        try:
            fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            raise _in_use(path, os.read(handle, 20).decode(errors="replace").strip()) from None
        except OSError as error:
            raise _cannot_write(path, error.strerror) from error
        with contextlib.suppress(OSError):  # the number is for the sentence only, and a disk may be full
            os.ftruncate(handle, 0)
            os.write(handle, f"{os.getpid()}\n".encode())
        _held.add(place)
        yield
    finally:
        _held.discard(place)
        os.close(handle)


def _in_use(path: Path, process: str) -> CourseError:
    who = f" (process {process})" if process.isdigit() else ""
    return CourseError(f"Another grading run{who} is using {path}: wait until it has ended.")


def _cannot_write(path: Path, why: str | None) -> CourseError:
    because = f" ({why})" if why else ""
    return CourseError(f"{path} cannot be written{because}: name a place where you may write and where there is room.")


def _damaged(path: Path) -> CourseError:
    return CourseError(f"{path} is damaged, or is no gradebook: take it back from a backup, or name another file.")


def _sentence(path: Path, error: sqlite3.DatabaseError) -> CourseError:
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the low byte is the kind, the rest its detail
    if kind == sqlite3.SQLITE_FULL or getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_IOERR_SHMSIZE:
        return CourseError(f"There is no room left for {path}: all that was recorded before is kept; make room.")
    if kind in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_PERM):
        return _cannot_write(path, str(error))
    if kind in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return _damaged(path)
    if kind in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return CourseError(f"Another program is using {path}: close it and try again.")
    return CourseError(f"{path} could not be used ({error}): all that was recorded before is kept; look at the disk.")
