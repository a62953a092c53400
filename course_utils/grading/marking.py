"""Mark one submission: drive its process in the sandbox with fresh inputs, judge what comes back, say it in words."""

from __future__ import annotations

import builtins
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from course_utils.errors import Misfit
from course_utils.exercises.spec import Exercise
from course_utils.grading.intake import Submission
from course_utils.grading.reference import Reference, name_of_seed
from course_utils.grading.results import UNCERTAIN, ExerciseResult, Status, SubmissionResult
from course_utils.grading.sandbox.launch import Zygote
from course_utils.grading.session import NOT_A_REPLY, Ended, Session, shown
from course_utils.judge import CaseVerdict, Difference, JudgedCase, Outcome, Verdict, judge
from course_utils.judge.compare import show
from course_utils.judge.verdict import as_plain_argument
from course_utils.values import Foreign, SeededGenerator

LOAD_SECONDS = 30.0
ANSWER_SECONDS = 20.0  # for the solution's answer to one question of a follow-through run
MOST_QUESTIONS = 20_000  # of one exercise
BLOCK = 4000  # characters of an input or output that are kept
ERROR_TYPES = frozenset(
    name for name, value in vars(builtins).items() if isinstance(value, type) and issubclass(value, BaseException)
) | {"LinAlgError"}

UNFAIR = "Fresh inputs for `{}` were left out, because the course's own solution does not pass with them."

# How a sentence on a definition that failed begins (`notebook.make_namespace`); a worker that is forged may say more.
PROBLEM = re.compile(r"Code cell \d+, line \d+ (fails: |was stopped after )")

# What is said of a fresh input that fails: nothing that a number, chosen by the student's code, could carry out.
ON_FRESH = {
    "type": "There your {kind} returned another type of value.",
    "shape": "There your {kind} returned a value of another shape.",
    "dtype": "There your {kind} returned numbers of another type.",
    "nan": "There your {kind} returned NaN, or infinite numbers.",
    "memory": "There your {kind} needed more memory than its docstring allows.",
    "changed": "There your {kind} changed one of its arguments in place.",
    "time": "There your {kind} took too long.",
}

# What an error says when it is a limit that was met, by a part of its text.
LIMIT_SENTENCES = {
    "MemoryError": "Your code needed more than the {memory} MiB of memory that a submission may use.",
    "can't allocate memory": "Your code needed more than the {memory} MiB of memory that a submission may use.",
    "[Errno 27]": "Your code wrote a file of more than the {file_size} MiB that a submission may write.",
    "[Errno 28]": "Your code filled the {scratch} MiB of scratch space that a submission has.",
    "[Errno 24]": "Your code opened more than the {files} files that a submission may have open.",
    "can't start new thread": "Your code started more than the {processes} processes and threads it may have.",
    "[Errno 11]": "Your code started more than the {processes} processes and threads it may have.",
}


@dataclass
class Attempt:
    """What came of calling one exercise's function on some cases; `ended` where the process ended on the way."""

    outcomes: list[Outcome] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    found: bool = True
    ended: Ended | None = None
    called: set[str] = field(default_factory=set)  # names of functions of other exercises, called or missing
    seconds: float = 0.0


class Marker:
    """Marks submissions with one zygote, one master seed, and the references of the notebooks that come."""

    def __init__(self, zygote: Zygote, master: str, reference: Callable[[str], Reference]) -> None:
        self.zygote, self.master, self.reference = zygote, master, reference

    def mark(self, submission: Submission) -> SubmissionResult:
        """Mark every exercise of a submission. Raises CourseError where the sandbox itself fails."""
        start = time.monotonic()
        if submission.problem or not submission.notebook:
            return self.unmarked(submission)
        marking = Marking(self, submission)
        results = marking.run([exercise.id for exercise in marking.reference.exercises], {})
        return marking.result(results, time.monotonic() - start)

    def mark_again(self, submission: Submission, before: SubmissionResult) -> SubmissionResult:
        """Mark once more the exercises that timed out or were killed, now that the machine is idle; keep the others."""
        start = time.monotonic()
        marking = Marking(self, submission)
        kept = {one.exercise: one for one in before.exercises if one.status not in UNCERTAIN}
        wanted = [one.exercise for one in before.exercises if one.exercise not in kept]
        results = marking.run(wanted, kept)
        return marking.result(results, before.seconds + time.monotonic() - start, before.remarks)

    def unmarked(self, submission: Submission, why: str | None = None) -> SubmissionResult:
        """The result of a file that cannot be marked: no points, and the reason, its own problem or `why`."""
        listed: tuple[ExerciseResult, ...] = ()
        version = ""
        if submission.notebook:
            reference = self.reference(submission.notebook)
            version = reference.version
            listed = tuple(ExerciseResult(one.id, Status.MISSING, 0.0) for one in reference.exercises)
        return SubmissionResult(
            **identity(submission),
            spec_version=version,
            seed_name=name_of_seed(self.master),
            exercises=listed,
            remarks=submission.remarks,
            problem=why or submission.problem or "It is not known which notebook of the course this is.",
        )


