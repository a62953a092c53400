"""The untrusted side: holds a student's definitions and calls their functions with the inputs that requests bring.

It runs inside the sandbox, in the process of the student's code; nothing that it says is believed. It holds no answer
and no seed; how a class is used is in the public specifications. One request is one frame, and gets one reply; while a
call runs it may ask the grader for the values of earlier exercises (follow-through), each question answered by one
frame.
"""

from __future__ import annotations

import functools
import inspect
import os
import re
from collections.abc import Callable
from dataclasses import asdict, replace
from types import SimpleNamespace
from typing import Any

from course_utils import exercises, notebook, run
from course_utils.grading import wire
from course_utils.judge import Outcome
from course_utils.judge.compare import describe
from course_utils.values import MAX_DESCRIPTION, Foreign, SeededGenerator

DEFINITION_SECONDS = 10.0  # for one statement that defines; a class body or a decorator can run for ever
UNDEFINED = re.compile(r"name '(\w+)' is not defined")
NOT_RUN = (
    "A cell of yours makes `{}`, but for grading only imports, functions, classes and constants are run: make it "
    "inside your answer"
)
TEXT = 2000  # characters of a problem that are sent
PROBLEMS = 20


def warm_up() -> None:
    """Do once what every child would do: import specifications and IPython's input transformer, define, call."""
    exercises.all_by_id()
    source = "%matplotlib inline\ndef f(x):\n    return x\n"
    run.call(Definitions([{"source": source, "exercise": "", "checks": ""}], {"f": "f"}).function("f"), (1.0,), 1.0)


