"""The exercises of notebook 02, part D, asking word vectors: inputs, how outputs are judged, and hints."""

from __future__ import annotations

from typing import Any

import numpy as np

from course_utils.exercises.spec import Case, Exercise

NOTEBOOK = "02_word2vec"
Args = tuple[Any, ...]
CLEAR = 1e-3  # by how much the best of several must be better than the next, so that float32 answers alike


# ---------------------------------------------------------------- inputs


def uneven(rng: np.random.Generator, n: int, d: int) -> np.ndarray:
    """Vectors (n, d) of very different lengths, none of them short of 0.1."""
    directions = rng.normal(size=(n, d))
    return directions / np.linalg.norm(directions, axis=1, keepdims=True) * rng.uniform(0.2, 5.0, size=(n, 1))


def clear_cosines(rng: np.random.Generator, n: int, d: int, word: int) -> np.ndarray:
    """Vectors whose cosines with one of them differ clearly from each other, and so do the scalar products."""
    while True:
        W = uneven(rng, n, d)
        cosines = W @ W[word] / np.linalg.norm(W, axis=1) / np.linalg.norm(W[word])
        if np.diff(np.sort(cosines)).min() > CLEAR:
            return W


def with_opposite(rng: np.random.Generator) -> np.ndarray:
    """Eight vectors (8, 3), the last of them just opposite to word 6, whose cosines differ clearly from each other.

    These two lie on an axis, so that the cosine is -1 without rounding.
    """
    while True:
        W = uneven(rng, 8, 3)
        W[6:] = [0, 2, 0], [0, -4, 0]
        if np.diff(np.sort(W[:, 1] / np.linalg.norm(W, axis=1))).min() > CLEAR:
            return W


def with_close(W: np.ndarray, word: int) -> np.ndarray:
    """W with one more row, whose cosine with a word is 1 - 4.5e-6: less than the word's own, and no rounding."""
    length = np.linalg.norm(W[word])
    aside = W[0] - W[0] @ W[word] / length**2 * W[word]
    return np.vstack([W, 1.5 * (W[word] + 0.003 * length * aside / np.linalg.norm(aside))])


def fan(rng: np.random.Generator, n: int) -> np.ndarray:
    """Vectors (n, 2) in the plane whose angles to the first are all different, from 0 to nearly 180 degrees."""
    angles = np.append(0, rng.permutation(np.arccos(np.linspace(0.998, -0.998, n - 1))))
    return rng.uniform(0.5, 2.0, size=(n, 1)) * np.column_stack([np.cos(angles), np.sin(angles)])


def nearest_cases(rng: np.random.Generator) -> list[Case]:
    """By hand with unequal lengths, opposite vectors, one neighbour, all of them."""
    hand = np.array([[1.0, 0.0], [10.0, 10.0], [3.0, 0.5], [-2.0, 0.1], [0.0, 4.0]])
    return [
        Case("five arrows in the plane, the two nearest to the first", (hand, 0, 2)),
        Case("twelve words, the nearest one", (clear_cosines(rng, 12, 4, 7), 7, 1)),
        Case("twenty words, five neighbours", (clear_cosines(rng, 20, 6, 3), 3, 5)),
        Case("all others are neighbours, one of them just opposite", (with_opposite(rng), 6, 7)),
        Case("a neighbour in nearly the same direction", (with_close(clear_cosines(rng, 8, 4, 5), 5), 5, 2)),
        Case("the nearest 400 of 600", (fan(rng, 600), 0, 400)),
    ]


