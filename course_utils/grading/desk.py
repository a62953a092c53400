"""One grading desk a process: a checked sandbox with what it takes to mark, made when the first submission comes."""

from __future__ import annotations

import functools
import os
import sys
import threading
from dataclasses import dataclass, field
from pathlib import Path

from course_utils.errors import CourseError
from course_utils.grading.controls import check_sandbox, check_solution
from course_utils.grading.intake import Submission
from course_utils.grading.marking import Marker
from course_utils.grading.reference import Reference
from course_utils.grading.results import SubmissionResult
from course_utils.grading.sandbox.launch import Mode, Zygote
from course_utils.grading.sandbox.limits import Limits
from course_utils.run import last_line

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
LOST = "It could not be graded: the sandbox itself ended twice under it. A person has to look at it."
FAULT = "It could not be graded: the grader itself failed at it ({}). A person has to look at it."


@dataclass(frozen=True)
class Settings:
    """What every desk of a run shares."""

    master: str  # the master seed
    limits: Limits = field(default_factory=Limits)
    mode: Mode | None = None  # of the sandbox; the best there is by default
    private: tuple[Path, ...] = ()  # folders that no submission may read: the gradebook's, the submissions'


class _Desks(threading.local):
    """The desk of this thread: a Dask worker may have several threads."""

    settings: Settings | None = None
    marker: Marker | None = None
    mode: Mode | None = None  # of the first sandbox: another one is not to be weaker
    tried: frozenset[str] = frozenset()  # notebooks whose solutions got full marks at this desk


_desks = _Desks()
reference_of = functools.cache(Reference)


def mark(settings: Settings, submission: Submission, before: SubmissionResult | None = None) -> SubmissionResult:
    """Mark a submission, or with `before` what was uncertain in it once more, at the desk of this process.

    A sandbox that has ended is started again; a submission under which it ends twice, or at which the grader fails, is
    left to a person: nobody else is to suffer from it. Raises CourseError where no sandbox can be started, or where the
    controls find it open.
    """
    for _ in range(2):
        marker = desk(settings, submission.notebook)
        try:
            return marker.mark_again(submission, before) if before else marker.mark(submission)
        except CourseError:
            if marker.zygote.alive():
                raise
            close()
        except Exception as error:
            return before or marker.unmarked(submission, FAULT.format(last_line(error)))
    return before or marker.unmarked(submission, LOST)


def desk(settings: Settings, notebook: str | None) -> Marker:
    """The desk of this thread, made where there is none, and tried before the first submission of each notebook.

    Raises CourseError where no sandbox can be started, or where a trial fails.
    """
    if _desks.marker is None or _desks.settings != settings:
        close()
        os.environ.update(dict.fromkeys(ONE_THREAD, "1"))  # a core a desk, also for a torch that is imported later
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        marker = Marker(Zygote(settings.limits, settings.mode or _desks.mode), settings.master, reference_of)
        try:
            check_sandbox(marker.zygote, settings.private)
        except BaseException:
            marker.zygote.close()
            raise
        _desks.settings, _desks.marker, _desks.mode = settings, marker, marker.zygote.mode
    if notebook and notebook not in _desks.tried:
        check_solution(_desks.marker, reference_of(notebook))
        _desks.tried |= {notebook}
    return _desks.marker


def close() -> None:
    """End the sandbox of this thread's desk, where it has one."""
    if _desks.marker is not None:
        _desks.marker.zygote.close()
    _desks.settings, _desks.marker, _desks.tried = None, None, frozenset()
