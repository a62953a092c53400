"""Call a learner's function: with copies of the inputs, a time limit, its output caught, its errors turned to words."""

from __future__ import annotations

import _thread
import contextlib
import inspect
import io
import signal
import sys
import textwrap
import threading
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from types import FrameType
from typing import Any

import numpy as np

from course_utils import memory, values
from course_utils.exercises.spec import any_size
from course_utils.judge import Outcome

PRINTED = 2000  # characters of a function's own output that are kept
LEAST = 0.05  # seconds that a call gets where none are left


class TimeLimitReached(BaseException):
    """Raised inside the learner's function when its time is over; a BaseException, so `except Exception` lets it by."""


class BoundedText(io.TextIOBase):
    """A text stream that keeps the first PRINTED characters and forgets the rest."""

    def __init__(self) -> None:
        self.text = ""

    def write(self, text: str) -> int:
        """Keep what still fits; claims, like any stream, to have written all."""
        self.text += str(text)[: PRINTED - len(self.text)]
        return len(text)


class TimeLimit:
    """Raise TimeLimitReached in the main thread after `seconds`, again and again until the block is left.

    A bare `except:` inside an endless loop can swallow the first one; from the second on, the exception is raised
    at every line that the interrupted code executes, so also inside that `except:`. Where there is no interval timer
    (Windows) a KeyboardInterrupt from a timer thread does what it can: it cannot end a call into C. Outside the main
    thread there is no limit.

    This is a class, not a generator, because leaving the block must run no line of another module: it would be traced.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.rings = 0

    def __enter__(self) -> None:
        """Start the clock."""
        self.mode = "none"
        self.tracer_before = sys.gettrace()
        if threading.current_thread() is not threading.main_thread():
            return
        if hasattr(signal, "setitimer"):
            self.mode = "signal"
            self.handler_before = signal.signal(signal.SIGALRM, self.ring)
            signal.setitimer(signal.ITIMER_REAL, self.seconds, 0.2)
        else:
            self.mode = "thread"
            self.timer = threading.Timer(self.seconds, _thread.interrupt_main)
            self.timer.start()

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        """Stop the clock, and put back what was there before."""
        sys.settrace(self.tracer_before)
        if self.mode == "signal":
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, self.handler_before)
        elif self.mode == "thread":
            rang = not self.timer.is_alive()
            self.timer.cancel()
            if rang and kind is KeyboardInterrupt:
                raise TimeLimitReached from error

    def ring(self, number: int, frame: FrameType | None) -> None:
        """The alarm: interrupt what runs, unless the block is being left already.

        Freeing what the interrupted code held can take longer than the clock's second round.
        """
        if frame is not None and frame.f_code is TimeLimit.__exit__.__code__:
            return
        self.rings += 1
        if self.rings > 1:
            sys.settrace(raise_at_every_line)
            while frame is not None and frame.f_code.co_filename != __file__:
                frame.f_trace = raise_at_every_line
                frame = frame.f_back
        raise TimeLimitReached


def raise_at_every_line(frame: FrameType, event: str, argument: Any) -> Any:
    """A trace function that ends whatever it traces, this module excepted."""
    if event == "line" and frame.f_code.co_filename != __file__:
        raise TimeLimitReached
    return raise_at_every_line


@contextlib.contextmanager
def displays_as_text(output: BoundedText) -> Iterator[None]:
    """In a notebook, write what `display(...)` would show to `output`, as text; elsewhere do nothing."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None:
        yield
        return
    from IPython.utils.capture import capture_output

    with capture_output(stdout=False, stderr=False) as captured:
        try:
            yield
        finally:
            for shown in captured.outputs:
                print(shown.data.get("text/plain", ""), file=output)