class Definitions:
    """The definitions of a notebook; each exercise's function or class is made when it is first called for."""

    def __init__(self, cells: list[dict[str, str]], names: dict[str, str]) -> None:
        self.names = names
        self.cells = notebook.definitions(SimpleNamespace(cells=[as_cell(cell) for cell in cells]))
        self.problems: list[str] = []
        self.made: dict[str, Any] = {}
        self.namespaces: dict[str, dict[str, Any]] = {}  # in which the function, or the class's methods, look up names
        self.called: set[str] = set()  # names of functions of other exercises that were called

    def function(self, exercise: str) -> Any:
        """The function or class of an exercise as it was when its check would have run; None where there is none.

        Only calls of functions are seen: classes of other exercises stay what they are, for `isinstance` and the like.
        """
        if exercise not in self.made:
            problems: list[str] = []
            namespace = notebook.namespace_of(self.cells, exercise, self.names[exercise], problems, DEFINITION_SECONDS)
            self.made[exercise] = namespace.get(self.names[exercise])
            self.namespaces[exercise] = namespace
            for name in set(self.names.values()) - {self.names[exercise]}:
                if inspect.isfunction(namespace.get(name)):
                    namespace[name] = self.recorder(name, namespace[name])
            self.problems += [problem for problem in problems if problem not in self.problems]
        return self.made[exercise]

    def recorder(self, name: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function of another exercise, remembering that it was called: follow-through may help only then."""

        @functools.wraps(function)
        def call(*args: Any, **options: Any) -> Any:
            self.called.add(name)
            return function(*args, **options)

        return call


def as_cell(cell: dict[str, str]) -> dict[str, Any]:
    """A code cell in nbformat's shape, with the metadata that says which exercise it answers or checks."""
    grading: dict[str, Any] = {}
    if cell["exercise"]:
        grading = {"grade_id": cell["exercise"], "solution": True, "grade": False}
    elif cell["checks"]:
        grading = {"grade_id": f"check-{cell['checks']}", "solution": False, "grade": True}
    return {"cell_type": "code", "source": cell["source"], "metadata": {"nbgrader": grading}}


class Connection:
    """Frames over two pipes."""

    def __init__(self, requests: int, replies: int) -> None:
        self.requests, self.replies = requests, replies

    def read(self) -> Any:
        """The next message; EOFError where the grader has closed its end."""
        start = self.read_bytes(wire.LENGTHS.size)
        return wire.decode(start + self.read_bytes(wire.frame_size(start) - len(start)))

    def read_bytes(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        parts = []
        while count:
            part = os.read(self.requests, min(count, 1 << 20))
            if not part:
                raise EOFError
            parts.append(part)
            count -= len(part)
        return b"".join(parts)

    def write(self, message: Any) -> None:
        """Send a message; what does not cross is described in words."""
        view = memoryview(wire.encode(message, describe))
        while view:
            view = view[os.write(self.replies, view) :]


def serve(requests: int, replies: int) -> None:
    """Answer requests until the grader closes its end."""
    connection = Connection(requests, replies)
    definitions = Definitions([], {})
    while True:
        try:
            request = connection.read()
        except EOFError:
            return
        if request["do"] == "load":
            definitions = Definitions(request["cells"], request["names"])
            unreadable = [(cell.exercise or "", cell.problem[:TEXT]) for cell in definitions.cells if cell.problem]
            connection.write({"re": request["id"], "problems": unreadable})
        else:
            answer_call(connection, definitions, request)


def answer_call(connection: Connection, definitions: Definitions, request: dict[str, Any]) -> None:
    """Call one exercise's function, or use its class, once; sends the outcome, and which definitions failed."""
    function = definitions.function(request["exercise"])
    reply = {"re": request["id"], "problems": [problem[:TEXT] for problem in definitions.problems[:PROBLEMS]]}
    if not callable(function):
        connection.write(reply | {"found": False})
        return
    namespace = definitions.namespaces[request["exercise"]]
    for name in request["answered"]:
        namespace[name] = asker(connection, name)
    definitions.called.clear()
    if request["exercise"] in exercises.all_by_id() and not request["plain"]:
        function = exercises.get(request["exercise"]).calling(function)
    if request["options"]:
        function = functools.partial(function, **request["options"])
    outcome = run.call(function, request["args"], request["seconds"], request["most"])
    outcome = explained(outcome, definitions)
    missing = set(definitions.names.values()) - set(namespace)
    reply["called"] = sorted(definitions.called | missing)  # a call of what is missing leaves no other trace
    fields = crossing(outcome)
    try:
        connection.write(reply | {"found": True, "outcome": fields})
    except (ValueError, MemoryError) as error:  # raised before anything was sent
        much = f"{describe(outcome.value)}, too much to be judged"
        if isinstance(error, MemoryError):
            much = f"{describe(outcome.value)}, for which memory does not suffice"
        connection.write(reply | {"found": True, "outcome": fields | {"value": Foreign(much[:MAX_DESCRIPTION])}})


def explained(outcome: Outcome, definitions: Definitions) -> Outcome:
    """An outcome whose error says so, where a name is missing that only a cell which is not run would have made."""
    missing = UNDEFINED.search(outcome.error or "") if outcome.error_type == "NameError" else None
    if missing is None or not any(missing[1] in cell.left_out for cell in definitions.cells):
        return outcome
    return replace(outcome, error=f"{outcome.error}. {NOT_RUN.format(missing[1])}")


def crossing(outcome: Outcome) -> dict[str, Any]:
    """An outcome as a dict that crosses, its texts bounded."""
    fields = asdict(replace(outcome, value=None, generators=()))
    as_they_are = {"value": outcome.value, "generators": outcome.generators}
    return fields | as_they_are | {"printed": outcome.printed[:TEXT], "warned": outcome.warned[:TEXT]}


def asker(connection: Connection, name: str) -> Callable[..., Any]:
    """A function that lets the grader answer in the place of an earlier exercise's function."""

    def ask(*args: Any, **options: Any) -> Any:
        connection.write({"ask": name, "args": args, "options": options})
        reply = connection.read()
        if "error" in reply:
            raise ValueError(reply["error"])
        for moved in reply["generators"]:
            for own in (*args, *options.values()):
                if type(own) is SeededGenerator and own.seed == moved.seed:
                    own.move_to(moved.position)
        return reply["value"]

    return ask
