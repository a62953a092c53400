"""Copies are found after renaming; students who found the same short answers are not listed."""

import itertools
import random
import re
import time

import handed_in
import pytest
from handed_in import NAME, cell_of, released, solved

from course_utils import exercises
from course_utils.grading import similar
from course_utils.grading.intake import Cell, Submission
from course_utils.grading.similar import lines_of, pairs, winnow

IDS = [exercise.id for exercise in exercises.of(NAME)]
CANONICAL = {name: "".join(cell_of(solved(), name)["source"]) for name in IDS}
STUBS = {name: "".join(cell_of(released(), name)["source"]) for name in IDS}
RELEASED = Submission("", "", "", None, NAME, tuple(Cell(source, name) for name, source in STUBS.items()))

# What many write in some place or other, whoever they are.
IDIOMS = (
    "n = len(X)",
    "D = np.sum((X[:, None] - X[None]) ** 2, axis=-1)",
    "P = np.exp(-D)",
    "np.fill_diagonal(P, 0)",
    "P = P / P.sum(axis=1, keepdims=True)",
    "for i in range(n):\n    P[i, i] = 0",
    "total = np.zeros(n)",
    "i, j = np.triu_indices(n, k=1)",
    "mask = ~np.eye(n, dtype=bool)",
    "Y = Y - Y.mean(axis=0)",
    "out = np.maximum(out, 1e-12)",
    "if n < 2:\n    return X",
)
CALLS = ("sum", "mean", "dot", "max", "min", "exp", "log", "where", "argsort", "cumsum", "clip", "abs", "sqrt", "sort")
OPERATORS = ("+", "-", "*", "/", "**", "@", "<", ">=", "//", "%")


def own_answer(name: str, rng: random.Random) -> str:
    """An answer that a student thought of: a header, statements of a random form, and some idioms."""

    def value(depth: int = 0) -> str:
        form = rng.random() if depth < 3 else 1.0
        if form < 0.3:
            return f"{value(depth + 1)} {rng.choice(OPERATORS)} {value(depth + 1)}"
        if form < 0.55:
            return f"np.{rng.choice(CALLS)}({value(depth + 1)}{rng.choice(('', ', axis=1', f', {value(depth + 1)}'))})"
        if form < 0.7:
            return f"{rng.choice('abcxyz')}[{value(depth + 1)}]"
        return rng.choice(("a", "b", "x", "y", "z", "1", "0.5", "-1"))

    lines = []
    for _ in range(rng.randint(3, 6)):
        line = rng.choice(IDIOMS) if rng.random() < 0.3 else f"{rng.choice('abcxyz')} = {value()}"
        lines += line.splitlines()
    header = STUBS[name].partition('"""')[0].rstrip() + "\n"
    return header + "".join(f"    {line}  # {rng.random()}\n" for line in lines) + f"    return {value()}\n"


def student(number: int, share_of_canonical: float = 0.6) -> dict[str, str]:
    """The answers of one student: the canonical ones, the student's own, or the stub."""
    rng = random.Random(number)
    answers = {}
    for name in IDS:
        drawn = rng.random()
        unsolved = drawn > 0.95
        own = drawn > share_of_canonical
        answers[name] = STUBS[name] if unsolved else own_answer(name, rng) if own else CANONICAL[name]
    return answers


def renamed(source: str) -> str:
    """A copy in disguise: other names, numbers, comments, docstring, blank lines and indentation."""
    code = re.sub(r'""".*?"""', '"""My own work."""', source, flags=re.S)
    code = re.sub(r"  # .*", "", code)
    code = re.sub(r"(?<![.\w])([abcxyznDPXY])\b(?!=)", r"my_\1", code)
    code = re.sub(r"\b0\.5\b", "0.50", code)
    return "\n\n".join(
        f"{line}  # mine {number}" for number, line in enumerate(code.replace("    ", "\t").splitlines())
    )


def submission(who: str, answers: dict[str, str]) -> Submission:
    cells = (Cell(source, name) for name, source in answers.items())
    return Submission(who, f"{who}.ipynb", "", None, NAME, tuple(cells))


def class_of(count: int, share_of_canonical: float = 0.6) -> list[Submission]:
    return [submission(f"s{number:03}", student(number, share_of_canonical)) for number in range(count)]


def copy_of(number: int, only: int | None = None) -> Submission:
    """What a student hands in who took the answers of another, all of them or the first few."""
    answers = student(number)
    taken = IDS[:only]
    mine = student(1000)
    return submission("copier", {name: renamed(answers[name]) if name in taken else mine[name] for name in IDS})


def test_a_copy_with_other_names_is_the_only_pair_among_two_hundred():
    submissions = [*class_of(200), copy_of(19)]
    start = time.process_time()
    (pair,) = pairs(submissions, RELEASED)
    seconds = time.process_time() - start
    assert (pair.one, pair.other, pair.notebook) == ("copier", "s019", NAME)
    assert pair.exercise in IDS
    assert pair.share > 0.9
    assert pair.tokens > 300
    assert seconds < 20  # 2 s on a quiet machine


def test_the_order_of_submissions_changes_nothing():
    submissions = [*class_of(40), copy_of(19)]
    shuffled = random.Random(0).sample(submissions, len(submissions))
    found = pairs(submissions, RELEASED)
    assert pairs(shuffled, RELEASED) == found
    assert [(pair.one, pair.other) for pair in found] == [("copier", "s019")]


def test_part_of_a_copy_is_found():
    found = pairs([*class_of(60), copy_of(19, only=14)], RELEASED)
    assert [(pair.one, pair.other) for pair in found] == [("copier", "s019")]
    assert 0.3 < found[0].share < 0.9
    assert found[0].exercise in IDS[:14]


