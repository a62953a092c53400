"""A grading run: find what was handed in, mark it on all cores or on a cluster, keep every result."""

from __future__ import annotations

import concurrent.futures
import contextlib
import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from course_utils import exercises
from course_utils.earlier_work import NOTEBOOKS
from course_utils.errors import CourseError
from course_utils.grading import desk, intake
from course_utils.grading.gradebook import Gradebook
from course_utils.grading.intake import HandIn, Submission
from course_utils.grading.reference import name_of_seed
from course_utils.grading.results import Status, SubmissionResult
from course_utils.grading.similar import Pair, pairs

GRADEBOOK = "gradebook.sqlite"
AHEAD = 3  # submissions a worker has waiting: enough to keep it busy, few enough to stay small
RESTARTS = 3  # of a pool whose processes were killed

Tell = Callable[[int, int], None]
"""Hears how many students are done, and how many there are."""


@dataclass
class Summary:
    """What a run did."""

    students: int = 0
    graded: int = 0
    known: int = 0  # graded by an earlier run, with the same file, specifications and seed
    unreadable: int = 0
    again: int = 0  # submissions in which something timed out and was tried once more
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
                if any(one.status is Status.TIMED_OUT for one in result.exercises):
                    waiting.append((submission, result))
                    continue
                book.record(result)
                tell(summary.known + next(done), len(students))
            summary.graded = next(done) - 1
            # What timed out is tried again when nothing else runs, before it costs a point.
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
        version = desk.reference_of(submission.notebook).version if submission.notebook else ""
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
        with dask_executor(dask) as (executor, count):
            yield lambda work, settings, before: spread(executor, count, work, settings, before)
        return
    count = workers or os.cpu_count() or 1
    pool = Pool(count)
    try:
        yield pool.spread
    finally:
        pool.close()


def spread(
    executor: concurrent.futures.Executor,
    count: int,
    work: Iterable[Submission],
    settings: desk.Settings,
    before: SubmissionResult | None,
) -> Iterator[tuple[Submission, SubmissionResult]]:
    """Mark by an executor, AHEAD submissions a worker at a time. Raises what a worker raises."""
    source = iter(work)
    running: dict[concurrent.futures.Future[SubmissionResult], Submission] = {}
    try:
        while True:
            for submission in itertools.islice(source, AHEAD * count - len(running)):
                running[executor.submit(desk.mark, settings, submission, before)] = submission
            if not running:
                return
            done, _ = concurrent.futures.wait(running, return_when=concurrent.futures.FIRST_COMPLETED)
            for future in done:
                yield running.pop(future), future.result()
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
        self.executor = concurrent.futures.ProcessPoolExecutor(self.count, get_context("spawn"))

    def spread(
        self, work: Iterable[Submission], settings: desk.Settings, before: SubmissionResult | None
    ) -> Iterator[tuple[Submission, SubmissionResult]]:
        """Mark submissions; those that a killed process had are marked by another. Raises CourseError after some."""
        given: dict[int, Submission] = {}

        def watched(submissions: Iterable[Submission]) -> Iterator[Submission]:
            for submission in submissions:
                given[id(submission)] = submission
                yield submission

        rest: Iterator[Submission] = iter(work)
        for _ in range(RESTARTS):
            try:
                for submission, result in spread(self.executor, self.count, watched(rest), settings, before):
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


@contextlib.contextmanager
def dask_executor(address: str) -> Iterator[tuple[concurrent.futures.Executor, int]]:
    """An executor over a Dask cluster, and how many threads its workers have. Raises CourseError."""
    try:
        import distributed
    except ModuleNotFoundError:
        raise CourseError('`--dask` needs Dask: `pip install -e ".[grading]"` installs it.') from None
    try:
        client: Any = distributed.Client(address, timeout=10)
    except (OSError, ValueError, TimeoutError) as error:
        raise CourseError(
            f"There is no Dask scheduler at {address} ({type(error).__name__}): check the address."
        ) from error
    with client:
        count = sum(client.nthreads().values())
        if not count:
            raise CourseError(f"The Dask cluster at {address} has no workers: start some with `dask worker {address}`.")
        yield client.get_executor(pure=False, retries=RESTARTS), count