def all_scores(W: np.ndarray, a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Scores (m, n) of every word for every question, query words included."""
    directions = W / np.linalg.norm(W, axis=1)[:, None]
    return (directions[b] - directions[a] + directions[c]) @ directions.T


def clear_questions(rng: np.random.Generator, W: np.ndarray, m: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """m questions of three different words each, whose best answer is clearly better than the next."""
    found: list[np.ndarray] = []
    while len(found) < m:
        a, b, c = (np.array([word]) for word in rng.choice(len(W), 3, replace=False))
        scores = all_scores(W, a, b, c)[0]
        scores[[a[0], b[0], c[0]]] = -np.inf
        if np.diff(np.sort(scores)[-2:])[0] > CLEAR:
            found.append(np.concatenate([a, b, c]))
    questions = np.array(found).T
    return questions[0], questions[1], questions[2]


def lecture_words() -> np.ndarray:
    """man, woman, king, queen with the lecture's numbers, and one longer vector in another direction."""
    return np.array([[0.2, 0.2], [0.6, 0.3], [0.3, 0.7], [0.7, 0.8], [3.0, 2.0], [-1.0, 0.4]])


def in_the_plane(*degrees: float) -> np.ndarray:
    """Vectors (n, 2) in these directions, of different lengths."""
    lengths = np.linspace(2.0, 0.5, len(degrees))
    return lengths[:, None] * np.column_stack([np.cos(np.radians(degrees)), np.sin(np.radians(degrees))])


def analogy_cases(rng: np.random.Generator) -> list[Case]:
    """The lecture's words, a target nearest to a, scores below 0 only, random questions, many words.

    Where a lies in the middle between b and c, the target w_b - w_a + w_c has the direction of a; where b and c lie
    near each other and all else on the other side, all other scores are near -3, the lowest there is.
    """
    few, many = uneven(rng, 9, 4), uneven(rng, 60, 8)
    ahead, behind = in_the_plane(10, 50, -30, 85, -80, 170), in_the_plane(50, 60, 235, 225, 245, 250)
    return [
        Case("man : woman :: king : ?", (lecture_words(), np.array([0]), np.array([1]), np.array([2]))),
        Case("a is nearest to the target", (ahead, np.array([0]), np.array([1]), np.array([2]))),
        Case("all words but b and c have scores near -3", (behind, np.array([2]), np.array([0]), np.array([1]))),
        Case("six questions to nine words", (few, *clear_questions(rng, few, 6))),
        Case("thirty questions to sixty words", (many, *clear_questions(rng, many, 30))),
    ]


def named(
    rng: np.random.Generator, W: np.ndarray, m: int, unknown: int, last: int = 0
) -> tuple[list[list[str]], list[str], np.ndarray]:
    """m questions in words, some of them with a wrong answer, and `unknown` that cannot be asked.

    How many answers are wrong is left to chance, so that no number can be guessed; some repeat a word of the question.
    Word `last` of the first question, which has its right answer, is the last of all words: the number -1 would find
    it. Of what is unknown the first is this question, with this word cut short.
    """
    a, b, c = clear_questions(rng, W, m)
    scores = all_scores(W, a, b, c)
    for query in (a, b, c):
        scores[np.arange(m), query] = -np.inf
    right = scores.argmax(1)
    place = np.arange(len(W))  # of each word's vector
    special = (a, b, c, right)[last][0]
    place[[special, -1]] = place[[-1, special]]
    wrong = rng.random(m) < rng.uniform(0.3, 0.7)
    wrong[:3] = False, True, True
    d = np.where(wrong, (right + 1) % len(W), right)
    d[1] = b[1]
    words = [f"word{i + 10}" for i in rng.permutation(len(W))]
    questions = [[words[place[i]] for i in four] for four in zip(a, b, c, d, strict=True)]
    strangers = [list(questions[number % m]) for number in range(unknown)]
    for number, strange in enumerate(strangers):
        at = (last + number) % 4
        strange[at] = strange[at][:-1]  # a part of a word that is known
        questions.insert(rng.integers(len(questions) + 1), strange)
    return questions, words, W[place]


def in_capitals(rng: np.random.Generator) -> tuple[list[list[str]], list[str], np.ndarray]:
    """Questions to words of which each two differ in capitals only."""
    questions, words, W = named(rng, uneven(rng, 16, 5), int(rng.integers(12, 60)), 0)
    other = {word: f"{'wW'[i % 2]}ord{i // 2}" for i, word in enumerate(words)}
    return [[other[word] for word in question] for question in questions], list(other.values()), W


def accuracy_cases(rng: np.random.Generator) -> list[Case]:
    """Some questions unknown, none, all, a missing answer only, one question twice, words that differ in capitals.

    The numbers of questions are random, so that those who do not compute cannot know what comes out.
    """

    def some(least: int, most: int) -> int:
        return int(rng.integers(least, most))

    W = uneven(rng, 15, 5)
    questions, words, V = named(rng, W, some(4, 40), 0)
    strangers = [["who", "knows", "these", "here"], [words[1], words[2], words[3], "words"]]
    without_answer = named(rng, W, some(4, 40), 1, last=3)
    return [
        Case("some questions have a word that is not known", named(rng, uneven(rng, 15, 5), some(20, 70), some(8, 40))),
        Case("all can be asked", named(rng, uneven(rng, 11, 4), some(9, 70), 0)),
        Case("none can be asked", (strangers * some(1, 20), words, V)),
        Case("for one question only the answer is missing", without_answer),
        Case("one question several times", ([*questions, *questions[:1] * some(2, 20)], words, V)),
        Case("words that differ in capitals only", in_capitals(rng)),
    ]


# ---------------------------------------------------------------- properties


def not_itself(args: Args, got: Any, expected: Any) -> str | None:
    """A word is not its own neighbour."""
    if args[1] in got[0]:
        return f"Word {args[1]} is among its own neighbours: leave it out."
    return None


def cosines_fall(args: Args, got: Any, expected: Any) -> str | None:
    """From the nearest on, and within -1 and 1."""
    cosines = got[1]
    if not np.abs(cosines).max() <= 1 + 1e-5:
        return (
            f"A cosine lies between -1 and 1; yours reach {np.abs(cosines).max():.4g}: divide by the lengths of both."
        )
    if not (np.diff(cosines) <= 1e-6).all():
        return "The largest cosine comes first; yours grow somewhere along the list."
    return None


def query_words_excluded(args: Args, got: Any, expected: Any) -> str | None:
    """a, b and c are no answers."""
    for name, query in zip("abc", args[1:], strict=True):
        same = np.flatnonzero(got == query)
        if len(same):
            return f"Question {same[0]} is answered with its own word {name}: a, b and c must be excluded."
    return None


def counts_add_up(args: Args, got: Any, expected: Any) -> str | None:
    """Whole numbers, and right <= asked <= total."""
    right, asked, total = got
    for name, one in zip(("right", "asked", "total"), got, strict=True):
        if np.asarray(one).dtype.kind not in "iu":
            return f"right, asked and total are integers; your {name} is {one!r}."
    if total != len(args[0]):
        return f"There are {len(args[0])} questions, also those that cannot be asked; you say {total}."
    if not 0 <= right <= asked <= total:
        return f"right <= asked <= total must hold; yours are {right}, {asked} and {total}."
    return None


EXERCISES = (
    Exercise(
        id="nearest-words",
        notebook=NOTEBOOK,
        name="nearest_words",
        title="Nearest neighbours",
        points=1,
        difficulty=1,
        minutes=8,
        cases=nearest_cases,
        takes=("W", "word", "k"),
        returns=("ids", "cosines"),
        properties=(not_itself, cosines_fall),
        hints=(
            "Scale all rows to length 1; then a scalar product is a cosine, and all of them are one matrix product.",
            "Set the word's own cosine to `-np.inf` before you sort, and sort the negative cosines: "
            "`np.argsort(-cosines)`.",
        ),
    ),
    Exercise(
        id="analogy",
        notebook=NOTEBOOK,
        name="analogy",
        title="Analogies",
        points=2,
        difficulty=2,
        minutes=15,
        cases=analogy_cases,
        takes=("W", "a", "b", "c"),
        returns=("answers",),
        properties=(query_words_excluded,),
        hints=(
            "`unit[b] - unit[a] + unit[c]` has shape (m, d): one target for each question. Times `unit.T` it gives the "
            "score of every word, (m, n).",
            "In row i the columns a[i], b[i] and c[i] must not win: `scores[np.arange(m), a] = -np.inf`, and so on.",
        ),
    ),
    Exercise(
        id="analogy-accuracy",
        notebook=NOTEBOOK,
        name="analogy_accuracy",
        title="Accuracy, with nothing swept under the carpet",
        points=1,
        difficulty=2,
        minutes=12,
        cases=accuracy_cases,
        takes=("questions", "words", "W"),
        returns=("right", "asked", "total"),
        properties=(counts_add_up,),
        requires=("analogy",),
        hints=(
            "`index = {word: i for i, word in enumerate(words)}` finds a word's number in one step.",
            "Keep the questions with `all(word in index for word in question)`, all four words, and turn them "
            "into numbers.",
            "`np.array(known, dtype=int).reshape(len(known), 4).T` gives a, b, c and d, also where nothing is known.",
        ),
    ),
)
