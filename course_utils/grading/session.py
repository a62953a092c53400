"""The trusted side of one submission's process: requests, replies, deadlines, output, and what ended it."""

from __future__ import annotations

import contextlib
import os
import re
import select
import signal
import time
from collections.abc import Callable
from typing import Any

import psutil

from course_utils.errors import CourseError
from course_utils.grading import wire
from course_utils.grading.intake import Cell
from course_utils.grading.results import Status
from course_utils.grading.sandbox.launch import Zygote
from course_utils.grading.sandbox.limits import MIB

TICK = 0.2  # seconds between looks at the memory of a submission's processes
LEAST = 0.05  # seconds that a call gets at least
LEEWAY = 2.0  # seconds beyond a call's own limit: the worker stops honest code itself, and says more about it
CHUNK = 1 << 16

Answer = Callable[[str, tuple[Any, ...], dict[str, Any]], dict[str, Any]]
"""Answers a question of the worker's for an earlier function: its name, arguments, options; {"value"} or {"error"}."""


class Ended(Exception):
    """The submission's process has ended or was ended; `status` and the sentence say why."""

    def __init__(self, status: Status, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


class Session:
    """One process that holds a submission's definitions. A context manager; leaving it ends the process.

    After `Ended` was raised the session is over: make another one.
    """

    def __init__(self, zygote: Zygote, deadline: float) -> None:
        self.zygote, self.deadline = zygote, deadline
        self.child = zygote.start()
        try:
            self.process = psutil.Process(self.child.process_id())
        except (psutil.Error, OSError, ValueError) as error:
            self.child.close()
            raise CourseError("The sandbox could not confine a process: its first process ended at once.") from error
        self.before = private_memory(self.process)
        self.printed = bytearray()
        self.buffer = bytearray()
        self.number = 0
        self.over = False
        self.next_look = time.monotonic() + TICK

    def __enter__(self) -> Session:
        """Begin."""
        return self

    def __exit__(self, *problem: object) -> None:
        """End the process, where it has not ended, and everything that it started."""
        self.end()

    def load(self, cells: tuple[Cell, ...], names: dict[str, str], seconds: float) -> list[tuple[str, str]]:
        """Give the worker the cells; returns (exercise or nothing, sentence) for each cell that cannot be read.

        Raises Ended.
        """
        plain = [{"source": one.source, "exercise": one.exercise or "", "checks": one.checks or ""} for one in cells]
        reply = self.request({"do": "load", "cells": plain, "names": names}, seconds)
        return pairs_of_texts(reply.get("problems"))

    def call(
        self,
        exercise: str,
        args: tuple[Any, ...],
        seconds: float,
        answered: tuple[str, ...] = (),
        answer: Answer | None = None,
        options: dict[str, Any] | None = None,
        most: int | None = None,
        plain: bool = False,
    ) -> dict[str, Any]:
        """Let the worker call an exercise's function; returns its reply. Raises Ended.

        The functions named in `answered` are answered by `answer` wherever the student's code calls them. Where
        `seconds` is negative, that much of this side's leeway is used up too. With `most`, memory is measured. With
        `plain`, the function is only called, whatever use its specification makes of it.
        """
        message = {"do": "call", "exercise": exercise, "args": args, "seconds": max(seconds, LEAST), "most": most}
        more = {"answered": list(answered), "options": options or {}, "plain": plain}
        return self.request(message | more, seconds, answer)

    # -------------------------------------------------------------- one request

    def request(self, message: dict[str, Any], seconds: float, answer: Answer | None = None) -> dict[str, Any]:
        """Send a request and wait for its one reply. Raises Ended where there is none that is valid in time."""
        self.number += 1
        until = min(time.monotonic() + seconds + LEEWAY, self.deadline)
        self.look_for_early_bytes()
        self.send(message | {"id": self.number}, until)
        while True:
            reply = self.receive(until)
            if type(reply) is not dict:
                self.fail(Status.NO_REPLY, NOT_A_REPLY)
            if answer is not None and "ask" in reply:
                self.send(answer(*self.question(reply)), until)
                continue
            number = reply.get("re")
            if type(number) is not int or number != self.number or self.buffer:
                self.fail(Status.NO_REPLY, NOT_A_REPLY)
            return reply

    def question(self, message: dict[str, Any]) -> tuple[str, tuple[Any, ...], dict[str, Any]]:
        """The parts of a question. Raises Ended for one that no worker asks."""
        name, args, options = (message.get(key) for key in ("ask", "args", "options"))
        if type(name) is not str or type(args) is not tuple or type(options) is not dict:
            self.fail(Status.NO_REPLY, NOT_A_REPLY)
        return name, args, options

    def look_for_early_bytes(self) -> None:
        """Raise Ended where something was sent that nobody asked for."""
        if self.buffer or select.select([self.child.replies], [], [], 0)[0]:
            self.fail_if_ended()
            self.fail(Status.NO_REPLY, NOT_A_REPLY)

    def send(self, message: dict[str, Any], until: float) -> None:
        """Write a message while the output pipe is drained. Raises Ended."""
        rest = memoryview(wire.encode(message))
        while rest:
            if self.wait(until, writing=True):
                with contextlib.suppress(BlockingIOError):
                    rest = rest[self.write(rest[:CHUNK]) :]

    def write(self, part: memoryview) -> int:
        """Write to the requests' pipe. Raises Ended where nobody reads it any more."""
        try:
            return os.write(self.child.requests, part)
        except BrokenPipeError:
            self.fail_if_ended(patience=1.0)
            self.fail(Status.NO_REPLY, "Your code closed the connection to the grader.")

    def receive(self, until: float) -> Any:
        """Read one whole frame. Raises Ended where it does not come in time, or is none."""
        try:
            while len(self.buffer) < wire.LENGTHS.size:
                self.read(until)
            size = wire.frame_size(bytes(self.buffer[: wire.LENGTHS.size]))
            while len(self.buffer) < size:
                self.read(until)
            frame = bytes(self.buffer[:size])
            del self.buffer[:size]
            return wire.decode(frame)
        except wire.WireError:
            self.fail(Status.NO_REPLY, NOT_A_REPLY)

    def read(self, until: float) -> None:
        """Read what has come into the buffer. Raises Ended."""
        while not self.wait(until, writing=False):
            pass
        with contextlib.suppress(BlockingIOError):
            part = os.read(self.child.replies, CHUNK)
            if not part:
                self.fail_if_ended(patience=1.0)
                self.fail(Status.NO_REPLY, "Your code closed the connection to the grader.")
            self.buffer += part

    def wait(self, until: float, writing: bool) -> bool:
        """Wait until the pipe is ready, at most a tick; keeps the limits meanwhile. Raises Ended."""
        now = time.monotonic()
        if now >= until:
            self.fail(Status.TIMED_OUT, "Your code was stopped because its time was over.")
        self.look_at_memory(now)
        pipe = self.child.requests if writing else self.child.replies
        reading = [self.child.output, self.child.pidfd] + ([] if writing else [pipe])
        tick = max(min(until - now, TICK), 0.0)
        readable, writable, _ = select.select(reading, [pipe] if writing else [], [], tick)
        if self.child.output in readable:
            self.drain()
        if pipe in readable or pipe in writable:
            return True
        if self.child.pidfd in readable:
            self.fail_if_ended()
        return False

    def drain(self) -> None:
        """Read what the student's code printed; keep the first part."""
        with contextlib.suppress(BlockingIOError):
            part = os.read(self.child.output, CHUNK)
            room = self.zygote.limits.output * 1024 - len(self.printed)
            self.printed += part[: max(room, 0)]

    def look_at_memory(self, now: float) -> None:
        """Raise Ended where all processes of the submission together hold more than the limit."""
        if now < self.next_look:
            return
        self.next_look = now + TICK / 2
        try:
            family = [self.process, *self.process.children(recursive=True)]
        except (psutil.Error, OSError):
            return  # the first process has ended, which is seen elsewhere
        held = sum(max(private_memory(one) - self.before, 0) for one in family)
        if held > self.zygote.limits.memory * MIB:
            self.fail(Status.LIMIT, memory_sentence(self.zygote.limits.memory))

    # -------------------------------------------------------------- the end

    def fail(self, status: Status, sentence: str) -> None:
        """End the process and raise Ended."""
        self.end()
        raise Ended(status, sentence)

    def fail_if_ended(self, patience: float = 0.0) -> None:
        """Raise Ended, saying how, where the process has ended by itself within `patience` seconds."""
        if not select.select([self.child.pidfd], [], [], patience)[0]:
            return
        limits = self.zygote.limits
        ending = self.finish()
        if ending.cpu >= limits.cpu - 1:
            raise Ended(Status.LIMIT, f"Your code used up the {limits.cpu} s of CPU time that a submission may use.")
        if ending.exit == -signal.SIGKILL:
            raise Ended(Status.KILLED, KILLED)
        if ending.exit < 0:
            names = {int(one): one.name for one in signal.Signals}
            name = names.get(-ending.exit, f"signal {-ending.exit}")  # real-time signals have none
            raise Ended(
                Status.LIMIT, f"Your code crashed Python itself ({name}): a library was given what it cannot take."
            )
        raise Ended(Status.LIMIT, "Your code ended the whole process (os._exit or the like), and with it its own call.")

    def end(self) -> None:
        """Kill the process where it runs, and close everything."""
        if not self.over:
            self.child.kill()
            self.finish()

    def finish(self) -> Any:
        """How the process ended; keeps what it had printed, and closes this side's descriptors."""
        self.over = True
        try:
            return self.zygote.ending(self.child)
        finally:
            self.drain()
            self.child.close()


FOLDERS = re.compile(r"(?<![\w./<])/(?:[\w.+@~-]+/)+(?=[\w.+@~-])")
"""The folders of an absolute path, as errors from libraries name it: they are the grader's machine's."""

NOT_A_REPLY = (
    "Instead of one reply there came something that no function call sends: your code wrote to the grader's pipe."
)


KILLED = "Your code was killed: by the system, as happens where a machine's memory runs out, or by itself."


def memory_sentence(limit: int) -> str:
    """What to say where the memory limit (MiB) was met."""
    return f"Your code needed more than the {limit} MiB of memory that a submission may use."


def private_memory(process: psutil.Process) -> int:
    """Bytes of memory that a process holds and that no file backs, as Linux counts them; 0 where it has ended."""
    try:
        with open(f"/proc/{process.pid}/status", encoding="ascii", errors="replace") as file:
            held = [int(line.split()[1]) for line in file if line.startswith(("RssAnon:", "RssShmem:", "VmSwap:"))]
    except OSError:
        return 0
    return 1024 * sum(held)


def pairs_of_texts(value: Any, most: int = 20) -> list[tuple[str, str]]:
    """A list of pairs of texts out of an untrusted reply: bounded, and without what cannot be shown."""
    if type(value) is not list:
        return []
    pairs = [item for item in value[:most] if type(item) is tuple and [type(part) for part in item] == [str, str]]
    return [(shown(one), shown(other)) for one, other in pairs]


def shown(text: str, most: int = 500) -> str:
    """An untrusted text, bounded, in one line, without control characters, lone surrogates or the folders of paths."""
    clean = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * most])
    return FOLDERS.sub("", " ".join(clean.split()))[:most]
