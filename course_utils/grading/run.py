"""A grading run: find what was handed in, mark it on all cores or on a cluster, keep every result."""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import importlib.metadata
import itertools
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context, parent_process
from pathlib import Path
from typing import Any

from course_utils import exercises
from course_utils.authoring import ROOT, hash_of_files
from course_utils.earlier_work import NOTEBOOKS
from course_utils.errors import CourseError
from course_utils.grading import desk, intake
from course_utils.grading.gradebook import Gradebook
from course_utils.grading.intake import HandIn, Submission
from course_utils.grading.reference import name_of_seed, version_of
from course_utils.grading.results import SubmissionResult
from course_utils.grading.similar import Pair, pairs
from course_utils.run import last_line

GRADEBOOK = "gradebook.sqlite"
AHEAD = 3  # submissions a worker has waiting: enough to keep it busy, few enough to stay small
RESTARTS = 3  # of a pool whose processes were killed
PATIENCE = 30.0  # seconds without a result before it is looked whether there still are workers
SCHEDULER_SECONDS = 10  # for a Dask scheduler to answer
PACKAGES = ("numpy", "scipy", "scikit-learn", "torch")

Tell = Callable[[int, int], None]
"""Hears how many students are done, and how many there are."""
Future = concurrent.futures.Future[SubmissionResult]


@dataclass
class Summary:
    """What a run did."""

    students: int = 0
    graded: int = 0
    known: int = 0  # graded by an earlier run, with the same file, specifications and seed
    unreadable: int = 0
    again: int = 0  # submissions in which something timed out or was killed, and was tried once more
    protection: str = ""  # what kept the students' code in; empty where nothing was graded
    pending: list[str] = field(default_factory=list)  # notebooks whose new marks wait for `--accept`


def grade(
    place: Path,
    out: Path,
    settings: Callable[[str], desk.Settings],
    seed: str | None = None,
    workers: int | None = None,
    dask: str | None = None,
    tell: Tell = lambda done, count: None,
) -> Summary:
    """Grade what lies in `place` into the gradebook in the folder `out`; goes on where an earlier run was stopped.

    `settings` makes the desks' settings from the master seed. Raises CourseError; what was recorded stays.
    """
    students = by_student(intake.find(place))
    summary = Summary(students=len(students))
    with Gradebook(out / GRADEBOOK) as book:
        master = book.seed(seed)
        waiting: list[tuple[Submission, SubmissionResult]] = []
        with crew(workers, dask) as submit:
            work = unknown(read(students), book, master, summary)
            done = itertools.count(1)
            for submission, result in submit(work, settings(master), None):
                summary.protection = summary.protection or result.protection
                if result.uncertain:
                    waiting.append((submission, result))
                    continue
                book.record(result)
                tell(summary.known + next(done), len(students))
            summary.graded = next(done) - 1
            # What timed out or was killed is tried again when nothing else runs, before it costs a point.
            for submission, before in waiting:
                for _, result in submit([submission], settings(master), before):
                    book.record(result)
                    summary.graded += 1
                    tell(summary.known + summary.graded, len(students))
            summary.again = len(waiting)
        summary.pending = book.pending()
    return summary


def by_student(hand_ins: list[HandIn]) -> list[list[HandIn]]:
    """The files, grouped by student."""
    return [list(group) for _, group in itertools.groupby(hand_ins, key=lambda one: one.student)]


def read(students: Iterable[list[HandIn]]) -> Iterator[Submission]:
    """The submissions that count, one a student and notebook, read when they are asked for."""
    for hand_ins in students:
        yield from intake.choose([intake.read(one) for one in hand_ins])


def unknown(submissions: Iterable[Submission], book: Gradebook, master: str, summary: Summary) -> Iterator[Submission]:
    """The submissions that the gradebook does not have yet; counts the others, and tells it that they were seen."""
    for submission in submissions:
        version = version_of(submission.notebook) if submission.notebook else ""
        key = (submission.student, submission.notebook, submission.sha256, version, name_of_seed(master))
        summary.unreadable += submission.problem is not None
        if book.has(key):
            book.seen([key])
            summary.known += 1
        else:
            yield submission


