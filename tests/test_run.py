"""Calling a learner's function: copies, limits, words instead of exceptions."""

import signal
import subprocess
import sys
import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest

from course_utils import run
from course_utils.values import SeededGenerator


def test_inputs_are_copies_and_changes_are_reported():
    X, Y = np.ones(3), np.zeros(3)

    def function(a, b):
        b += 1
        return a

    outcome = run.call(function, (X, Y), 1)
    assert outcome.changed == (1,)
    assert not Y.any()


def swallow_everything():
    while True:
        try:
            while True:
                pass
        except:  # noqa: E722
            pass


def sleep_long():
    time.sleep(60)


def loop():
    while True:
        pass


def test_a_generator_from_which_nothing_is_drawn_is_told():
    args = (SeededGenerator(3),)
    for function, untouched in (
        (lambda rng: 1.0, True),
        (lambda rng: np.random.default_rng(0).random(), True),
        (lambda rng: rng.random(), False),
        (lambda rng: rng.spawn(2)[1].random(), False),
    ):
        ((index, generator),) = run.call(function, args, 1.0).generators
        assert (index, generator.untouched) == (0, untouched)
    assert args[0].untouched
    assert run.call(lambda rng: rng.random(), args, 1.0).value == run.call(lambda rng: rng.random(), args, 1.0).value


@pytest.mark.skipif(not hasattr(__import__("signal"), "setitimer"), reason="needs interval timers, which Windows lacks")
@pytest.mark.parametrize("function", [loop, sleep_long, swallow_everything])
def test_time_limit_ends_what_does_not_end(function):
    outcome = run.call(function, (), 0.2)
    assert outcome.timed_out == 0.2
    assert sys.gettrace() is None or "coverage" in sys.modules


def test_cases_share_the_time_and_stop_at_the_limit():
    outcomes = run.call_all(lambda x: x if x < 1 else loop(), [(0,), (1,), (2,)], 0.3)
    assert [outcome.timed_out for outcome in outcomes] == [None, 0.3]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ValueError("a b"), "ValueError: a b"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyError("k"), "KeyError: 'k'"),
        (RuntimeError(), "RuntimeError"),
    ],
)
def test_errors_become_one_line(error, words):
    def function():
        raise error

    outcome = run.call(function, (), 1)
    assert outcome.error == words
    assert outcome.error_type == type(error).__name__


def test_an_error_that_cannot_be_printed_is_named():
    class Nasty(Exception):
        def __str__(self):
            raise SystemExit

    def function():
        raise Nasty

    with pytest.raises(SystemExit):
        str(Nasty())
    assert run.call(function, (), 1).error == "Nasty"


def test_line_of_the_learners_cell():
    names = {}
    exec(compile("def f():\n    x = 1\n    return x / 0\n", "<ipython-input-3-abc>", "exec"), names)
    assert run.call(names["f"], (), 1).line == 3


def test_output_and_warnings_are_caught_and_bounded(capsys):
    def function():
        for _ in range(10_000):
            print("word")
        print("error", file=sys.stderr)
        warnings.warn("careful", stacklevel=1)
        return 1

    outcome = run.call(function, (), 5)
    assert len(outcome.printed) == run.PRINTED
    assert outcome.warned == "careful"
    assert capsys.readouterr() == ("", "")


def test_the_stop_button_passes_through():
    def function():
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.call(function, (), 1)


DISPLAY = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.display import display
from course_utils import run
shell = InteractiveShell.instance()
before = shell.display_pub
outcome = run.call(lambda x: display(x) or 1 / 0, ("shown",), 1)
print([outcome.printed, outcome.error_type, shell.display_pub is before])
"""


def test_what_is_displayed_is_caught_like_what_is_printed():
    done = subprocess.run([sys.executable, "-c", DISPLAY], capture_output=True, text=True)
    assert done.stdout == "[\"'shown'\\n\", 'ZeroDivisionError', True]\n", done.stderr


def test_a_long_warning_ends_with_a_word():
    outcome = run.call(lambda: warnings.warn("careful " * 100, stacklevel=1), (), 1)
    assert outcome.warned.endswith("careful ...")
    assert len(outcome.warned) <= 200


def test_an_alarm_on_the_way_out_interrupts_nothing():
    """Freeing what the interrupted code held can take longer than the clock's second round."""
    leaving = SimpleNamespace(f_code=run.TimeLimit.__exit__.__code__)
    run.TimeLimit(1.0).ring(signal.SIGALRM, leaving)
    with pytest.raises(run.TimeLimitReached):
        run.TimeLimit(1.0).ring(signal.SIGALRM, None)
