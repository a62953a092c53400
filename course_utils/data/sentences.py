"""From texts to sentences of word numbers: the docstrings and text8 as corpora that a word learner can read."""

from __future__ import annotations

import io
import os
import re
import sys
import zipfile
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from course_utils.data import corpora
from course_utils.data.catalogue import file_problem, find
from course_utils.data.corpus import Corpus
from course_utils.errors import CourseError

CORPUS_VERSION = 2  # part of the cache's key: count up when the rules below change
TEXTS_PER_TASK = 4000
MIN_COUNT = 5
# A word is a run of letters and digits that begins with a letter; a name in snake_case is one word.
WORD = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")
SENTENCE_END = re.compile(r"(?<=[.!?:;])\s+|\n\s*\n")
TEXT8_LINE = 1000  # text8 has no sentences; gensim and others cut it into pieces of this many words


def sentences_of(text: str) -> list[list[str]]:
    """The words of a text in lower case, sentence by sentence; a blank line ends a sentence too."""
    found = (WORD.findall(part) for part in SENTENCE_END.split(text.lower()))
    return [words for words in found if words]


def docstring_corpus() -> Corpus:
    """The docstrings as a corpus: words that occur at least five times, the most frequent first.

    Rarer words are left out of their sentences. It is kept
    beside the docstrings and made again when they are; how large it is depends on what is installed.
    """
    cache = find("docstrings").folder
    key = corpora.installed_key(corpora.site_packages())
    target = cache / f"{key}-corpus{CORPUS_VERSION}.npz"
    try:
        return load_corpus(target)
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        pass  # not made yet, or not readable any more
    corpus = corpus_of(corpora.docstrings().texts)
    for outdated in cache.glob("*.npz"):
        outdated.unlink(missing_ok=True)
    save_corpus(corpus, target)
    return corpus


def corpus_of(texts: list[str], min_count: int = MIN_COUNT) -> Corpus:
    """The corpus of some texts, split into words on all cores, with a progress bar."""
    from joblib import Parallel, delayed
    from tqdm import tqdm

    tasks = [texts[i : i + TEXTS_PER_TASK] for i in range(0, len(texts), TEXTS_PER_TASK)]
    parts = Parallel(n_jobs=-1, return_as="generator")(delayed(number_words)(task) for task in tasks)
    bar = tqdm(parts, total=len(tasks), desc="Splitting into words", leave=False, file=sys.stdout)
    return merged(list(bar), min_count)


def number_words(texts: Iterable[str]) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Some texts as words in the order met, a number for each word that occurs (n,), and sentence lengths."""
    number: dict[str, int] = {}
    numbers, lengths = [], []
    for text in texts:
        for words in sentences_of(text):
            numbers += [number.setdefault(word, len(number)) for word in words]
            lengths.append(len(words))
    return list(number), np.array(numbers, np.int32), np.array(lengths, np.int64)


def merged(parts: list[tuple[list[str], np.ndarray, np.ndarray]], min_count: int) -> Corpus:
    """One corpus from the parts of `number_words`, without the words seen fewer than `min_count` times."""
    total: Counter[str] = Counter()
    for words, numbers, _ in parts:
        total.update(dict(zip(words, np.bincount(numbers, minlength=len(words)).tolist(), strict=True)))
    kept = sorted((word for word, n in total.items() if n >= min_count), key=lambda word: (-total[word], word))
    number = {word: i for i, word in enumerate(kept)}
    tokens, lengths = [], []
    for words, numbers, sizes in parts:
        known = np.array([number.get(word, -1) for word in words], np.int32)[numbers]  # (n,), -1: too rare
        sentence = np.repeat(np.arange(len(sizes)), sizes)
        size = np.bincount(sentence[known >= 0], minlength=len(sizes))
        tokens.append(known[known >= 0])
        lengths.append(size[size > 0])
    tokens = np.concatenate([np.zeros(0, np.int32), *tokens])
    starts = np.concatenate([[0], np.cumsum(np.concatenate([np.zeros(0, np.int64), *lengths]))])
    return Corpus(tokens, starts, kept, np.bincount(tokens, minlength=len(kept)))


def save_corpus(corpus: Corpus, target: Path) -> None:
    """Write a corpus to one file, whole or not at all."""
    target.parent.mkdir(parents=True, exist_ok=True)
    words = np.frombuffer("\n".join(corpus.words).encode(), np.uint8)
    part = target.with_name(f"{target.name}.{os.getpid()}")
    with part.open("wb") as file:
        np.savez(file, tokens=corpus.tokens, starts=corpus.starts, counts=corpus.counts, words=words)
    part.replace(target)


def load_corpus(path: Path) -> Corpus:
    """Read what `save_corpus` wrote."""
    with np.load(path) as arrays:
        words = arrays["words"].tobytes().decode().split("\n")
        return Corpus(arrays["tokens"], arrays["starts"], words, arrays["counts"])


def text8() -> Iterator[list[str]]:
    """The words of text8 in pieces of 1,000, read from the archive piece by piece: 17 million words in all.

    Raises CourseError until `course data fetch text8` was run once: it is no part of the course's folder.
    Source: Matt Mahoney, "About the Test Data"; the first 10⁸ bytes of a cleaned English Wikipedia of 2006.
    """
    data_set = find("text8")
    path = data_set.folder / data_set.files[0].name
    if problem := file_problem(path, data_set.files[0]):
        raise CourseError(
            f"text8 cannot be read, because its file {path.name} is {problem}; run `course data fetch text8` once."
        )
    with zipfile.ZipFile(path) as archive, archive.open("text8") as file:
        yield from pieces(io.TextIOWrapper(file, encoding="ascii"))


def pieces(file: io.TextIOBase, size: int = TEXT8_LINE) -> Iterator[list[str]]:
    """The words of a text without line ends, `size` at a time, never more than a megabyte of it in memory."""
    rest: str = ""
    words: list[str] = []
    while block := file.read(1 << 20):
        *whole, rest = (rest + block).split(" ")
        words += [word for word in whole if word]
        while len(words) >= size:
            yield words[:size]
            words = words[size:]
    words += [rest] if rest else []
    if words:
        yield words
