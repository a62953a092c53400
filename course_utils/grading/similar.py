"""Pairs of submissions whose code is alike after renaming: a list to look at, and no verdict.

Fingerprints are chosen by winnowing (Schleimer, Wilkerson & Aiken, "Winnowing: Local Algorithms for Document
Fingerprinting", SIGMOD 2003, section 3) from the tokens of the exercise cells, with every name and literal that a
student is free to choose made equal. A fingerprint weighs less the more of the class has it, and nothing where a
quarter has it: the short answer that everybody finds says nothing.
"""

from __future__ import annotations

import builtins
import io
import itertools
import keyword
import tokenize
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from course_utils.grading.intake import Submission

GRAM = 10  # tokens in a fingerprint (the paper's k)
WINDOW = 4  # of each 4 consecutive grams one is kept (its w), so any 13 equal tokens are seen
COMMON = 0.25  # share of the class from which on a fingerprint says nothing
MIN_SHARE = 0.3  # of the rarer student's weight, for a pair to be listed
MIN_TOKENS = 80  # that agree, each counted by its weight: about three short answers that nobody else has
MIN_GROUP_TOKENS = 3 * MIN_TOKENS  # that agree in a group so large that its code is common
MAX_CHARACTERS = 20_000  # of a cell; what is beyond is not looked at
MAX_LINE = 2_000  # characters; Python's tokenizer takes long for some longer lines

KEPT = frozenset(keyword.kwlist) | frozenset(dir(builtins))  # names that cannot be chosen freely
SKIPPED = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER})
F_STRING_START = getattr(tokenize, "FSTRING_START", None)  # an f-string is several tokens from Python 3.12 on
F_STRING_END = getattr(tokenize, "FSTRING_END", None)


@dataclass(frozen=True)
class Pair:
    """Two students whose notebooks share more rare code than chance gives."""

    one: str
    other: str
    notebook: str
    exercise: str  # the one in which most of what they share is
    share: float  # weight of their shared fingerprints over that of the student who has less, 0 to 1
    tokens: int  # of `one` that lie in shared fingerprints


Line = tuple[tuple[str, ...], tuple[str, ...]]
"""A logical line: its tokens as they stand, and the same with free names and literals made equal."""

Marks = dict[tuple[str, int], set[int]]
"""Fingerprints as (exercise, hash), with the places where they begin among the exercise's tokens."""


def pairs(submissions: Iterable[Submission], stubs: Submission | None) -> list[Pair]:
    """The pairs that are alike, the most alike first; `stubs` is the notebook as it was released.

    Notebooks are compared as a whole, each with all of the same name. In a class of two there is nobody else to say
    what is common, so there the list says least.
    """
    given = (
        {exercise: Counter(raw for raw, _ in lines) for exercise, lines in _lines_by_exercise(stubs)} if stubs else {}
    )
    classes: dict[str, dict[str, Marks]] = defaultdict(dict)
    for submission in submissions:
        classes[submission.notebook].setdefault(submission.student, {}).update(_marks(submission, given))
    found = [pair for notebook, marks in classes.items() for pair in _pairs_of_class(notebook, marks)]
    return sorted(found, key=lambda pair: (-pair.share, -pair.tokens, pair.notebook, pair.one, pair.other))


# ---------------------------------------------------------------- fingerprints


def _marks(submission: Submission, given: dict[str, Counter[tuple[str, ...]]]) -> Marks:
    """A submission's fingerprints, without the lines that were given with the exercise."""
    marks: Marks = {}
    for exercise, lines in _lines_by_exercise(submission):
        left = Counter(given.get(exercise, {}))
        tokens: list[str] = []
        for raw, normal in lines:
            if left[raw] > 0:
                left[raw] -= 1
            else:
                tokens += normal
        for place, value in winnow([_hash(tokens[start : start + GRAM]) for start in range(len(tokens) - GRAM + 1)]):
            marks.setdefault((exercise, value), set()).add(place)
    return marks


def winnow(hashes: list[int]) -> list[tuple[int, int]]:
    """The (place, hash) of the smallest of each WINDOW consecutive hashes, of equal ones the last, each place once."""
    if not hashes:
        return []
    windows = max(len(hashes) - WINDOW + 1, 1)  # fewer hashes than a window has are one window
    return list(dict.fromkeys(_smallest(hashes, start) for start in range(windows)))


def _smallest(hashes: list[int], start: int) -> tuple[int, int]:
    window = range(start, min(start + WINDOW, len(hashes)))
    place = min(window, key=lambda index: (hashes[index], -index))
    return place, hashes[place]


def _hash(tokens: list[str]) -> int:
    """A hash that is the same in every process."""
    return zlib.crc32("\0".join(tokens).encode())


# ---------------------------------------------------------------- tokens


def _lines_by_exercise(submission: Submission) -> Iterator[tuple[str, list[Line]]]:
    """The logical lines of each cell that answers an exercise."""
    for cell in submission.cells:
        if cell.exercise:
            yield cell.exercise, lines_of(cell.source)