def test_a_group_that_shares_all_is_found_pair_by_pair():
    group = [
        submission(f"t{number}", {cell.exercise: cell.source for cell in copy_of(19).cells}) for number in range(9)
    ]
    found = pairs([*class_of(200), *group], RELEASED)
    members = {f"t{number}" for number in range(9)} | {"s019"}
    assert {(pair.one, pair.other) for pair in found} == set(itertools.combinations(sorted(members), 2))


def test_a_group_so_large_that_its_code_is_common_is_found():
    group = [submission(f"t{number}", student(3)) for number in range(6)]
    found = pairs([*class_of(19), *group], RELEASED)
    members = {f"t{number}" for number in range(6)} | {"s003"}
    assert {(pair.one, pair.other) for pair in found} == set(itertools.combinations(sorted(members), 2))


def test_uncommon_answers_that_some_students_have_alike_are_not_listed():
    # Each of four exercises has an answer that one student in eight gives: some pairs share two or three of these.
    rng = random.Random(4)
    uncommon = {name: own_answer(name, rng) for name in IDS[:4]}
    drawn = [{name: source for name, source in uncommon.items() if rng.random() < 1 / 8} for _ in range(160)]
    assert sum(len(answers) >= 2 for answers in drawn) >= 10
    assert (
        pairs([submission(f"s{number}", student(number) | answers) for number, answers in enumerate(drawn)], RELEASED)
        == []
    )


@pytest.mark.parametrize("count", [10, 30, 100])
def test_two_students_with_all_the_canonical_answers_are_not_listed(count):
    both = [submission(who, CANONICAL) for who in ("alice", "bob")]
    assert pairs([*class_of(count), *both], RELEASED) == []


def test_a_class_that_agrees_gives_no_pair():
    assert pairs([submission(f"s{number}", CANONICAL) for number in range(30)], RELEASED) == []


def test_stubs_and_docstrings_say_nothing():
    assert pairs([submission(who, STUBS) for who in ("alice", "bob")], RELEASED) == []
    assert (
        pairs([submission(who, STUBS) for who in ("alice", "bob")], None) != []
    )  # so it is the stubs that are removed


def test_notebooks_are_compared_with_their_own_kind_and_nobody_with_themselves():
    copied = student(17)
    one, two = submission("alice", copied), submission("bob", copied)
    assert len(pairs([one, two], RELEASED)) == 1
    other = Submission("bob", "", "", None, "02_other", two.cells)
    assert pairs([one, other], RELEASED) == []
    assert pairs([one, one], RELEASED) == []
    assert pairs([], RELEASED) == []


def test_names_literals_comments_and_layout_are_made_equal():
    one = 'def f(x):\n    """Doc."""\n    # why\n    y = np.exp(-x) + 2.5  # so\n    return y if y > 3 else len("a")'
    two = "def other(value):\n\n        result = np.exp(-value\n            ) + 7; "
    two += "return result if result > 1e3 else len(f'{value}')"
    assert [normal for _, normal in lines_of(one)] == [normal for _, normal in lines_of(two)]
    assert [normal for _, normal in lines_of(one)] != [normal for _, normal in lines_of(one.replace("exp", "log"))]


@pytest.mark.parametrize(
    "source",
    [
        "def f(:\n ((",
        '"""never closed',
        "x = 'a\n",
        "  a\n b\n",
        "\\",
        "é\u2028 = \ufffd",
        "%%bash\n!ls ?",
        "f'{x",
        "",
        "(" * 5000,
    ],
)
def test_code_with_errors_is_read_as_far_as_it_goes(source):
    before = lines_of("def perplexity(P):\n    return 1\n")
    found = lines_of("def perplexity(P):\n    return 1\n" + source)
    assert all(len(raw) > 0 and normal[-1] == "\n" for raw, normal in found)
    assert found[:1] == before[:1] or found == []  # Python 3.12 gives no token at all of some


def test_long_and_hostile_cells_take_little_time():
    hostile = [
        "x" * 500_000,
        "(" * 500_000,
        "'" * 500_000,
        " " * 500_000,
        "1_" * 250_000,
        "a\\\n" * 200_000,
        "f'{" * 150_000,
    ]
    hostile += ["x = 1\n" * 100_000, "\n" * 500_000, "if 1:\n" + "\t" * 500_000, '"""' + "\\" * 500_000, "0x" * 250_000]
    submissions = [submission(f"s{number}", dict.fromkeys(IDS, source)) for number, source in enumerate(hostile)]
    start = time.process_time()
    pairs(submissions, RELEASED)
    assert time.process_time() - start < 60


def test_broken_sources_of_the_fuzzer_raise_nothing():
    rng = random.Random(3)
    for number in range(200):
        text = handed_in.broken(number).decode(errors="replace")
        start = rng.randrange(max(len(text), 1))
        assert isinstance(lines_of(text[start : start + 3000]), list)


def test_winnowing_keeps_one_of_each_window_and_sees_what_is_moved():
    hashes = [random.Random(place).randrange(1000) for place in range(200)]
    kept = winnow(hashes)
    places = [place for place, _ in kept]
    assert all(hashes[place] == value for place, value in kept)
    assert places == sorted(set(places))
    assert places[0] < similar.WINDOW
    assert max(after - before for before, after in itertools.pairwise(places)) <= similar.WINDOW
    moved = {value for _, value in winnow([5000, 6000, *hashes[50:60]])}
    assert moved & {value for _, value in kept}
    assert winnow([]) == []
    assert winnow([3, 1]) == [(1, 1)]
    assert winnow([7, 7, 7, 7, 7]) == [(3, 7), (4, 7)]