def alike(place: Path) -> list[Pair]:
    """Pairs of submissions whose code is alike after renaming, notebook by notebook. Raises CourseError."""
    submissions = list(read(by_student(intake.find(place))))
    found = []
    for name in exercises.MODULES:
        released = intake.read(HandIn("", f"{name}.ipynb", NOTEBOOKS / f"{name}.ipynb"))
        found += pairs([one for one in submissions if one.notebook == name], released)
    return found


# ---------------------------------------------------------------- who does the work

Submit = Callable[
    [Iterable[Submission], desk.Settings, SubmissionResult | None], Iterator[tuple[Submission, SubmissionResult]]
]


@contextlib.contextmanager
def crew(workers: int | None, dask: str | None) -> Iterator[Submit]:
    """A function that has submissions marked and yields each with its result, as they are done.

    By a pool of processes on this machine, or by the workers of a Dask cluster; both give the same results.
    """
    if dask:
        with dask_client(dask) as client:
            yield Cluster(client, dask).spread
        return
    count = workers or os.cpu_count() or 1
    pool = Pool(count)
    try:
        yield pool.spread
    finally:
        pool.close()


def spread(
    submit: Callable[[Submission], Future], count: Callable[[], int], work: Iterable[Submission]
) -> Iterator[tuple[Submission, Future]]:
    """Submit work, AHEAD submissions for each of `count()` workers at a time; yields what is done.

    Calls `count` anew after every result, and whenever none has come for PATIENCE seconds.
    """
    source = iter(work)
    running: dict[Future, Submission] = {}
    try:
        while True:
            for submission in itertools.islice(source, max(AHEAD * count() - len(running), 0)):
                running[submit(submission)] = submission
            if not running:
                return
            done, _ = concurrent.futures.wait(running, PATIENCE, concurrent.futures.FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future
    finally:
        for future in running:
            future.cancel()


class Pool:
    """A pool of processes on this machine, started again where the system killed one of them."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.start()

    def start(self) -> None:
        """Start the processes: fresh ones, because a fork would share this process's gradebook."""
        self.executor = concurrent.futures.ProcessPoolExecutor(self.count, get_context("spawn"), stay_with_parent)

    def spread(
        self, work: Iterable[Submission], settings: desk.Settings, before: SubmissionResult | None
    ) -> Iterator[tuple[Submission, SubmissionResult]]:
        """Mark submissions; those that a killed process had are marked by another. Raises CourseError after some."""
        given: dict[int, Submission] = {}

        def submit(submission: Submission) -> Future:
            given[id(submission)] = submission
            return self.executor.submit(desk.mark, settings, submission, before)

        rest: Iterator[Submission] = iter(work)
        for _ in range(RESTARTS):
            try:
                for submission, future in spread(submit, lambda: self.count, rest):
                    result = future.result()
                    given.pop(id(submission))
                    yield submission, result
                return
            except concurrent.futures.BrokenExecutor:
                self.close()
                self.start()
                rest = itertools.chain(list(given.values()), rest)
        raise CourseError(
            "The grading processes were killed again and again: is there enough memory? Try again with --workers 1; "
            "what was graded is kept."
        )

    def close(self) -> None:
        """End the processes, and with them their sandboxes."""
        self.executor.shutdown(wait=True, cancel_futures=True)


def stay_with_parent() -> None:
    """Leave Ctrl-C to the process that asks, and end when it ends, even if it is killed: nobody else would end this."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    parent = parent_process()
    assert parent is not None

    def watch() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# ---------------------------------------------------------------- a Dask cluster


@contextlib.contextmanager
def dask_client(address: str) -> Iterator[Any]:
    """A client of a Dask scheduler. Raises CourseError where there is none."""
    try:
        import distributed
    except ModuleNotFoundError:
        raise CourseError('`--dask` needs Dask: `pip install -e ".[grading]"` installs it.') from None
    try:
        client = distributed.Client(address, timeout=SCHEDULER_SECONDS, set_as_default=False)
    except (OSError, ValueError, TimeoutError) as error:
        raise CourseError(
            f"There is no Dask scheduler at {address} ({type(error).__name__}): check the address."
        ) from error
    with client:
        yield client


class Cluster:
    """The workers of a Dask cluster, whichever there are at a time; work of one that dies goes to another."""

    def __init__(self, client: Any, address: str) -> None:
        self.client, self.address = client, address
        # An error is no reason to try again: it is the sandbox's or the installation's, and is to be seen.
        self.executor = client.get_executor(pure=False, retries=0)

    def spread(
        self, work: Iterable[Submission], settings: desk.Settings, before: SubmissionResult | None
    ) -> Iterator[tuple[Submission, SubmissionResult]]:
        """Mark submissions. Raises CourseError where the cluster fails, or is not fit for it."""
        here = versions()

        def submit(submission: Submission) -> Future:
            with self.in_words():
                return self.executor.submit(mark_in_cluster, here, settings, submission, before)

        try:
            for submission, future in spread(submit, self.count, work):
                with self.in_words():
                    result = future.result()
                yield submission, result
        finally:
            self.end_desks()

    def count(self) -> int:
        """How many workers there are; waits a while for the first. Raises CourseError for none."""
        with self.in_words():
            count = len(self.client.nthreads())
            if count:
                return count
            with contextlib.suppress(TimeoutError):
                self.client.wait_for_workers(1, timeout=PATIENCE)
                return 1
        raise CourseError(
            f"The Dask cluster at {self.address} has no workers: start some with "
            f"`dask worker {self.address} --nthreads 1`; what was graded is kept."
        )

    @contextlib.contextmanager
    def in_words(self) -> Iterator[None]:
        """Turn what Dask raises into a CourseError of one sentence."""
        from distributed.scheduler import KilledWorker

        try:
            yield
        except CourseError:
            raise
        except KilledWorker as error:
            raise CourseError(
                f"Workers of the Dask cluster at {self.address} were killed again and again: have they enough memory? "
                "What was graded is kept."
            ) from error
        except (concurrent.futures.CancelledError, OSError) as error:
            raise CourseError(
                f"The connection to the Dask scheduler at {self.address} was lost: start it and grade again; what was "
                "graded is kept."
            ) from error
        except Exception as error:
            raise CourseError(
                f"The Dask cluster at {self.address} failed ({last_line(error)}): give its scheduler and workers the "
                "same course and packages as this machine; what was graded is kept."
            ) from error

    def end_desks(self) -> None:
        """End the sandboxes on the workers, each in the thread that has it, as far as they still answer."""
        import distributed

        with contextlib.suppress(Exception):
            ends = [self.client.submit(desk.close, workers=[one], pure=False) for one in self.client.nthreads()]
            distributed.wait(ends, timeout=SCHEDULER_SECONDS)


def mark_in_cluster(
    there: dict[str, str], settings: desk.Settings, submission: Submission, before: SubmissionResult | None
) -> SubmissionResult:
    """Mark on a worker of a cluster, whose `versions()` are to be those of the machine that asks.

    Raises CourseError for others, and on a worker of several threads: time limits and what is printed are a process's.
    """
    import distributed

    worker = distributed.get_worker()
    if worker.state.nthreads != 1:
        raise CourseError(
            f"The Dask worker {worker.address} has {worker.state.nthreads} threads, and grading needs a process for "
            f"each: start workers with `dask worker ADDRESS --nworkers {worker.state.nthreads} --nthreads 1`."
        )
    here = versions()
    other = [name for name in here if here[name] != there.get(name)]
    if other:
        raise CourseError(
            f"The Dask worker {worker.address} has another version of {', '.join(other)} than this machine: give both "
            "the same folder of the course, and install requirements.lock on both."
        )
    return desk.mark(settings, submission, before)


@functools.cache
def versions() -> dict[str, str]:
    """What marks depend on beside submissions and seed, by name: the course's files, Python, the numerical packages."""
    files = [path for name in ("course_utils", "solutions", "data") for path in (ROOT / name).rglob("*")]
    course = sorted(path for path in files if path.suffix in (".py", ".npz", ".txt", ".csv", ".json"))
    numbered = {name: importlib.metadata.version(name).partition("+")[0] for name in PACKAGES}
    return {"the course": hash_of_files(course), "Python": ".".join(map(str, sys.version_info[:2])), **numbered}