def lines_of(source: str) -> list[Line]:
    """The logical lines of code, without comments, docstrings and layout; of code with an error, what is before it."""
    lines: list[Line] = []
    raw: list[str] = []
    normal: list[str] = []
    for kind, text in _tokens(source):
        if kind == tokenize.NEWLINE or text == ";":
            # A line that is nothing but strings is a docstring, or does nothing.
            if any(token != "s" for token in normal):
                lines.append((tuple(raw), (*normal, "\n")))
            raw, normal = [], []
            continue
        after_dot = bool(raw) and raw[-1] == "."
        raw.append(text)
        normal.append(_normal(kind, text, after_dot))
    if any(token != "s" for token in normal):
        lines.append((tuple(raw), (*normal, "\n")))
    return lines


def _normal(kind: int, text: str, after_dot: bool) -> str:
    """A token, where names and literals that a student is free to choose are made equal: v, 0 and s."""
    if kind == tokenize.NUMBER:
        return "0"
    if kind == tokenize.STRING:
        return "s"
    if kind == tokenize.NAME and not after_dot and text not in KEPT:
        return "v"
    return text


def _tokens(source: str) -> Iterator[tuple[int, str]]:
    """The tokens of code that mean something, an f-string as one, up to the first error."""
    bounded = "\n".join(line[:MAX_LINE] for line in source[:MAX_CHARACTERS].splitlines())
    depth = 0
    try:
        for token in tokenize.generate_tokens(io.StringIO(bounded).readline):
            depth += (token.type == F_STRING_START) - (token.type == F_STRING_END)
            if token.type == F_STRING_END and depth == 0:
                yield tokenize.STRING, "s"
            elif depth == 0 and token.type not in SKIPPED:
                yield token.type, token.string
    except (tokenize.TokenError, SyntaxError, ValueError):
        return


# ---------------------------------------------------------------- pairs


def _pairs_of_class(notebook: str, marks: dict[str, Marks]) -> list[Pair]:
    """The pairs among the students of one notebook, in no order."""
    count = len(marks)
    owners: dict[tuple[str, int], list[str]] = defaultdict(list)
    for student in sorted(marks):
        for mark in marks[student]:
            owners[mark].append(student)
    weight = {mark: _weight(len(students), count) for mark, students in owners.items()}
    total = {student: sum(weight[mark] for mark in own) for student, own in marks.items()}
    shared: dict[tuple[str, str], list[tuple[str, int]]] = defaultdict(list)
    for mark, students in owners.items():
        if weight[mark] > 0:
            for couple in itertools.combinations(students, 2):
                shared[couple].append(mark)
    found = []
    for (one, other), common in shared.items():
        share = sum(weight[mark] for mark in common) / min(total[one], total[other])
        if share < MIN_SHARE:
            continue
        weights = _weights_of_tokens(marks[one], common, weight)
        if sum(weights.values()) < MIN_TOKENS:
            continue
        by_exercise: Counter[str] = Counter()
        for (exercise, _), each in weights.items():
            by_exercise[exercise] += each
        most = max(sorted(by_exercise), key=lambda exercise: by_exercise[exercise])
        found.append(Pair(one, other, notebook, most, share, len(weights)))
    return [*found, *_copied_by_many(notebook, marks, owners, {(pair.one, pair.other) for pair in found})]


def _copied_by_many(
    notebook: str, marks: dict[str, Marks], owners: dict[tuple[str, int], list[str]], known: set[tuple[str, str]]
) -> Iterator[Pair]:
    """The pairs, other than the known ones, in groups of a quarter to half of the class who share much that is theirs.

    Such a group makes its own code common, so that the weights pass over it. An answer or two that some of a class
    have alike make no group.
    """
    groups: dict[tuple[str, ...], list[tuple[str, int]]] = defaultdict(list)
    rare: Counter[str] = Counter()  # of a student's fingerprints, those that no more than half of the class has
    for mark, students in owners.items():
        if len(students) <= len(marks) / 2:
            rare.update(students)
            if len(students) >= COMMON * len(marks):
                groups[tuple(students)].append(mark)
    for students, common in groups.items():
        tokens = _weights_of_tokens(marks[students[0]], common, dict.fromkeys(common, 1.0))
        if len(tokens) < MIN_GROUP_TOKENS:
            continue
        most = Counter(exercise for exercise, _ in tokens).most_common(1)[0][0]
        for one, other in itertools.combinations(students, 2):
            share = len(common) / min(rare[one], rare[other])
            if share >= MIN_SHARE and (one, other) not in known:
                yield Pair(one, other, notebook, most, share, len(tokens))


def _weight(owners: int, count: int) -> float:
    """What a fingerprint that `owners` of `count` students have says: 1 where two or one have it, down to 0.

    Between them it falls with the root of the number of others who have it: slowly enough to find ten who share all,
    and fast enough to pass over two who each found the same few uncommon answers.
    """
    if owners <= 2:
        return 1.0
    return (owners - 1) ** -0.5 if owners < COMMON * count else 0.0


def _weights_of_tokens(
    own: Marks, common: list[tuple[str, int]], weight: dict[tuple[str, int], float]
) -> dict[tuple[str, int], float]:
    """For each of a student's tokens in the fingerprints, as (exercise, place), the largest weight of these."""
    weights: dict[tuple[str, int], float] = {}
    for mark in common:
        for start in own[mark]:
            for place in range(start, start + GRAM):
                token = (mark[0], place)
                weights[token] = max(weights.get(token, 0.0), weight[mark])
    return weights