def identity(submission: Submission) -> dict[str, Any]:
    """The fields that a submission and its result share."""
    names = ("student", "notebook", "file", "sha256", "modified")
    return {name: getattr(submission, name) for name in names}


class Marking:
    """The marking of one submission: its process, made anew whenever it has ended, and its deadline."""

    def __init__(self, marker: Marker, submission: Submission) -> None:
        self.marker, self.submission = marker, submission
        self.reference = marker.reference(submission.notebook)
        self.zygote = marker.zygote
        self.deadline = time.monotonic() + self.zygote.limits.wall
        self.names = {exercise.id: exercise.name for exercise in self.reference.exercises}
        # Objects and gradients do not cross; what a function with a `use` only draws does.
        self.unanswered = {one.id for one in self.reference.exercises if one.use and not one.draws_from}
        self.problems: list[str] = []
        self.unreadable: dict[str, str] = {}  # the sentence by exercise
        self.called: dict[str, set[str]] = {}  # functions that an exercise's own called or missed
        self.cases: dict[str, list[JudgedCase]] = {}  # the fresh ones, by exercise
        self.session: Session | None = None
        self.solution: Session | None = None

    def run(self, wanted: list[str], kept: dict[str, ExerciseResult]) -> dict[str, ExerciseResult]:
        """Mark the wanted exercises, then give follow-through credit; `kept` are results that stand.

        Fresh cases come first and alone give points. Public cases are run only to explain what failed, in another
        process: what they bring is shown to the student, so it must not come from one that has seen a hidden input.
        """
        results = dict(kept)
        exercises = [exercise for exercise in self.reference.exercises if exercise.id in wanted]
        try:
            fresh = {exercise.id: self.attempt(exercise, self.fresh_cases(exercise)) for exercise in exercises}
        finally:
            self.close()
        try:
            for exercise in exercises:
                results[exercise.id] = self.mark(exercise, fresh[exercise.id])
            for exercise in exercises:
                if not results[exercise.id].points:
                    results[exercise.id] = self.follow_through(exercise, results)
        finally:
            self.close()
        return results

    def result(
        self, results: dict[str, ExerciseResult], seconds: float, before: tuple[str, ...] = ()
    ) -> SubmissionResult:
        """All results as one record."""
        in_order = tuple(results[exercise.id] for exercise in self.reference.exercises)
        remarks = dict.fromkeys([*self.submission.remarks, *before, *self.problems])
        return SubmissionResult(
            **identity(self.submission),
            spec_version=self.reference.version,
            seed_name=name_of_seed(self.marker.master),
            exercises=in_order,
            remarks=tuple(remarks),
            seconds=seconds,
            protection=self.zygote.protection,
        )

    # -------------------------------------------------------------- the process

    def open(self) -> Session:
        """The submission's process with its definitions loaded. Raises Ended."""
        if self.session is None or self.session.over:
            self.session = self.load(Session(self.zygote, self.deadline))
        return self.session

    def load(self, session: Session) -> Session:
        """Give a fresh process the submission's cells. Raises Ended."""
        try:
            unreadable = session.load(self.submission.cells, self.names, LOAD_SECONDS)
        except BaseException:
            session.end()
            raise
        for exercise_id, sentence in unreadable:
            self.note(sentence)
            if exercise_id in self.names:
                self.unreadable[exercise_id] = sentence
        return session

    def note(self, problem: str) -> None:
        """Remember a problem of the whole notebook, once."""
        if problem not in self.problems and len(self.problems) < 20:
            self.problems.append(problem)

    def note_problems(self, public: Attempt) -> None:
        """Remember what failed in the definitions, as a process tells it that has seen no hidden input."""
        for problem in public.problems:
            self.note(problem)

    def close(self) -> None:
        """End the submission's process and the solution's."""
        for session in (self.session, self.solution):
            if session is not None:
                session.end()
        self.session = self.solution = None

    # -------------------------------------------------------------- one exercise

    def fresh_cases(self, exercise: Exercise) -> list[JudgedCase]:
        """This student's own cases of an exercise."""
        if exercise.id not in self.cases:
            self.cases[exercise.id] = self.reference.fresh_cases(exercise, self.marker.master, self.submission)
        return self.cases[exercise.id]

    def mark(self, exercise: Exercise, fresh: Attempt) -> ExerciseResult:
        """Mark one exercise, whose fresh cases were run; runs the public ones where these do not pass."""
        public_cases = self.reference.public[exercise.id].cases
        if fresh.ended is None:
            self.called[exercise.id] = fresh.called
        early = self.early_end(exercise, fresh)
        if early is not None:
            if early.status is Status.MISSING:  # a definition that failed may be why
                self.note_problems(self.attempt(exercise, public_cases))
            return early
        verdict = self.verdict_on_fresh(exercise, fresh)
        cases = self.fresh_cases(exercise)  # as they are now: some may have been left out
        counts = {"cases": len(cases), "cases_passed": sum(case.passed for case in verdict.cases)}
        if verdict.passed:
            return ExerciseResult(exercise.id, Status.RIGHT, float(exercise.points), **counts, seconds=fresh.seconds)
        public = self.attempt(exercise, public_cases)
        self.note_problems(public)
        early = self.early_end(exercise, public)
        if early is not None:
            return early
        public_verdict = verdict_of(exercise, public_cases, public.outcomes)
        result = self.explain(exercise, public_cases, public, public_verdict, cases, fresh, verdict)
        return replace(
            result,
            **counts,
            public_cases=len(public_cases),
            public_passed=sum(case.passed for case in public_verdict.cases),
            seconds=fresh.seconds + public.seconds,
        )

    def verdict_on_fresh(self, exercise: Exercise, fresh: Attempt) -> Verdict:
        """The judge's verdict on an attempt at the fresh cases, as far as these are fair."""
        verdict = verdict_of(exercise, self.fresh_cases(exercise), fresh.outcomes)
        if not verdict.passed and self.leave_out_unfair(exercise, fresh):
            return verdict_of(exercise, self.fresh_cases(exercise), fresh.outcomes)
        return verdict

    def leave_out_unfair(self, exercise: Exercise, fresh: Attempt) -> bool:
        """Leave out the fresh cases that the solution itself does not pass, and what was made of them; whether any is.

        That is a fault of the specification, met by one student in hundreds, who is not to pay for it.
        """
        cases = self.fresh_cases(exercise)
        own = verdict_of(exercise, cases, [Outcome(value=case.expected) for case in cases])
        fair = [index for index, case in enumerate(own.cases) if case.passed]
        if len(fair) in (0, len(cases)):  # without any the exercise could not be judged
            return False
        self.note(UNFAIR.format(exercise.name))
        self.cases[exercise.id] = [cases[index] for index in fair]
        fresh.outcomes = [fresh.outcomes[index] for index in fair if index < len(fresh.outcomes)]
        return True

    def attempt(
        self, exercise: Exercise, cases: list[JudgedCase], stop_at_fault: bool = False, **answers: Any
    ) -> Attempt:
        """Call the function of an exercise once a case, its time limit for all of them together.

        With `stop_at_fault` the cases behind the first wrong one are left out.
        """
        attempt = Attempt()
        start = time.monotonic()
        try:
            session = self.open()
            for case in cases:
                left = exercise.time_limit - (time.monotonic() - start)
                reply = session.call(exercise.id, case.args, left, most=exercise.largest(case.args), **answers)
                attempt.problems += [one for one in reply_texts(reply, "problems") if PROBLEM.match(one)]
                attempt.called |= set(reply_texts(reply, "called", len(self.names)))
                if reply.get("found") is False:
                    attempt.found = False
                    break
                outcome = read_outcome(reply.get("outcome"), len(case.args))
                if outcome is None:
                    session.fail(Status.NO_REPLY, NOT_A_REPLY)
                if outcome.timed_out is not None:
                    session.end()  # whatever it left running is not to slow the next exercise
                    attempt.outcomes.append(replace(outcome, timed_out=exercise.time_limit))
                    break
                attempt.outcomes.append(outcome)
                if stop_at_fault and not verdict_of(exercise, [case], [outcome]).passed:
                    break
            else:
                session.look_for_early_bytes()
        except Ended as ended:
            attempt.ended = ended
        attempt.seconds = time.monotonic() - start
        return attempt

    def early_end(self, exercise: Exercise, attempt: Attempt) -> ExerciseResult | None:
        """The result where there is nothing to judge: no function, a stub, a time-out, or the end of the process."""
        if attempt.ended is not None:
            sentence = str(attempt.ended)
            if time.monotonic() >= self.deadline:
                sentence = f"Your notebook used up the {self.zygote.limits.wall:g} s that a submission may take."
            return self.lost(exercise, attempt, attempt.ended.status, sentence)
        if not attempt.found:
            if exercise.id in self.unreadable:
                return self.lost(exercise, attempt, Status.UNREADABLE, self.unreadable[exercise.id])
            sentence = f"No cell defines the {exercise.kind} `{exercise.name}`."
            return self.lost(exercise, attempt, Status.MISSING, sentence)
        last = attempt.outcomes[-1]
        if last.timed_out is not None:
            sentence = f"`{exercise.name}` was stopped after {last.timed_out:g} s: an endless loop, or too slow a way?"
            return self.lost(exercise, attempt, Status.TIMED_OUT, sentence)
        first = attempt.outcomes[0]
        if first.error_type == "NotImplementedError" and f"{exercise.id}:" in (first.error or ""):
            return self.lost(
                exercise, attempt, Status.UNSOLVED, "It is not solved: its cell still raises the stub's error."
            )
        return None

    def lost(self, exercise: Exercise, attempt: Attempt, status: Status, sentence: str) -> ExerciseResult:
        """A result of no points with one sentence."""
        return ExerciseResult(exercise.id, status, 0.0, (sentence,), seconds=attempt.seconds)

    def explain(
        self,
        exercise: Exercise,
        public_cases: list[JudgedCase],
        public: Attempt,
        public_verdict: Verdict,
        cases: list[JudgedCase],
        fresh: Attempt,
        verdict: Verdict,
    ) -> ExerciseResult:
        """Why the fresh cases fail: told by the public cases where they fail too, else without a hidden input."""
        first = verdict.first_failure
        assert first is not None
        hidden = blocks(exercise, cases[first], verdict, first)
        outcome = fresh.outcomes[first] if first < len(fresh.outcomes) else Outcome()
        misfit = outcome.error_type == Misfit.__name__
        status = Status.ERROR if outcome.error and not misfit else Status.WRONG
        shown_blocks: tuple[tuple[str, str], ...] = ()
        mistake = public_verdict.mistake
        if not public_verdict.passed:
            index = public_verdict.first_failure
            assert index is not None
            label, told = public_cases[index].label, public_verdict.cases[index].difference
            shown_blocks = blocks(exercise, public_cases[index], public_verdict, index)
            sentences = [f"First case of your check that fails: {label}."]
            message = told.message if told else ""
        else:
            sentences = [f"Your check passes, but fresh inputs of the same kind fail, first: {cases[first].label}."]
            mistake = verdict_of(exercise, self.reference.with_mistakes(exercise, cases), fresh.outcomes).mistake
            told = verdict.cases[first].difference
            message = told.message if told else ""
            # Texts that the student's code chose could hold the hidden input.
            if misfit:
                message = f"There your {exercise.kind} is not what its docstring asks for."
            elif outcome.error:
                place = f" in line {outcome.line} of its cell" if outcome.line else ""
                kind = outcome.error_type if outcome.error_type in ERROR_TYPES else "of a type of your own"
                message = f"Your {exercise.kind} raised an error{place}: {kind}."
            elif told is not None:  # numbers, too: those of the student's code, and those that were expected
                message = ON_FRESH.get(told.kind, "There your {kind} returns other values.").format(kind=exercise.kind)
        limit = self.limit_sentence(outcome)
        if limit:
            status, sentences, shown_blocks, hidden = Status.LIMIT, [limit], (), ()
        elif mistake is not None:
            sentences.insert(0, self.reference.sentence(exercise, mistake))
        else:
            sentences.append(message)
        return ExerciseResult(
            exercise.id,
            status,
            0.0,
            tuple(shown(sentence, 1000) for sentence in sentences if sentence),
            mistake=mistake,
            case=cases[first].label,
            shown=shown_blocks,
            hidden=hidden,
        )

    def limit_sentence(self, outcome: Outcome) -> str:
        """The sentence for an error that is a limit of the sandbox; empty for any other error."""
        for part, sentence in LIMIT_SENTENCES.items():
            if outcome.error and part in outcome.error:
                return sentence.format(**vars(self.zygote.limits))
        return ""

    # -------------------------------------------------------------- follow-through

    def follow_through(self, exercise: Exercise, results: dict[str, ExerciseResult]) -> ExerciseResult:
        """The result with credit where the exercise is right once the earlier ones that are wrong are answered for it.

        Answers are given only for exercises that this one declares to need, directly or through others, and that are
        final: these all come before it, so what a process keeps of them helps none. The solution answers in a
        sandboxed process of its own, because it computes on values that come from a student. A class cannot be
        answered, since its objects do not cross, nor a function whose gradients are followed: an earlier one that is
        wrong is named instead.
        """
        result = results[exercise.id]
        wrong = [one for one in self.needed(exercise) if not results[one].points]
        failed = tuple(one for one in wrong if one not in self.unanswered)
        if len(failed) < len(wrong) and result.status in (Status.WRONG, Status.ERROR):
            earlier = ", ".join(f"`{self.names[one]}`" for one in wrong if one in self.unanswered)
            advice = f"It is built on {earlier}, not right either, which cannot be answered for you: mend that first."
            result = replace(result, sentences=(*result.sentences, advice))
        names = {self.names[one] for one in failed}
        names &= self.called.get(exercise.id, names)  # answers to what it does not call would change nothing
        worth_it = result.status not in (Status.UNSOLVED, Status.MISSING, Status.UNREADABLE)
        if not names or not worth_it or time.monotonic() >= self.deadline:
            return result
        cases = self.fresh_cases(exercise)
        try:
            desk = AnswerDesk(
                self.open_solution(), {one.name: one for one in self.reference.exercises if one.id in failed}
            )
        except Ended:
            return result
        attempt = self.attempt(exercise, cases, True, answered=tuple(desk.exercises), answer=desk.answer)
        if attempt.ended is not None or not verdict_of(exercise, cases, attempt.outcomes).passed:
            return result
        return replace(
            result,
            status=Status.FOLLOW_THROUGH,
            points=float(exercise.points),
            cases_passed=len(cases),
            cases=len(cases),
            answered=failed,
        )

    def open_solution(self) -> Session:
        """A process with the solution's definitions. Raises Ended."""
        if self.solution is None or self.solution.over:
            self.solution = Session(self.zygote, self.deadline)
            self.solution.load(self.reference.cells, self.names, LOAD_SECONDS)
        return self.solution

    def needed(self, exercise: Exercise) -> list[str]:
        """The ids of the exercises that this one needs, directly or through others, in the notebook's order."""
        by_id = {one.id: one for one in self.reference.exercises}
        found: set[str] = set()
        rest = list(exercise.requires)
        while rest:
            one = rest.pop()
            if one not in found and one in by_id:
                found.add(one)
                rest.extend(by_id[one].requires)
        return [one for one in by_id if one in found]


