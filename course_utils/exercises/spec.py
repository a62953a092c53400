"""The form of an exercise's public specification: what goes in, how what comes out is judged, and the hints."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Case:
    """One call of the learner's function, or one use of their class: a label that a learner reads, and the arguments.

    Where the docstring leaves the numbers open (`names_mistakes=False`), an output is no sign of a known mistake.
    """

    label: str
    args: tuple[Any, ...]
    names_mistakes: bool = True


Property = Callable[[tuple[Any, ...], Any, Any], str | None]
"""A property gets (arguments, output, the solution's output) and returns None, or one sentence: what is violated.

Outputs arrive as NumPy arrays and plain Python values (torch tensors are converted), with the right shapes and
without NaN where the solution has none, so a property holds mathematics only.
"""


def any_size(args: tuple[Any, ...]) -> int | None:
    """No limit to the size of an array."""
    return None


@dataclass(frozen=True)
class Exercise:
    """The public half of a graded exercise. Mistakes and alternative answers are the author's half, in `solutions/`.

    `condition` is the factor by which right ways of writing the formula may amplify rounding errors; the tolerance
    that follows from it is `judge.compare.allowed`.

    Where the answer is a small torch.nn.Module, `use` says what a case does with it: a function of the class and the
    case's arguments that makes the module, loads weights, calls it, perhaps takes gradients, and returns what is
    judged. It runs in the process of the learner's code, so it returns numbers and never a judgement of its own. A
    function has a `use` where more is judged than what one call returns, such as gradients through it.
    """

    id: str
    notebook: str
    name: str  # of the function, or class, that the learner writes
    title: str
    points: int
    difficulty: int  # 1 to 4, shown as dots
    minutes: int
    cases: Callable[[np.random.Generator], list[Case]]
    takes: tuple[str, ...]  # what the arguments and ...
    returns: tuple[str, ...]  # ... the outputs are called in the docstring
    hints: tuple[str, ...]
    condition: float = 1e3
    properties: tuple[Property, ...] = ()
    by_property: tuple[str, ...] = ()  # outputs that are not compared number by number
    draws_from: tuple[str, ...] = ()  # arguments that are generators, of which every case needs random numbers
    requires: tuple[str, ...] = ()  # ids of the exercises whose functions this one calls
    # How many entries an array may have, from the arguments; None in cases so small that breaking the rule is not seen.
    largest: Callable[[tuple[Any, ...]], int | None] = any_size
    largest_is: str = ""  # the same in the docstring's words
    optional: bool = False
    use: Callable[..., Any] | None = field(default=None, compare=False)  # see above
    time_limit: float = 5.0  # seconds, for all public cases together
    library: Callable[..., Any] | None = field(default=None, compare=False)  # a library's version, for `earlier`

    def named(self, args: tuple[Any, ...]) -> list[tuple[str, Any]]:
        """A case's arguments with their names; a case may leave out the last ones, which then have their defaults."""
        return list(zip(self.takes, args, strict=False))

    @property
    def dots(self) -> str:
        """Difficulty as filled and empty dots, e.g. ●●○○."""
        return "●" * self.difficulty + "○" * (4 - self.difficulty)

    @property
    def kind(self) -> str:
        """What the learner writes, in a word: function or class."""
        return "class" if self.name[0].isupper() else "function"

    def calling(self, what: Any) -> Any:
        """What takes a case's arguments: the function `what` itself, or the use of `what`.

        Where `what` is of the other kind, the call raises Misfit.
        """
        if self.use is None and not issubclass(type(what), type):
            return what
        from course_utils.exercises import modules  # the judge, which it needs, knows this module

        return functools.partial(modules.call, self, what)
