"""What a word learner reads and what it is asked: sentences as word numbers, and analogy questions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np


@dataclass(frozen=True)
class Corpus:
    """Sentences as word numbers, end to end in one array.

    tokens  (n,) int32: the number of each word in turn
    starts  (sentences + 1,) int64: sentence i is tokens[starts[i]:starts[i + 1]]
    words   the vocabulary, word number w is words[w]
    counts  (V,) int64: how often each word occurs
    """

    tokens: np.ndarray
    starts: np.ndarray
    words: list[str]
    counts: np.ndarray

    @classmethod
    def of(cls, sentences: Sequence[np.ndarray], words: list[str]) -> Corpus:
        """The corpus of some sentences, each an array of word numbers."""
        tokens = np.concatenate(sentences).astype(np.int32)
        starts = np.concatenate([[0], np.cumsum([len(sentence) for sentence in sentences])])
        return cls(tokens, starts, words, np.bincount(tokens, minlength=len(words)))

    @cached_property
    def index(self) -> dict[str, int]:
        """The number of each word."""
        return {word: i for i, word in enumerate(self.words)}

    @cached_property
    def sentences(self) -> list[np.ndarray]:
        """Every sentence as an array of word numbers (views, not copies)."""
        return np.split(self.tokens, self.starts[1:-1])

    def around(self, word: int, window: int) -> np.ndarray:
        """All words at most `window` places from a word in its sentences, in the order of the corpus."""
        places = np.flatnonzero(self.tokens == word)
        sentence = np.searchsorted(self.starts, places, side="right") - 1
        begin, end = self.starts[sentence][:, None], self.starts[sentence + 1][:, None]
        near = places[:, None] + np.delete(np.arange(-window, window + 1), window)  # (m, 2 window)
        return self.tokens[near[(near >= begin) & (near < end)]]

    def concordance(self, word: str, n: int, width: int = 38) -> list[str]:
        """n lines with the word in the middle and its sentence around it, evenly spread over the corpus."""
        places = np.flatnonzero(self.tokens == self.index[word])
        lines = []
        for place in places[np.linspace(0, len(places) - 1, min(n, len(places))).astype(int)]:
            i = int(np.searchsorted(self.starts, place, side="right")) - 1
            before, after = (
                " ".join(self.words[w] for w in self.tokens[first:last])
                for first, last in ((self.starts[i], place), (place + 1, self.starts[i + 1]))
            )
            lines.append(f"{before[-width:]:>{width}}  {word}  {after[:width]}")
        return lines

    def text(self, i: int) -> str:
        """Sentence i in words."""
        return " ".join(self.words[w] for w in self.tokens[self.starts[i] : self.starts[i + 1]])


@dataclass(frozen=True)
class Questions:
    """Analogy questions a : b :: c : d in families; d is the answer.

    families  for each family its questions, an array (n, 4) of words
    """

    families: dict[str, np.ndarray]

    @classmethod
    def from_pairs(cls, pairs: dict[str, Sequence[tuple[str, str]]]) -> Questions:
        """Every ordered pair of two different pairs of a family, as far as its words and its answer are clear.

        Left out are questions in which a word occurs twice, and those that another pair answers too (for
        min : max :: first : ?, if first is paired with both last and second).
        """
        return cls({name: np.array(list(clear_questions(family))) for name, family in pairs.items()})

    def __len__(self) -> int:
        return sum(map(len, self.families.values()))

    def known(self, words: Sequence[str]) -> tuple[dict[str, np.ndarray], int]:
        """The questions of which a vocabulary has all four words, as numbers into it, and how many it has not.

        Returns families of arrays (n, 4) int64, a family without any question as an array (0, 4).
        """
        index = {word: i for i, word in enumerate(words)}
        numbers = {
            name: np.array([[index.get(w, -1) for w in q] for q in rows]) for name, rows in self.families.items()
        }
        found = {name: rows[(rows >= 0).all(1)] for name, rows in numbers.items()}
        return found, len(self) - sum(map(len, found.values()))


def clear_questions(pairs: Sequence[tuple[str, str]]) -> Iterable[tuple[str, str, str, str]]:
    """(a, b, c, d) for every ordered pair of pairs whose four words differ and whose c has no other partner."""
    partners: dict[str, set[str]] = {}
    for a, b in pairs:
        partners.setdefault(a, set()).add(b)
    for a, b in pairs:
        for c, d in pairs:
            if len({a, b, c, d}) == 4 and len(partners[c]) == 1:
                yield a, b, c, d