def call(function: Callable[..., Any], args: tuple[Any, ...], seconds: float, most: int | None = None) -> Outcome:
    """Call `function` on its own copies of `args` for at most `seconds`, and say what came of it.

    Nothing that the function does, short of ending the process, leaves this function as an exception; only the
    learner's own KeyboardInterrupt (the stop button) passes through.
    With `most`, the number of entries that an array may have, the outcome says too how much memory the call took; the
    function is called twice for that, because imports and the like count in a first call.
    """
    if most is None:
        return _call(function, args, seconds)
    deadline = time.monotonic() + seconds
    outcome, largest = memory.largest_tensor(lambda: _call(function, args, seconds))
    if outcome.error is not None or outcome.timed_out is not None:
        return outcome
    left = max(deadline - time.monotonic(), LEAST)
    again, held = memory.most_held(lambda: _call(function, args, left))
    if again.timed_out is not None:
        return replace(again, timed_out=seconds)
    return replace(outcome, largest=largest, held=held)


def _call(function: Callable[..., Any], args: tuple[Any, ...], seconds: float) -> Outcome:
    """`call` without its measure of memory."""
    own_args = values.rebuild(*values.flatten(args))
    output = BoundedText()
    try:
        with (
            warnings.catch_warnings(record=True) as warned,
            np.errstate(),  # what np.seterr changes in there stays in there
            contextlib.redirect_stdout(output),
            contextlib.redirect_stderr(output),
            displays_as_text(output),
            TimeLimit(seconds),
        ):
            warnings.simplefilter("always")
            value = function(*own_args)
            if inspect.iscoroutine(value):
                value.close()  # of an `async def`; it would complain later that nobody awaited it
    except TimeLimitReached:
        return Outcome(timed_out=seconds, printed=output.text)
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        return Outcome(
            error=last_line(error),
            error_type=type(error).__name__,
            line=learner_line(error),
            printed=output.text,
        )
    changed = tuple(i for i, (own, given) in enumerate(zip(own_args, args, strict=True)) if not _same(own, given))
    drawn_from = tuple((i, own) for i, own in enumerate(own_args) if type(own) is values.SeededGenerator)
    first_warning = textwrap.shorten(str(warned[0].message), 200, placeholder=" ...") if warned else ""
    return Outcome(value=value, changed=changed, generators=drawn_from, printed=output.text, warned=first_warning)


def call_all(
    function: Callable[..., Any],
    cases: list[tuple[Any, ...]],
    seconds: float,
    largest: Callable[[tuple[Any, ...]], int | None] = any_size,
) -> list[Outcome]:
    """Call `function` once a case, `seconds` for all together; stops after a call that met the limit.

    `largest` says of a case's arguments how many entries an array may have; where it does, memory is measured.
    """
    outcomes: list[Outcome] = []
    deadline = time.monotonic() + seconds
    for args in cases:
        outcome = call(function, args, max(deadline - time.monotonic(), LEAST), largest(args))
        if outcome.timed_out is not None:
            outcomes.append(Outcome(timed_out=seconds, printed=outcome.printed))
            break
        outcomes.append(outcome)
    return outcomes


def last_line(error: BaseException) -> str:
    """An exception as one line, "ValueError: ...", bounded; one that cannot even be printed is named."""
    name = type(error).__name__.lstrip("_")
    try:
        text = " ".join(str(error).split())[:300]
    except BaseException:  # also a SystemExit from the learner's own __str__
        text = ""
    return f"{name}: {text}" if text else name


def learner_line(error: BaseException) -> int | None:
    """The number, inside its cell, of the innermost line that belongs to a notebook cell; None where there is none."""
    number = None
    if isinstance(error, SyntaxError):
        number = error.lineno
    for frame, line in traceback.walk_tb(error.__traceback__):
        name = frame.f_code.co_filename
        if "ipykernel_" in name or name.startswith(("<ipython-input", "<cell")):
            number = line
    return number


def _same(own: Any, given: Any) -> bool:
    """Whether an argument still is what was given (bitwise for arrays; generators are meant to move on)."""
    if isinstance(given, tuple | list):
        return len(own) == len(given) and all(_same(a, b) for a, b in zip(own, given, strict=True))
    if isinstance(given, dict):
        return own.keys() == given.keys() and all(_same(own[key], given[key]) for key in given)
    if isinstance(given, np.random.Generator):
        return True
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(given, torch.Tensor):
        return own.shape == given.shape and bool(torch.equal(own.detach(), given.detach()))
    if isinstance(given, np.ndarray):
        return own.shape == given.shape and own.tobytes() == given.tobytes()
    return bool(own == given)