class AnswerDesk:
    """Lets the solution, in a process of its own, answer the questions of a student's process."""

    def __init__(self, solution: Session, exercises: dict[str, Exercise]) -> None:
        self.solution, self.exercises = solution, exercises  # by name of function
        self.questions = 0

    def answer(self, name: str, args: tuple[Any, ...], options: dict[str, Any]) -> dict[str, Any]:
        """The solution's value and how far it drew from generators, or the text of its error."""
        self.questions += 1
        if name not in self.exercises or self.questions > MOST_QUESTIONS or self.solution.over:
            return {"error": "this function is not answered here"}
        exercise = self.exercises[name]
        args, options = in_places(exercise.takes, args, options)
        # A function, such as a callback, does not cross; the solution's own default for it is None.
        args = tuple(None if type(value) is Foreign else value for value in args)
        try:
            reply = self.solution.call(exercise.id, args, ANSWER_SECONDS, options=options, plain=True)
        except Ended as ended:
            return {"error": str(ended)}
        except ValueError:  # within the bounds with what the student's process sent around them, beyond with this
            return {"error": "these arguments are too large"}
        outcome = read_outcome(reply.get("outcome"), len(args))
        if outcome is None or outcome.error or outcome.timed_out is not None:
            return {"error": (outcome and outcome.error) or "the solution gives no value for these arguments"}
        return {"value": outcome.value, "generators": [generator for _, generator in outcome.generators]}


def in_places(
    takes: tuple[str, ...], args: tuple[Any, ...], options: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments, those given by name put in their places as long as there is no gap before them, and the rest."""
    rest = dict(options)
    for name in takes[len(args) :]:
        if name not in rest:
            break
        args = (*args, rest.pop(name))
    return args, rest


def verdict_of(exercise: Exercise, cases: list[JudgedCase], outcomes: list[Outcome]) -> Verdict:
    """The judge's verdict; nothing passes where the judge itself fails.

    That is a fault of the course, but the values are a student's, and nobody else is to suffer from them. The
    solution in the positive control shows a fault that does not need strange values.
    """
    try:
        return judge(exercise, cases, outcomes)
    except Exception:
        unjudged = Difference("type", f"What your {exercise.kind} returned is of a kind that cannot be judged.")
        return Verdict(exercise, tuple(CaseVerdict(case.label, unjudged) for case in cases))


def blocks(exercise: Exercise, case: JudgedCase, verdict: Verdict, index: int) -> tuple[tuple[str, str], ...]:
    """Inputs, expected and got of one case that failed, as (label, text)."""
    found = [(f"input {name}", show(as_plain_argument(value))) for name, value in exercise.named(case.args)]
    difference = verdict.cases[index].difference
    if difference is not None and difference.expected:
        found.append(("expected", difference.expected))
    if difference is not None and difference.got:
        found.append(("got", difference.got))
    return tuple(
        (label, "".join(char for char in text[:BLOCK] if char.isprintable() or char == "\n")) for label, text in found
    )


def read_outcome(fields: Any, arguments: int) -> Outcome | None:
    """An outcome out of an untrusted reply; None where it is none."""
    if type(fields) is not dict or set(fields) != set(Outcome.__dataclass_fields__):
        return None
    texts = {name: fields[name] for name in ("error", "error_type", "printed", "warned")}
    if not all(type(text) is str or (text is None and name.startswith("error")) for name, text in texts.items()):
        return None
    line, limit, changed = fields["line"], fields["timed_out"], fields["changed"]
    if not (line is None or (type(line) is int and 0 < line < 1_000_000)):
        return None
    if not (limit is None or type(limit) is float) or type(changed) is not tuple:
        return None
    generators = fields["generators"]
    if type(generators) is not tuple or not all(type(one) is tuple and len(one) == 2 for one in generators):
        return None
    if not all(type(generator) is SeededGenerator for _, generator in generators):
        return None
    places = (*changed, *(index for index, _ in generators))
    if not all(type(index) is int and 0 <= index < arguments for index in places):
        return None
    measured = {name: fields[name] for name in ("largest", "held")}
    if not all(type(number) is int and 0 <= number < 1 << 62 for number in measured.values()):
        return None
    plain = {name: text and shown(text) for name, text in texts.items()}
    return Outcome(
        value=fields["value"],
        line=line,
        timed_out=limit,
        changed=changed,
        generators=generators,
        **measured,
        **plain,
    )


def reply_texts(reply: dict[str, Any], key: str, most: int = 20) -> list[str]:
    """A list of texts in a reply, such as the problems that it tells of; the first ones of a longer list."""
    found = reply.get(key)
    return [shown(one) for one in found[:most] if type(one) is str] if type(found) is list else []
